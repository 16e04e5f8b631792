"""V-COCO's role AP: the official rules one by one, and against a sequential restatement of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.metrics.vcoco import detections, role_ap
from pipeline.metrics.vcoco import people as annotated

VCOCO = Path(__file__).parents[5] / "shared" / "data" / "vcoco"
PERSON, OTHER, CUP = [0.0, 0, 99, 99], [200.0, 0, 299, 99], [50.0, 50, 80, 80]
NOWHERE = [np.nan] * 4
BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


def file_name(letter):
    return f"COCO_val2014_{ord(letter):012d}.jpg"


def entry(letter, humans, things, roles):
    """An image of the pair file, where x2 is the edge behind the last pixel; None is an object out of sight."""
    objects = [0 if thing is None else 42 for thing in things]
    edges = [[x1, y1, x2 + 1, y2 + 1] for x1, y1, x2, y2 in humans]
    boxes = [[*thing[:2], thing[2] + 1, thing[3] + 1] if thing else [] for thing in things]
    return {"file_name": file_name(letter), "boxes_h": edges, "boxes_o": boxes, "actions": roles, "objects": objects}


def saved(path, entries, classes):
    path.write_text(json.dumps({"annotations": entries, "classes": classes, "action_to_object": []}))
    return path


@pytest.fixture
def people(tmp_path):
    """a: a person holds a cup, another looks at something out of sight. b: nobody. c: a person to be ignored."""
    entries = [
        entry("a", [PERSON, OTHER], [CUP, None], [0, 1]),
        entry("b", [], [], []),
        entry("c", [PERSON], [CUP], [0]),
    ]
    found = annotated.read(saved(tmp_path / "v.json", entries, ["hold obj", "look obj"]))
    found.ignored[2] = True
    found.does[2] = False
    return found


def ap(people, *rows, scenario=1, role=0):
    """AP of a role; rows are (image, role, person box, role box), best first."""
    frame = pd.DataFrame([[*human, *thing] for _, _, human, thing in rows], columns=BOXES, dtype=float)
    frame = frame.assign(
        file_name=[file_name(r[0]) for r in rows], role=[r[1] for r in rows], score=-np.arange(len(rows))
    )
    return role_ap.role_ap(detections.place(frame, people), people)[scenario]["ap"][role]


def test_right_wrong_and_twice(people):
    right = ("a", 0, PERSON, CUP)
    assert ap(people, right) == 1
    assert ap(people, right, right, right) == 1
    assert ap(people, ("a", 0, PERSON, OTHER), right) == 0.5
    assert ap(people, ("b", 0, PERSON, CUP), right) == 0.5
    assert ap(people, ("a", 0, OTHER, CUP), right) == 0.5  # the best person does not hold
    assert ap(people, ("a", 0, PERSON, NOWHERE), right) == 0.5


def test_detections_on_ignored_people_do_not_count(people):
    assert ap(people, ("c", 0, PERSON, CUP), ("a", 0, PERSON, CUP)) == 1


@pytest.mark.parametrize(("thing", "one", "two"), [(NOWHERE, 1, 1), ([0.0] * 4, 1, 1), (CUP, 0, 1)])
def test_the_scenarios_differ_where_the_object_is_out_of_sight(people, thing, one, two):
    row = ("a", 1, OTHER, thing)
    assert [ap(people, row, scenario=n, role=1) for n in (1, 2)] == [one, two]


def test_overlaps_count_inclusive_pixels(people):
    """A pixel row of two: IoU 50 / 100 with the added pixel, less without."""
    half = [0.0, 0, 99, 49]
    assert ap(people, ("a", 0, half, CUP)) == 1
    assert ap(people, ("a", 0, [0.0, 0, 99, 48.9], CUP)) == 0


def sequential(found, people, scenario, role):
    """AP computed person by person and detection by detection, as the official program does."""

    def overlap(a, b):
        w = min(a[2], b[2]) - max(a[0], b[0]) + 1
        h = min(a[3], b[3]) - max(a[1], b[1]) + 1
        area = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
        inside = max(w, 0) * max(h, 0)
        return inside / (sum(area) - inside)

    taken, hits = set(), []
    for row in np.argsort(-found.score):
        if found.what[row] != role:
            continue
        here = np.flatnonzero(people.image == found.image[row])
        human, thing = found.human[row].tolist(), found.thing[row].tolist()
        overlaps = [overlap(people.box[p], human) for p in here]
        if not len(here):
            hits.append(False)
            continue
        best = here[int(np.argmax(overlaps))]
        if people.ignored[best]:
            continue
        target = people.role_box[best, role]
        if np.isnan(target).all():
            fits = scenario == 2 or all(np.isnan(thing)) or not any(thing)
        else:
            fits = not any(np.isnan(thing)) and overlap(target, thing) >= 0.5
        good = people.does[best, role] and max(overlaps) >= 0.5 and fits
        hits.append(bool(good and best not in taken))
        if good:
            taken.add(best)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    n = people.does[:, role].sum()
    if n == 0:
        return np.nan
    return sum(precision[i:].max() for i in np.flatnonzero(hits)) / n


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_sequential_program(seed, tmp_path):
    generator = np.random.default_rng(seed)

    def box():
        corner = generator.integers(0, 30, 2)
        return [*corner.tolist(), *(corner + generator.integers(10, 40, 2)).tolist()]

    entries = []
    for name in "abcdef":
        humans = [box() for _ in range(int(generator.integers(0, 4)))]
        chosen = [(h, int(r)) for h in humans for r in range(3) if generator.random() < 0.6]
        things = [box() if generator.random() < 0.7 else None for _ in chosen]
        entries.append(entry(name, [h for h, _ in chosen], things, [r for _, r in chosen]))
    people = annotated.read(saved(tmp_path / "v.json", entries, ["x", "y", "z"]))
    people.ignored[generator.random(len(people.ignored)) < 0.2] = True
    people.does[people.ignored] = False
    rows = []
    for _ in range(150):
        p = int(generator.integers(0, len(people.box)))
        r = int(generator.integers(0, 3))
        human = (people.box[p] + generator.integers(-3, 4, 4)).tolist()
        thing = (people.role_box[p, r] + generator.integers(-3, 4, 4)).tolist() if generator.random() < 0.8 else box()
        rows.append([people.images[people.image[p]], r, *human, *thing])
    frame = pd.DataFrame(rows, columns=["file_name", "role", *BOXES]).assign(score=generator.permutation(150))
    placed = detections.place(frame, people)
    for scenario, found in role_ap.role_ap(placed, people).items():
        wanted = [sequential(placed, people, scenario, role) for role in range(3)]
        np.testing.assert_allclose(found["ap"], wanted, rtol=0, atol=1e-12)


def test_faults_are_named(people, tmp_path):
    frame = pd.DataFrame([[*PERSON, *CUP]], columns=BOXES).assign(file_name=file_name("a"), role="hold obj", score=0.5)
    assert detections.place(frame, people).what.tolist() == [0]
    for change, message in (
        ({"file_name": "z"}, "row 0: the image is not in the annotations"),
        ({"file_name": file_name("z")}, "no image is in these annotations of 3"),
        ({"role": "juggle obj"}, "row 0: the role is none of 2"),
        ({"score": np.nan}, "row 0: the score is not finite"),
        ({"hx2": -5.0}, "row 0: the person's box needs"),
    ):
        with pytest.raises(DataError, match=message):
            detections.place(frame.assign(**change), people)
    with pytest.raises(DataError, match="no column role"):
        detections.place(frame.drop(columns="role"), people)
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(DataError, match="neither V-COCO's labels"):
        annotated.read(tmp_path / "no.json")


@pytest.mark.skipif(not VCOCO.is_dir(), reason=f"no V-COCO annotations under {VCOCO}")
def test_predicting_the_real_annotation_is_perfect():
    people = annotated.read(VCOCO / "instances_vcoco_test.json.gz")
    assert len(people.images) == 4946 and len(people.roles) == 24 and people.does.sum() == 12402
    person, role = np.nonzero(people.does)
    boxes = np.concatenate([people.box[person], people.role_box[person, role]], axis=1)
    frame = pd.DataFrame(boxes, columns=BOXES).assign(
        file_name=np.array(people.images)[people.image[person]], role=role, score=np.linspace(1, 0, len(role))
    )
    placed = detections.place(frame, people)
    for table in role_ap.role_ap(placed, people).values():
        assert role_ap.mean_ap(table) == pytest.approx(100)


def row(letter, role, human, thing, *, folder=""):
    """A table of one detection."""
    frame = pd.DataFrame([[*human, *thing]], columns=BOXES, dtype=float)
    return frame.assign(file_name=folder + file_name(letter), role=pd.Series([role], dtype=object), score=0.5)


def test_roles_are_known_by_number_and_in_both_spellings_and_folders_are_ignored(people):
    spelt = [0, 0.0, "0", people.roles[0], people.roles[0].replace(" ", "_")]
    for value in spelt:
        placed = detections.place(row("a", value, PERSON, CUP, folder="val2014/"), people)
        assert (placed.what.tolist(), placed.image.tolist()) == ([0], [0])
    for value in (1.5, True, None, -1, 99, "nothing"):
        with pytest.raises(DataError, match=r"row 0: the role is none of"):
            detections.place(row("a", value, PERSON, CUP), people)


def test_an_objects_box_is_whole_or_absent(people):
    for box in ([5.0, 0, 1, 9], [np.nan, 0, 1, 9], [0.0, 0, np.inf, 9]):
        with pytest.raises(DataError, match="row 0: the object's box"):
            detections.place(row("a", 0, PERSON, box), people)


def test_the_truth_is_a_pixel_smaller_than_the_pair_file_has_it(tmp_path):
    """x, y, width, height = 0, 0, 10, 10: x2 is 10 in the pair file and 9 in the official truth, whose area is 10 * 10.

    Half of it, 10 * 5 inclusive pixels, overlaps it by exactly a half; less than that by less. A box thinner than a pixel is
    one pixel wide.
    """
    thin = [3.0, 3, 3.5, 13]
    image = {"file_name": file_name("a"), "boxes_h": [[0, 0, 10, 10]] * 2, "boxes_o": [[0, 0, 10, 10], thin]}
    people = annotated.read(
        saved(tmp_path / "v.json", [image | {"actions": [0, 1], "objects": [42, 42]}], ["hold obj", "look obj"])
    )
    assert people.box.tolist() == [[0, 0, 9, 9]] and people.role_box[0].tolist() == [[0, 0, 9, 9], [3, 3, 3, 12]]
    whole, half, less = [0.0, 0, 9, 9], [0.0, 0, 9, 4], [0.0, 0, 9, 3.9]
    assert [ap(people, ("a", 0, *boxes)) for boxes in ((half, half), (less, whole), (whole, less))] == [1, 0, 0]


def test_the_role_point_which_pair_files_lack_is_left_out(people):
    rows = [row("a", role, PERSON, CUP) for role in ("point_instr", "hold obj", "point instr")]
    assert detections.place(pd.concat(rows), people).what.tolist() == [0]
    with pytest.raises(DataError, match="row 2: the score is not finite"):
        detections.place(pd.concat([*rows[:2], rows[2].assign(score=np.nan)]), people)


def test_equal_names_and_fractions_are_no_guess(people):
    for folder in ("val2014/", "x\\"):
        assert detections.place(row("b", 0, PERSON, CUP, folder=folder), people).image.tolist() == [1]
    with pytest.raises(DataError, match=r"would both be 'COCO_val2014_000000000098\.jpg'"):
        detections.place(pd.concat([row("b", 0, PERSON, CUP, folder=f) for f in ("x/", "y/")]), people)
    with pytest.raises(DataError, match="they are fractions of their images"):
        detections.place(row("a", 0, [0.0, 0, 0.5, 1], CUP), people)


def test_categories_are_read_as_what_they_name(people):
    frame = pd.concat([row("b", "hold_obj", PERSON, CUP), row("a", "look obj", PERSON, CUP)])
    typed = frame.assign(**{c: frame[c].astype("category") for c in ("file_name", "role", "score", "hx1")})
    placed = detections.place(typed, people)
    assert placed.what.tolist() == [0, 1] and placed.image.tolist() == [1, 0]


def test_detections_of_images_that_are_not_listed_are_left_out(people):
    placed = detections.place(pd.concat([row("z", 0, PERSON, CUP), row("a", 0, PERSON, CUP)]), people)
    assert placed.image.tolist() == [0] and placed.notes == (
        "1 detections lie in images that are not listed: left out",
    )
    by_number = row("b", 0, PERSON, CUP).drop(columns="file_name").assign(image_id=ord("b"))
    assert detections.place(by_number, people).image.tolist() == [1]
    with pytest.raises(DataError, match="no image is in these annotations"):
        detections.place(by_number.assign(image_id=5), people)


@pytest.mark.parametrize(
    ("absent", "fitting"), [("empty", "NZ"), ("nan", "N"), ("zeros", "Z"), ("tiny", "NZF"), ("tiny", "NZF")]
)
def test_which_role_box_says_that_no_object_is_in_sight(people, absent, fitting):
    boxes = {"N": NOWHERE, "Z": [0.0] * 4, "F": [0.0, 0, 0.1, 0.1], "C": CUP}
    rules = role_ap.Rules(absent=absent)
    for letter, box in boxes.items():
        placed = detections.place(row("a", 1, OTHER, box), people)
        one, two = (role_ap.role_ap(placed, people, rules=rules)[n]["ap"][1] for n in role_ap.SCENARIOS)
        assert (one, two) == (float(letter in fitting), 1), letter


def test_equal_scores(people):
    """A right and a wrong detection of one score: the later image comes first, inside an image the earlier row, though a
    person is taken by the later row; the extremes put the right one first or last."""
    right, wrong = row("a", 0, PERSON, CUP), row("a", 0, PERSON, OTHER)
    later = row("b", 0, PERSON, CUP)  # nobody is in b

    def found(*rows, ties="stable"):
        placed = detections.place(pd.concat(rows), people)
        return role_ap.role_ap(placed, people, rules=role_ap.Rules(ties=ties))[1]["ap"][0]

    assert [found(right, wrong), found(wrong, right), found(right, later), found(right, right)] == [1, 0.5, 0.5, 0.5]
    for rows in ((right, wrong), (wrong, right), (right, later)):
        assert [found(*rows, ties=ties) for ties in ("best", "worst")] == [1, 0.5]


def test_published_means_leave_out_point():
    table = pd.DataFrame({"role": ["hold obj", "point instr", "kick obj"], "ap": [0.5, 0.1, np.nan]})
    assert role_ap.mean_ap(table) == 50 and role_ap.mean_ap(table, mean="all") == 30


def test_detections_that_never_say_that_an_object_is_out_of_sight(people):
    seen = detections.place(row("a", 0, PERSON, CUP), people)
    assert role_ap.lost_positives(seen, people) == (
        "no detection says that its object is out of sight, so scenario 1 finds none of the 1 positives (of 2) whose object is"
    )
    said = detections.place(row("a", 1, OTHER, NOWHERE), people)
    assert role_ap.lost_positives(said, people) is None
    assert role_ap.lost_positives(said, people, rules=role_ap.Rules(absent="zeros")) is not None
    people.does[:, 1] = False
    assert role_ap.lost_positives(seen, people) is None
