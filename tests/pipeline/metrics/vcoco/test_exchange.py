"""The official list in JSON: read, written, read again."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.vcoco.actions import ACTIONS, ROLES
from pipeline.errors import DataError
from pipeline.metrics.vcoco import detections, exchange, people, role_ap

PERSON = [0.0, 0, 9, 19]


def entry(**keys):
    return {"image_id": 2, "person_box": PERSON} | keys


def written(path, *entries):
    path.write_text(json.dumps(list(entries)))
    return path


def test_what_is_not_reported_is_no_row(tmp_path):
    nan = float("nan")
    path = written(
        tmp_path / "d.json",
        entry(eat_agent=0.5, eat_obj=[5, 5, 8, 8, 0.4], eat_instr=[nan] * 5, stand_agent=None),
        entry(eat_agent=nan, eat_obj=None, eat_instr=[None, None, None, None, 0.3]),
    )
    roles, agents = exchange.read(path)
    assert roles[["entry", "role", "score"]].to_numpy().tolist() == [[0, "eat_obj", 0.4], [1, "eat_instr", 0.3]]
    assert roles["ox2"].tolist()[0] == 8 and math.isnan(roles["ox2"][1]) and roles["hx2"].tolist() == [9, 9]
    assert agents[["entry", "action", "score"]].to_numpy().tolist() == [[0, "eat", 0.5]]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([entry(eat_obj=[1, 2, 3])], "entry 0: 'eat_obj' is .*, 5 numbers are needed"),
        ([entry(), entry(eat_agent="much")], "entry 1: 'eat_agent' is 'much', 1 numbers are needed"),
        ([entry(person_box=[1, 2, "x", 4])], "entry 0: 'person_box' is"),
        ([entry(image_id=1.5)], "row 0: image_id is 1.5, a whole number is needed"),
        ([{"image_id": 1}], "a list of objects with image_id, person_box"),
    ],
)
def test_faults_are_named(tmp_path, entries, says):
    with pytest.raises(DataError, match=says):
        exchange.read(written(tmp_path / "d.json", *entries))


def test_written_and_read_again_it_is_the_same(files, tmp_path):
    truth = people.read(*files())
    rows = [("eat obj", 0.5, 5, 5, 8, 8), ("eat obj", 0.4, 50, 5, 80, 8), ("eat instr", 0.3, *[np.nan] * 4)]
    frame = pd.DataFrame(rows, columns=["role", "score", "ox1", "oy1", "ox2", "oy2"]).assign(
        image_id=2, **dict(zip(("hx1", "hy1", "hx2", "hy2"), PERSON, strict=True))
    )
    before = detections.place(frame, truth)
    remarks = exchange.write(tmp_path / "d.json", truth, before)
    assert "nobody reports hold_agent" in remarks[0] and "eat_agent" not in remarks[0] and "point_instr" in remarks[0]
    entries = json.loads((tmp_path / "d.json").read_text())
    keys = {f"{action}_{role}" for action, roles in ACTIONS.items() for role in ("agent", *roles)}
    assert [set(e) for e in entries] == [{"image_id", "person_box"} | keys] * 2
    assert [e["eat_agent"] for e in entries] == [0.5, 0.4]  # two entries of one person: the second cup needs another
    roles, agents = exchange.read(tmp_path / "d.json")
    after = detections.place(roles, truth)
    for one, two in zip(role_ap.role_ap(before, truth).values(), role_ap.role_ap(after, truth).values(), strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert detections.place(agents, truth, what="action").score.tolist() == [0.5, 0.4]


def test_the_24_roles_are_those_of_the_pair_files():
    assert len(ROLES) == 24 and ROLES[14] == "cut instr" and len(ACTIONS) == 26
