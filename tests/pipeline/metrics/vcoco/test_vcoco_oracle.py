"""Every number of the official program on V-COCO's own labels, with made-up boxes and detections."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.metrics.vcoco import detections, people, role_ap
from pipeline.metrics.vcoco.role_ap import Rules

SHARED = Path(__file__).parents[5] / "shared"
ORACLE, LABELS = SHARED / "oracles" / "vcoco", SHARED / "data" / "vcoco"
pytestmark = pytest.mark.skipif(not ORACLE.is_dir(), reason=f"the official program's numbers are not under {ORACLE}")


@pytest.fixture(scope="module", params=["train", "val"])
def split(request):
    truth = people.read(LABELS / f"vcoco_{request.param}.json.gz", ORACLE / f"coco_{request.param}.json.gz")
    tables = [pd.read_parquet(ORACLE / f"{name}_{request.param}.parquet") for name in ("roles", "agents")]
    return truth, tables, json.loads((ORACLE / "reference.json").read_text())[request.param]


def evaluated(truth, tables, column, rules=None):
    roles, agents = (table.assign(score=table[column]) for table in tables)
    found = role_ap.role_ap(detections.place(roles, truth), truth, rules=rules)
    agent = role_ap.agent_ap(detections.place(agents, truth, what="action"), truth, rules=rules)
    return {"scenario_1": found[1], "scenario_2": found[2], "agent": agent}


@pytest.mark.parametrize(("variant", "column"), [("distinct", "score"), ("tied_stable", "score_tied")])
def test_every_role_and_action(split, variant, column):
    truth, tables, reference = split
    for name, table in evaluated(truth, tables, column).items():
        wanted = [reference[variant][name][key] for key in table.iloc[:, 0]]
        assert len(wanted) == len(reference[variant][name])
        assert table["ap"].tolist() == pytest.approx([w["ap"] for w in wanted], abs=1e-6)
        assert table["n_truth"].tolist() == [w["npos"] for w in wanted]
        assert table["n_pred"].tolist() == [w["n_counted"] for w in wanted]
        means = reference[variant][f"mean_{name}"]
        assert role_ap.mean_ap(table, mean="all") / 100 == pytest.approx(
            means["all_26" if name == "agent" else "all_25"], abs=1e-6
        )
        if name != "agent":
            assert role_ap.mean_ap(table) / 100 == pytest.approx(means["without_point_24"], abs=1e-6)


def test_the_bounds_of_equal_scores(split):
    truth, tables, reference = split
    for place, ties in enumerate(("worst", "best")):
        for name, table in evaluated(truth, tables, "score_tied", Rules(ties=ties)).items():
            wanted = [reference["tied_bounds"][name][key][place] for key in table.iloc[:, 0]]
            assert table["ap"].tolist() == pytest.approx(wanted, abs=1e-6)


def test_caches_that_fill_what_they_do_not_report(split):
    """Every entry reports every role; what a method has not said has score 0 and a box of a tenth of a pixel."""
    truth, tables, reference = split
    persons = pd.concat(tables)[["image_id", "entry", "hx1", "hy1", "hx2", "hy2"]].drop_duplicates("entry")
    filled = []
    for table, what, known in zip(tables, ("role", "action"), (truth.roles, truth.actions), strict=True):
        every = persons.merge(pd.DataFrame({what: known}), how="cross").assign(score=0.0)
        every = every.assign(ox1=0.0, oy1=0.0, ox2=0.1, oy2=0.1) if what == "role" else every
        told = pd.MultiIndex.from_frame(table[["entry", what]])
        rest = every[~pd.MultiIndex.from_frame(every[["entry", what]]).isin(told)]
        filled.append(pd.concat([table[list(rest)], rest]).sort_values("entry", kind="stable"))
    for name, table in evaluated(truth, filled, "score").items():
        wanted = [reference["filled_stable"][name][key]["ap"] for key in table.iloc[:, 0]]
        assert table["ap"].tolist() == pytest.approx(wanted, abs=1e-6)
