"""Videos as pictures: every N-th frame as a JPEG, through PyAV (`pip install 'ezhoi[video]'`)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, DataError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.machine.home import expanded
from pipeline.outside import reading
from pipeline.predict import listing
from pipeline.predict.journal import ELSEWHERE
from pipeline.predict.listing import Listed
from pipeline.store.names import in_order

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
"""The suffixes by which named files are taken for videos, in either case; in folders they are ignored."""
EVERY = 25
"""How many frames there are from one picture to the next: about a second."""
WHOLE = ".whole.json"
"""The file, in a folder of frames, that names the video and the frames; it is written when all are there."""
QUALITY = 95
"""The quality of the JPEGs."""


def is_video(text: str) -> bool:
    """Whether a path has the suffix of a video."""
    return text.lower().endswith(SUFFIXES)


def pictures(given: Sequence[str], folder: Path, *, every: int = EVERY) -> list[Listed]:
    """The pictures of paths as `listing.pictures` finds them, followed by the frames of the videos among the paths.

    Args:
        folder: where frames are written.

    Raises:
        ConfigError, DataError: as of `listing.pictures` and `frames`.
    """
    videos = [text for text in given if is_video(text)]
    others = [text for text in given if text not in videos]
    found = listing.pictures(others) if others or not videos else []
    return found + frames(videos, folder, every=every)


def frames(videos: Sequence[str], folder: Path, *, every: int = EVERY) -> list[Listed]:
    """The frames 0, N, 2 N, ... of videos as pictures called `clip.mp4/000025.jpg`, turned as the video says.

    They are written under `folder`, unless they are there.

    Raises:
        ConfigError: PyAV is not installed.
        DataError: a video is missing or cannot be decoded, has no frame, or two have one name.
    """
    names = [Path(text).name for text in videos]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two videos are called {twice[0]}: predict one after the other, each with its own --out")
    found = []
    for text, name in zip(videos, names, strict=True):
        path, own = expanded(text), folder / name
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
        status = path.stat()
        wanted = {"bytes": status.st_size, "changed": status.st_mtime_ns, "every": every}
        if _whole(own) != wanted:
            folder.mkdir(parents=True, exist_ok=True)
            with locks.held(folder / f".{name}.lock", elsewhere=ELSEWHERE):
                if _whole(own) != wanted:  # another command may have written them meanwhile
                    _write(path, own, every)
                    with atomic(own / WHOLE) as temporary:
                        temporary.write_text(json.dumps(wanted), encoding="utf-8")
        found += [
            Listed(f"{name}/{frame.name}", frame)
            for frame in sorted(own.glob("*.jpg"), key=lambda frame: in_order(frame.name))
        ]
    return found


def _whole(folder: Path) -> Any:
    """Which video and frames a folder has; None if they are not all there."""
    try:
        return json.loads((folder / WHOLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, folder: Path, every: int) -> None:
    try:
        import av
    except ImportError:
        raise ConfigError(f"{path}: reading videos needs PyAV: pip install 'ezhoi[video]'") from None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    count = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: has sound alone")
            for count, frame in enumerate(container.decode(video=0), start=1):
                if (count - 1) % every:
                    continue
                reading.check_pixels(frame.width, frame.height, what=str(path))
                image = frame.to_image().rotate(getattr(frame, "rotation", 0), expand=True)
                with atomic(folder / f"{count - 1:06d}.jpg") as temporary:
                    image.save(temporary, "JPEG", quality=QUALITY)
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a video ({reading.why(error)})") from error
    if not count:
        raise DataError(f"{path}: has no frame")
