"""V-COCO's role AP, scenarios 1 and 2, and agent AP, by the rules of the official `vsrl_eval`.

Per action-role, a detection (person box, role box, score) is compared with the annotated person of the image it overlaps best,
whatever that person does (the first of the image where it overlaps nobody). If that person has no labels, it counts neither
way. It is right if that person does the action, both overlaps reach 0.5 and no better detection took the person for this role.
Overlaps count inclusive pixels: every width has a pixel added. A role's positives are all persons who do its action. AP is the
area under the precision envelope; the mean goes over the roles.

Where the person's role has no annotated box (the object is out of sight), scenario 1 wants a detection that reports none, and
scenario 2 takes any. For agent AP there is no role box, and the mean goes over the actions.

`Rules` has what else public numbers differ in. An image whose persons were all dropped makes the official program stop where a
detection lies in it; here that detection is wrong. A role without positives has no AP (nan) and is not in the mean.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.vcoco.actions import POINT
from pipeline.metrics import remarks
from pipeline.metrics.average_precision import average_precision
from pipeline.metrics.matching import Pairs, best_truth, reorder_ties
from pipeline.metrics.vcoco.detections import Reported
from pipeline.metrics.vcoco.people import People
from pipeline.tables.boxes import Floats, iou

Scenario = Literal[1, 2]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
Absent = Literal["empty", "nan", "zeros", "tiny"]
Ties = Literal["stable", "best", "worst"]
Mean = Literal["published", "all"]
INCLUSIVE = np.array([0.0, 0.0, 1.0, 1.0])
"""What is added to a box of inclusive pixels so that its overlaps are the same in continuous coordinates."""
OVERLAP = 0.5


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules in which published numbers differ; the defaults are those of the official program."""

    absent: Absent = "empty"
    """Which role box says "no object in sight", asked in scenario 1: four nan or four zeros (`empty`, the program), only
    `nan`, only `zeros`, or also a box thinner than a pixel (`tiny`, which takes the 0, 0, .1, .1 of UPT's caches)."""
    ties: Ties = "stable"
    """The order of equal scores: as a `stable` sort of the program's lists gives it (the later image, inside it the
    earlier row, while a person is taken by the later row), or the right ones (`best`) or the wrong ones (`worst`)."""


@dataclass(frozen=True, kw_only=True)
class _Best:
    """The annotated person that each detection overlaps best."""

    person: NDArray[np.int64]
    """`[n]`, -1 where the image has none."""
    near: NDArray[np.bool_]
    """`[n]` whether the overlap reaches a half."""
    counted: NDArray[np.bool_]
    """`[n]` whether that person has labels; a detection in an image without persons counts."""


def role_ap(found: Reported, people: People, *, rules: Rules | None = None) -> dict[Scenario, pd.DataFrame]:
    """AP of every role in both scenarios: `role`, `ap` in [0, 1] (nan without positives), `n_truth`, `n_pred`, and
    `n_found`, how many positives are found at any score."""
    rules = rules or Rules()
    best = _best_person(found, people)
    rows = _rows_of_doers(best, people.does, found.what)
    annotated = people.role_box[best.person[rows], found.what[rows]]
    tables: dict[Scenario, pd.DataFrame] = {}
    for scenario in SCENARIOS:
        passed = np.zeros(len(found), dtype=np.bool_)
        passed[rows] = _role_fits(found.thing[rows], annotated, scenario, rules.absent)
        tables[scenario] = _table(found, best, passed, people.does, ("role", people.roles), rules.ties)
    return tables


def agent_ap(found: Reported, people: People, *, rules: Rules | None = None) -> pd.DataFrame:
    """AP of every action without its roles: `action`, `ap`, `n_truth`, `n_pred`, `n_found`."""
    best = _best_person(found, people)
    passed = np.zeros(len(found), dtype=np.bool_)
    passed[_rows_of_doers(best, people.acts, found.what)] = True
    return _table(found, best, passed, people.acts, ("action", people.actions), (rules or Rules()).ties)


def lost_positives(found: Reported, people: People, *, rules: Rules | None = None) -> str | None:
    """A remark on detections that never report an object out of sight although positives are: scenario 1 loses these."""
    absent = int((people.does & np.isnan(people.role_box).all(axis=2)).sum())
    if not absent or _says_absent(found.thing, (rules or Rules()).absent).any():
        return None
    return (
        f"no detection says that its object is out of sight, so scenario 1 finds none of the {absent:,} positives (of "
        f"{int(people.does.sum()):,}) whose object is"
    )


def doubt(table: pd.DataFrame) -> list[str]:
    """A remark where so few positives of the reported roles are found at any score that boxes are probably meant otherwise."""
    reported = table[table["n_pred"] > 0]
    return remarks.few_found(int(reported["n_found"].sum()), int(reported["n_truth"].sum()))


def mean_ap(table: pd.DataFrame, *, mean: Mean = "published") -> float:
    """Mean AP in percent over the rows with positives; published numbers leave out the role `point`, `all` includes it."""
    left_out = [POINT] if mean == "published" else []
    return 100 * float(table.loc[~table.iloc[:, 0].isin(left_out), "ap"].mean())


def _best_person(found: Reported, people: People) -> _Best:
    """The best person by pair matching, with the person's box on both sides."""
    detected, annotated = (
        Pairs(image=where, hoi=np.zeros(len(where), dtype=np.int64), human=boxes, object=boxes)
        for where, boxes in ((found.image, found.human + INCLUSIVE), (people.image, people.box + INCLUSIVE))
    )
    person, overlap = best_truth(detected, annotated)
    ignored = np.append(people.ignored, False)  # the last stands for no person
    return _Best(person=person, near=(person >= 0) & (overlap >= OVERLAP), counted=~ignored[person])


def _rows_of_doers(best: _Best, does: NDArray[np.bool_], what: NDArray[np.int64]) -> NDArray[np.int64]:
    """The detections on a person who does what they say."""
    rows = np.flatnonzero(best.near & best.counted)
    return rows[does[best.person[rows], what[rows]]]


def _role_fits(found: Floats, annotated: Floats, scenario: Scenario, absent: Absent) -> NDArray[np.bool_]:
    """`[n]` whether the role boxes agree."""
    out_of_sight = np.isnan(annotated).all(axis=1)
    overlap = np.nan_to_num(iou(found + INCLUSIVE, annotated + INCLUSIVE))
    return np.where(out_of_sight, (scenario == 2) | _says_absent(found, absent), overlap >= OVERLAP)


def _says_absent(found: Floats, absent: Absent) -> NDArray[np.bool_]:
    """`[n]` whether a role box says that no object is in sight."""
    nan, zeros = np.isnan(found).all(axis=1), (found == 0).all(axis=1)
    tiny = (found[:, 2:] - found[:, :2] < 1).any(axis=1)  # nan is not
    said = {"nan": nan, "zeros": zeros, "empty": nan | zeros, "tiny": nan | zeros | tiny}
    return np.asarray(said[absent], dtype=np.bool_)


def _table(
    found: Reported,
    best: _Best,
    passed: NDArray[np.bool_],
    does: NDArray[np.bool_],
    names: tuple[str, tuple[str, ...]],
    ties: Ties,
) -> pd.DataFrame:
    """AP of every role or action from the detections that passed."""
    column, known = names
    row = np.arange(len(found))
    claims = np.lexsort((-row, -found.score))
    claims = claims[passed[claims]]
    _, first = np.unique(best.person[claims] * len(known) + found.what[claims], return_index=True)
    hit = np.zeros(len(found), dtype=np.bool_)
    hit[claims[first]] = True
    order = np.lexsort((row, -found.image, -found.score, found.what))
    order = order[best.counted[order]]
    hits = hit[order]
    if ties != "stable":
        hits = reorder_ties(hits, found.what[order], found.score[order], best=ties == "best")
    starts = np.searchsorted(found.what[order], np.arange(len(known) + 1))
    n_truth = does.sum(axis=0)
    runs = [hits[start:end] for start, end in itertools.pairwise(starts)]
    ap = [average_precision(run, int(n), rule="all_points") for run, n in zip(runs, n_truth, strict=True)]
    return pd.DataFrame(
        {
            column: known,
            "ap": ap,
            "n_truth": n_truth,
            "n_pred": np.diff(starts),
            "n_found": [int(r.sum()) for r in runs],
        }
    )
