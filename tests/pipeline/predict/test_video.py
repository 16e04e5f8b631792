"""Videos as pictures: which frames, once each, and what is no video."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ConfigError, DataError
from pipeline.predict import video

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'ezhoi[video]'")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames of 64 x 48 pixels, each of one grey: 0, 20, 40, ..."""
    return written(tmp_path / "clip.mp4")


def written(path: Path, **options: str) -> Path:
    """A video of twelve frames of 64 x 48 pixels, each of one grey: 0, 20, 40, ..."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg1video" if path.suffix == ".mpg" else "mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_every_nth_frame_once(clip: Path, tmp_path: Path) -> None:
    found = video.frames([str(clip)], tmp_path / "frames", every=5)
    assert [one.name for one in found] == ["clip.mp4/000000.jpg", "clip.mp4/000005.jpg", "clip.mp4/000010.jpg"]
    for number, one in zip((0, 5, 10), found, strict=True):
        with Image.open(one.path) as image:
            assert image.size == (64, 48) and abs(np.asarray(image).mean() - 20 * number) < 12
    stamps = [one.stamp for one in found]
    assert [one.stamp for one in video.frames([str(clip)], tmp_path / "frames", every=5)] == stamps
    (found[0].path.parent / video.WHOLE).write_text("{")  # killed while it wrote
    assert len(video.frames([str(clip)], tmp_path / "frames", every=5)) == 3


def test_a_folder_called_like_a_video_is_a_folder_of_pictures(clip: Path, tmp_path: Path) -> None:
    video.frames([str(clip)], tmp_path / "frames", every=5)
    found = video.pictures([str(tmp_path / "frames" / "clip.mp4")], tmp_path / "others")
    assert [one.name for one in found] == ["000000.jpg", "000005.jpg", "000010.jpg"]


def test_sound_that_is_longer_than_the_picture_cuts_nothing_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(12):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        heard.sample_rate = 8000
        container.mux(sound.encode(heard))
        container.mux(sound.encode())
    assert len(video.frames([str(path)], tmp_path / "frames", every=5)) == 3 and caplog.text == ""


def test_another_n_or_video_leaves_the_frames_of_the_first(clip: Path, tmp_path: Path) -> None:
    first = video.frames([str(clip)], tmp_path / "frames", every=5)
    stamps = [one.stamp for one in first]
    assert len(video.frames([str(clip)], tmp_path / "frames", every=1)) == 12
    (tmp_path / "other").mkdir()
    other = written(tmp_path / "other" / "clip.mp4", movflags="faststart")
    assert len(video.frames([str(other)], tmp_path / "frames", every=5)) == 3
    assert [one.stamp for one in first] == stamps


@pytest.mark.parametrize(
    ("name", "options", "kept", "said"),
    [
        ("clip.mp4", {"movflags": "faststart"}, 0.7, r"its frames end after 0\.\d of 0\.5 s, so it may be cut off"),
        ("clip.mkv", {}, 0.6, r"its frames end after 0\.\d of 0\.5 s, so it may be cut off"),
        ("clip.mpg", {}, 0.5, r"[1-9]\d* of \d+ frames damaged"),
    ],
)
def test_a_video_that_is_cut_off_is_warned_of(
    name: str, options: dict[str, str], kept: float, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / name, **options)
    assert len(video.frames([str(path)], tmp_path / "frames", every=1)) == 12
    assert not caplog.text
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    for _ in range(2):  # also of frames that are there
        caplog.clear()
        assert 0 < len(video.frames([str(path)], tmp_path / "frames", every=1)) < 12
        assert re.search(said, caplog.text)


def test_a_list_of_other_files_is_no_video(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    with pytest.raises(DataError, match=r"list\.mp4: cannot be read as a video"):
        video.frames([str(tmp_path / "list.mp4")], tmp_path / "frames")


def test_what_is_no_video_is_said(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4: cannot be read as a video"):
        video.frames([str(tmp_path / "text.mp4")], tmp_path / "frames")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut\.mp4: cannot be read as a video"):
        video.frames([str(tmp_path / "cut.mp4")], tmp_path / "frames")
    with pytest.raises(DataError, match="there is no such file"):
        video.frames([str(tmp_path / "none.mp4")], tmp_path / "frames")
    with pytest.raises(DataError, match=r"two videos are called clip\.mp4"):
        video.frames([str(clip), f"elsewhere/{clip.name}"], tmp_path / "frames")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'ezhoi\[video\]'"):
        video.frames([str(clip)], tmp_path / "others")
    assert video.parted(["A.MOV", "a.jpg"]) == (["a.jpg"], ["A.MOV"])


def test_a_pattern_may_mean_videos(clip: Path, tmp_path: Path) -> None:
    """A shell leaves a pattern in quotes as it is, and the form of the deployment has no shell."""
    Image.new("RGB", (8, 6)).save(tmp_path / "clip.png")
    written(tmp_path / "more.mp4")
    found = video.pictures([str(tmp_path / "*.mp4")], tmp_path / "frames", every=8)
    assert [one.name for one in found] == [f"{name}/00000{n}.jpg" for name in ("clip.mp4", "more.mp4") for n in (0, 8)]
    found = video.pictures([str(tmp_path / "clip.*")], tmp_path / "frames", every=8)
    assert [one.name for one in found] == ["clip.png", "clip.mp4/000000.jpg", "clip.mp4/000008.jpg"]
    with pytest.raises(DataError, match=r"\*\.mkv: no file is called so"):
        video.pictures([str(tmp_path / "*.mkv")], tmp_path / "frames")
