"""Videos as pictures: every N-th frame as a JPEG, through PyAV (`pip install 'ezhoi[video]'`)."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, DataError
from pipeline.machine import locks
from pipeline.machine.files import atomic
from pipeline.machine.home import expanded
from pipeline.outside import reading
from pipeline.predict import listing
from pipeline.predict.journal import ELSEWHERE
from pipeline.predict.listing import Listed
from pipeline.store import digest
from pipeline.store.names import in_order

if TYPE_CHECKING:
    import av

log = logging.getLogger("ezhoi.predict")

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
"""The suffixes by which named files are taken for videos, in either case; in folders they are ignored."""
EVERY = 25
"""How many frames there are from one picture to the next: about a second."""
WHOLE = ".whole.json"
"""The file, in a folder of frames, that says what is odd about the video; it is written when all frames are there."""
QUALITY = 95
"""The quality of the JPEGs."""
OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegts,mpegvideo",
}
"""FFmpeg's options: it opens videos alone, and no list of other files or addresses that is called like a video."""
SHORT = 0.25
"""By how many seconds a video may be shorter than it says."""


def parted(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """What of the given paths means pictures, and the paths of videos; a pattern is replaced by the files that it means.

    A path with the suffix of a video is one, unless it is a folder, such as that of a video's frames.

    Raises:
        DataError: a pattern means no file.
    """
    paths = [str(path) for text in given for path in listing.of_pattern(text) or (text,)]
    videos = {text: None for text in paths if text.lower().endswith(SUFFIXES) and not expanded(text).is_dir()}
    return [text for text in paths if text not in videos], list(videos)


def pictures(given: Sequence[str], folder: Path, *, every: int = EVERY) -> list[Listed]:
    """The pictures of paths as `listing.pictures` finds them, followed by the frames of the videos among the paths.

    Args:
        folder: where frames are written.

    Raises:
        ConfigError, DataError: as of `listing.pictures` and `frames`.
    """
    others, videos = parted(given)
    found = listing.pictures(others) if others or not videos else []
    return found + frames(videos, folder, every=every)


def frames(videos: Sequence[str], folder: Path, *, every: int = EVERY) -> list[Listed]:
    """The frames 0, N, 2 N, ... of videos as pictures called `clip.mp4/000025.jpg`, turned as the video says.

    They are written under `folder` in `clip.mp4/every-25-DIGEST`, unless they are there; those of another N
    or another video of that name stay beside them.
    A video that is cut off or damaged is warned of, each time.

    Raises:
        ConfigError: PyAV is not installed.
        DataError: a video is missing or cannot be decoded, has no frame, or two have one name.
    """
    names = [Path(text).name for text in videos]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two videos are called {twice[0]}: predict one after the other, each with its own --out")
    found = []
    for text, name in zip(videos, names, strict=True):
        path = expanded(text)
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
        status = path.stat()
        own = folder / name / f"every-{every}-{digest.of_value([status.st_size, status.st_mtime_ns])[:12]}"
        if (remark := _remark(own)) is None:
            own.parent.mkdir(parents=True, exist_ok=True)
            with locks.held(folder / f".{name}.lock", elsewhere=ELSEWHERE):
                if (remark := _remark(own)) is None:  # another command may have written them meanwhile
                    remark = _write(path, own, every)
                    with atomic(own / WHOLE) as temporary:
                        temporary.write_text(json.dumps({"remark": remark}), encoding="utf-8")
        if remark:
            log.warning("%s: %s", path, remark)
        found += [
            Listed(f"{name}/{frame.name}", frame)
            for frame in sorted(own.glob("*.jpg"), key=lambda frame: in_order(frame.name))
        ]
    return found


def _remark(folder: Path) -> str | None:
    """What is odd about the video whose frames a folder has; None if they are not all there."""
    try:
        return str(json.loads((folder / WHOLE).read_text(encoding="utf-8"))["remark"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, folder: Path, every: int) -> str:
    """Write the frames of a video, and return what is odd about it, or nothing."""
    try:
        import av
    except ImportError:
        raise ConfigError(f"{path}: reading videos needs PyAV: pip install 'ezhoi[video]'") from None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count = damaged = 0
    try:
        with av.open(str(path), options=OPTIONS) as container:
            if not container.streams.video:
                raise DataError(f"{path}: has sound alone")
            for count, frame in enumerate(container.decode(video=0), start=1):
                damaged += frame.is_corrupt
                if (count - 1) % every:
                    continue
                reading.check_pixels(frame.width, frame.height, what=str(path))
                image = frame.to_image().rotate(getattr(frame, "rotation", 0), expand=True)
                with atomic(folder / f"{count - 1:06d}.jpg") as temporary:
                    image.save(temporary, "JPEG", quality=QUALITY)
            if not count:
                raise DataError(f"{path}: has no frame")
            odd = [_cut_off(container, frame), f"{damaged} of {count} frames damaged" if damaged else ""]
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a video ({reading.why(error)})") from error
    return ", and ".join(filter(None, odd))


def _cut_off(container: av.container.InputContainer, last: av.VideoFrame) -> str:
    """Where a video ends if that is before the time that it says, as one does that was copied in part; else nothing."""
    stream = container.streams.video[0]
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:  # else it may be that of the sound
        seconds = container.duration / 1_000_000
    else:
        return ""
    if last.pts is None or last.time_base is None:
        return ""
    end = float((last.pts + (last.duration or 0) - (stream.start_time or 0)) * last.time_base)
    return f"its frames end after {end:.1f} of {seconds:.1f} s, so it may be cut off" if seconds - end > SHORT else ""
