"""The flow of predictions: a page with drawn samples, what is refused, and nothing twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shared_demo import Copied
from small_demo import SETTINGS

from pipeline.errors import EzhoiError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Path:
    """A folder with a store that has a bundle, two pictures and their boxes."""
    folder = tmp_path_factory.mktemp("predict")
    demo(folder / "store")
    (folder / "pictures").mkdir()
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (64, 48), "green").save(folder / "pictures" / name)
    boxes = pd.DataFrame([[1, 1, 30, 40], [20, 10, 60, 45]] * 2, columns=["x1", "y1", "x2", "y2"])
    names = {"file_name": ["a.jpg", "a.jpg", "b.png", "b.png"], "label": ["person", "horse"] * 2}
    boxes.assign(**names, score=0.9).to_parquet(folder / "boxes.parquet")
    return folder


def test_the_flow_predicts_publishes_and_does_nothing_twice(
    make_recorder: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.predict import KEY, predict

    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    recorded = make_recorder([*SETTINGS, f"store.root={made / 'store'}"])
    given: dict[str, Any] = {"overrides": [*SETTINGS, f"store.root={made / 'store'}"], "threshold": 0.0}
    given |= {"pictures": str(made / "pictures"), "boxes": str(made / "boxes.parquet")}
    state = predict(**given, return_state=True)
    assert state.is_completed() and "2 of 2 pictures predicted: " in state.message, state.message
    recorded.id = str(state.state_details.flow_run_id)
    (page,) = [a for a in recorded.artifacts() if a["key"] == KEY]
    assert page["data"].startswith("# 2 pictures, ") and page["data"].count("](data:image/jpeg;base64,") == 2
    assert "horse | " in page["data"]
    (out,) = (tmp_path / "home" / "predicted").iterdir()
    stamps = {path: path.stat().st_mtime_ns for path in (out / "drawn").iterdir()}
    again = predict(**given, return_state=True)
    assert again.is_completed() and {path: path.stat().st_mtime_ns for path in (out / "drawn").iterdir()} == stamps
    several = given | {"out": str(tmp_path / "one"), "pictures": str(made / "pictures" / "a.jpg")}
    assert predict(**several, return_state=True).is_completed()
    other = predict(**several | {"pictures": str(made / "pictures" / "*.png")}, return_state=True)
    recorded.id = str(other.state_details.flow_run_id)
    log = " ".join(recorded.log(until="Finished in state Completed"))
    assert other.is_completed() and f"{tmp_path / 'one'} also has 1 pictures of earlier commands" in log
    refused = predict(**given | {"pictures": str(made / "nowhere")}, return_state=True)
    assert refused.is_failed() and refused.message.endswith("nowhere: there is no such file or folder")
    unknown = predict(**given | {"only": ["ride hors"]}, return_state=True)
    assert unknown.is_failed() and "ride horse" in unknown.message


def test_the_flow_looks_at_every_nth_frame_of_a_video(
    make_recorder: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.predict import predict

    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    make_recorder([*SETTINGS, f"store.root={made / 'store'}"])
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    boxes = pd.DataFrame([[1, 1, 30, 40], [20, 10, 60, 45]], columns=["x1", "y1", "x2", "y2"])
    boxes = boxes.assign(file_name="clip.mp4/000005.jpg", label=["person", "horse"], score=0.9)
    boxes.to_parquet(tmp_path / "boxes.parquet")
    given: dict[str, Any] = {"overrides": [*SETTINGS, f"store.root={made / 'store'}"], "threshold": 0.0, "every": 5}
    given |= {"pictures": str(clip), "boxes": str(tmp_path / "boxes.parquet")}
    state = predict(**given, return_state=True)
    assert state.is_completed() and "3 of 3 pictures predicted: " in state.message, state.message
    (out,) = (tmp_path / "home" / "predicted").iterdir()
    assert sorted(path.name for path in (out / "drawn" / "clip.mp4").iterdir()) == [
        "000000.jpg",
        "000005.jpg",
        "000010.jpg",
    ]
    monkeypatch.setitem(sys.modules, "av", None)
    refused = predict(**given | {"every": 6}, return_state=True)
    assert refused.is_failed() and "pip install 'ezhoi[video]'" in refused.message


def test_the_flow_takes_classes_and_examples(
    make_recorder: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.predict import predict

    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    make_recorder([*SETTINGS, f"store.root={made / 'store'}"])
    more = tmp_path / "more.yaml"
    more.write_text(
        "format: ezhoi-vocabulary/1\nverbs: [{name: groom, ing: grooming}]\nclasses: [[groom, horse], [groom, dog]]\n"
    )
    pair = {"file_name": "a.jpg", "class": "groom horse", "hx1": 1, "hy1": 1, "hx2": 30, "hy2": 40}
    pd.DataFrame([pair | {"ox1": 20, "oy1": 10, "ox2": 60, "oy2": 45}]).to_csv(
        made / "pictures" / "pairs.csv", index=False
    )
    given: dict[str, Any] = {"overrides": [*SETTINGS, f"store.root={made / 'store'}"], "threshold": 0.0}
    given |= {"pictures": str(made / "pictures" / "b.png"), "boxes": str(made / "boxes.parquet"), "classes": str(more)}
    state = predict(**given, adapt=True, examples=str(made / "pictures" / "pairs.csv"), return_state=True)
    assert state.is_completed(), state.message
    (out,) = (tmp_path / "home" / "predicted").iterdir()
    about = json.loads((out / "predictions.json").read_text())["about"]
    assert [one["class"] for one in about["added"]] == ["groom horse", "groom dog"] and about["adapted"]
    assert about["examples"] == {"groom horse": 1} and about["classes_file"]["name"] == "more.yaml"
    assert predict(**given, return_state=True).is_completed()
    assert len(list((tmp_path / "home" / "predicted").iterdir())) == 2, "not adapted, it is another result"
    for changed, says in (
        ({"classes": None, "adapt": True}, "adapt (--adapt) adapts the classes that a file adds"),
        ({"classes": f"/{'far/' * 30}none.yaml"}, "far/none.yaml': there is no such file or folder"),
        ({"examples": ""}, "examples is an empty text; leave the parameter out"),
        ({"out": ""}, "out is an empty text; leave the parameter out"),
        ({"model": " "}, "model is an empty text; leave the parameter out"),
        ({"boxes": "~nobody-at-all/x"}, "boxes '~nobody-at-all/x': no user has the home folder"),
        ({"out": "a\0b"}, "out 'a\\x00b': a path has no NUL in it"),
        ({"out": str(made / "boxes.parquet")}, f"{made / 'boxes.parquet'}: is there already, as a file where a folder"),
        ({"model": str(made)}, f"{made}: a folder is where a file should be"),
        ({"model": "gone.safetensors"}, "gone.safetensors: no such file or folder"),
        ({"pictures": "x" * 5_000}, "the name is too long for the file system"),
        ({"detector": "tiny"}, "has the boxes already, so tiny would not be asked"),
    ):
        refused = predict(**given | changed, return_state=True)
        assert refused.is_failed() and says in refused.message, refused.message


@pytest.mark.parametrize("name", ["boxes", "classes", "examples"])
@pytest.mark.parametrize(
    ("text", "says"),
    [("none.yaml", "there is no such file or folder"), ("~nobody-here/x", "no user has the home folder")],
)
def test_messages_about_parameters_have_one_form(name: str, text: str, says: str) -> None:
    from flows.predict import _there

    with pytest.raises(EzhoiError, match=f"^{name} '{text}': {says}"):
        _there(name, text)
