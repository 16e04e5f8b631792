"""evaluate and summarise: hand-made tables, errors, known objects, properties."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.evaluation import _MOVED, Compared, _moved, evaluate, judge
from pipeline.metrics.known_objects import known_object_images
from pipeline.metrics.matching import Pairs, match, rank
from pipeline.metrics.protocols import PROTOCOLS, Protocol
from pipeline.metrics.summary import summarise

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
HERE = (0, 0, 10, 10, 20, 0, 30, 10)
AWAY = (50, 50, 60, 60, 70, 50, 80, 60)


def truth_table(*rows):
    """Annotations from (image, hoi, eight corners)."""
    return pd.DataFrame([(image, hoi, *box) for image, hoi, box in rows], columns=["image_id", "hoi_id", *BOXES])


def prediction_table(*rows):
    """Predictions from (image, hoi, score, eight corners)."""
    columns = ["image_id", "hoi_id", "score", *BOXES]
    frame = pd.DataFrame([(image, hoi, score, *box) for image, hoi, score, box in rows], columns=columns)
    return frame.astype({"image_id": "int64", "hoi_id": "int64"} | dict.fromkeys(["score", *BOXES], "float32"))


def run(predictions, pairs, protocol="official", classes=(0, 1, 2), **options):
    return evaluate(predictions=predictions, pairs=pairs, protocol=protocol, classes=classes, **options)


@pytest.fixture
def small():
    """Two classes with annotations, one without; one image (9) without any annotation."""
    pairs = truth_table((1, 0, HERE), (1, 0, AWAY), (2, 0, HERE), (2, 1, HERE))
    predictions = prediction_table(
        (1, 0, 0.9, HERE), (9, 0, 0.8, HERE), (2, 0, 0.7, HERE), (1, 0, 0.6, HERE), (1, 2, 0.9, HERE)
    )
    return predictions, pairs


def test_official_by_hand(small):
    result = run(*small)
    assert list(result.columns) == ["hoi_id", "ap", "max_recall", "n_gt", "n_pred"]
    # Class 0: right, wrong, right, wrong; 2 of 3 found. Levels 0 to 0.3 at 1, 0.4 to 0.6 at 2/3.
    assert result["ap"].to_numpy() == pytest.approx([(4 * 1 + 3 * 2 / 3) / 11, 0, np.nan], nan_ok=True)
    assert result["max_recall"].to_numpy() == pytest.approx([2 / 3, 0, np.nan], nan_ok=True)
    assert result["n_gt"].tolist() == [3, 1, 0]
    assert result["n_pred"].tolist() == [4, 0, 1]


def test_upt_leaves_out_images_without_annotations(small):
    result = run(*small, protocol="upt")
    assert result["ap"][0] == pytest.approx(7 / 11)
    assert result["n_pred"].tolist() == [3, 0, 1]


def test_area_by_hand(small):
    assert run(*small, protocol="area")["ap"][0] == pytest.approx((1 + 2 / 3) / 3)


def test_rows_follow_the_order_of_classes(small):
    backwards = run(*small, classes=[2, 1, 0])
    assert backwards["hoi_id"].tolist() == [2, 1, 0]
    pd.testing.assert_frame_equal(backwards[::-1].reset_index(drop=True), run(*small))


def test_no_predictions_at_all(small):
    result = run(small[0].iloc[:0], small[1])
    assert result["ap"].to_numpy() == pytest.approx([0, 0, np.nan], nan_ok=True)


def test_ties_go_by_image_then_row():
    pairs = truth_table((1, 0, HERE))
    wrong_first = prediction_table((1, 0, 0.5, AWAY), (1, 0, 0.5, HERE))
    assert run(wrong_first, pairs)["ap"][0] == pytest.approx(0.5)
    assert run(wrong_first[::-1], pairs)["ap"][0] == pytest.approx(1.0)
    later_image = prediction_table((2, 0, 0.5, AWAY), (1, 0, 0.5, HERE))
    assert run(later_image, pairs)["ap"][0] == pytest.approx(1.0)


def test_ties_by_every_rule():
    """Wrong in image 1, right in image 0, wrong again: four rows of one score."""
    pairs = truth_table((0, 0, HERE), (0, 0, AWAY))
    rows = prediction_table((1, 0, 0.5, AWAY), (0, 0, 0.5, HERE), (0, 0, 0.5, AWAY), (2, 0, 0.5, HERE))
    found = {}
    for ties in ("image", "row", "row_reversed", "best", "worst"):
        rules = Protocol(name=ties, rule="all_points", ties=ties)
        found[ties] = run(rows, pairs, rules)["ap"][0]
    assert found == pytest.approx({"image": 1.0, "row": 2 / 3, "row_reversed": 2 / 3, "best": 1.0, "worst": 0.5})


def test_only_the_best_of_an_image_count():
    pairs = truth_table((1, 0, HERE), (1, 1, HERE), (2, 0, HERE))
    rows = prediction_table((1, 0, 0.3, HERE), (1, 1, 0.9, HERE), (2, 0, 0.1, HERE), (2, 0, 0.2, AWAY))
    result = run(rows, pairs, Protocol(name="one", rule="exact", top_k=1))
    assert result["n_pred"].tolist() == [1, 1, 0]
    assert result["ap"].to_numpy() == pytest.approx([0, 1, np.nan], nan_ok=True)


def test_a_box_without_area_is_wrong_but_no_error():
    flat = (0, 0, 0, 10, 20, 0, 30, 10)
    result = run(prediction_table((1, 0, 0.9, flat), (1, 0, 0.8, HERE)), truth_table((1, 0, HERE)))
    assert result["ap"][0] == pytest.approx(0.5)
    # Two boxes without area overlap nothing either.
    assert run(prediction_table((1, 0, 0.9, flat)), truth_table((1, 0, flat)))["ap"][0] == 0


@pytest.mark.parametrize(("boxes", "found"), [("continuous", 0), ("qpic", 1), ("raw", 0)])
def test_box_conventions(boxes, found):
    """Annotated 3 x 3 pixels from 50; detected one pixel further right and down: 4 of 14 overlap, and 9 of 9."""
    annotated, detected = (0, 0, 9, 9, 50, 50, 53, 53), (0, 0, 9, 9, 51, 51, 53.5, 53.5)
    pairs, rows = truth_table((1, 0, annotated)), prediction_table((1, 0, 0.9, detected))
    result = run(rows, pairs, Protocol(name=boxes, rule="exact", boxes=boxes, threshold=0.7))
    assert result["max_recall"][0] == found


def test_index_of_the_frames_does_not_matter(small):
    predictions, pairs = small
    relabelled = predictions.set_index(pd.Index([5, 5, 5, 5, 5])), pairs.set_index(pd.Index(list("abcd")))
    pd.testing.assert_frame_equal(run(*relabelled), run(predictions, pairs))


def test_known_object_keeps_only_images_with_the_object(small):
    predictions, pairs = small
    presence = pairs.assign(object_id=3)
    images = known_object_images(presence=presence, object_of={0: 3, 1: 3, 2: 4})
    assert images == {0: {1, 2}, 1: {1, 2}, 2: set()}
    result = run(predictions, pairs, known_images=images)
    assert result["n_pred"].tolist() == [3, 0, 0]
    assert result["ap"][0] == pytest.approx(7 / 11)
    # Image-level labels may list image 9 too, although no pair is annotated there.
    labelled = pd.concat([presence, pd.DataFrame({"image_id": [9], "object_id": [3]})])
    images = known_object_images(presence=labelled, object_of={0: 3, 1: 3, 2: 4})
    assert run(predictions, pairs, known_images=images)["n_pred"].tolist() == [4, 0, 0]


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("score", 3, np.nan, "predictions row 3, hoi_id 0: score is nan"),
        ("score", 4, np.inf, "predictions row 4, hoi_id 2: score is inf"),
        ("hx2", 1, -1.0, r"predictions row 1, hoi_id 0: human box \[0.0, 0.0, -1.0, 10.0\]"),
        ("oy2", 2, -1.0, "predictions row 2, hoi_id 0: object box"),
        ("ox1", 2, np.nan, "predictions row 2, hoi_id 0: object box .*nan"),
        ("hy2", 0, np.inf, "predictions row 0, hoi_id 0: human box .*inf"),
        ("hoi_id", 2, 600, "predictions row 2, hoi_id 600: unknown class, known are 3 classes from 0 to 2"),
        ("hoi_id", 2, -1, "predictions row 2, hoi_id -1: unknown class"),
    ],
)
def test_bad_predictions_are_named(small, column, row, value, message):
    predictions, pairs = small
    predictions.loc[row, column] = value
    with pytest.raises(ValueError, match=message):
        run(predictions, pairs)


def test_several_bad_rows_are_counted(small):
    predictions, pairs = small
    predictions.loc[[1, 3], "score"] = np.nan
    with pytest.raises(ValueError, match=r"row 1, hoi_id 0: score is nan \(2 such rows\)"):
        run(predictions, pairs)


def test_bad_annotations_are_named(small):
    predictions, pairs = small
    with pytest.raises(ValueError, match="pairs row 3, hoi_id 7: unknown class"):
        run(predictions, pairs.assign(hoi_id=[0, 0, 0, 7]))
    with pytest.raises(ValueError, match="pairs row 1, hoi_id 0: object box"):
        run(predictions, pairs.assign(ox1=[20, 90, 20, 20]))
    with pytest.raises(ValueError, match=r"several splits \(test, train\)"):
        run(predictions, pairs.assign(split=["train", "test", "test", "test"]))
    with pytest.raises(ValueError, match="pairs: no column hoi_id, hx1"):
        run(predictions, pairs.drop(columns=["hoi_id", "hx1"]))


def test_other_bad_input(small):
    predictions, pairs = small
    with pytest.raises(ValueError, match="predictions: no column score"):
        run(predictions.drop(columns="score"), pairs)
    with pytest.raises(ValueError, match="predictions row 1: image_id is nan"):
        run(predictions.assign(image_id=[1.0, np.nan, 2.0, 1.0, 1.0]), pairs)
    with pytest.raises(ValueError, match="predictions row 0: hoi_id is 'ride horse'"):
        run(predictions.assign(hoi_id="ride horse"), pairs)
    with pytest.raises(ValueError, match="class 1 comes twice"):
        run(predictions, pairs, classes=[0, 1, 1, 2])
    with pytest.raises(ValueError, match="none given"):
        run(predictions, pairs, classes=[])
    with pytest.raises(ValueError, match="unknown evaluation protocol"):
        run(predictions, pairs, protocol="voc")


def test_whole_numbers_in_float_columns_are_taken(small):
    predictions, pairs = small
    floats = predictions.astype({"image_id": float, "hoi_id": float})
    pd.testing.assert_frame_equal(run(floats, pairs), run(predictions, pairs))


def per_class(*aps):
    return pd.DataFrame({"hoi_id": range(len(aps)), "ap": aps})


def test_summary_by_hand():
    summary = summarise(per_class(0.1, 0.2, 0.6, np.nan, 0.5), unseen={2, 3}, rare=[0, 3, 77])
    assert summary == pytest.approx(
        {
            "full": 35.0,
            "seen": 80 / 3,
            "unseen": 60.0,
            "rare": 10.0,
            "non_rare": 130 / 3,
            "harmonic_mean": 2 * 60 * (80 / 3) / (60 + 80 / 3),
        }
    )


def test_summary_leaves_out_absent_groups():
    assert summarise(per_class(0.5, 0.7), unseen=(), rare=()) == pytest.approx(
        {"full": 60.0, "seen": 60.0, "non_rare": 60.0}
    )
    assert summarise(per_class(np.nan), unseen=(), rare=()) == {}
    assert set(summarise(per_class(0.5, np.nan), unseen=frozenset({1}), rare=frozenset({0}))) == {
        "full",
        "seen",
        "rare",
    }


def test_summary_of_zeros():
    assert summarise(per_class(0.0, 0.0), unseen={0}, rare={1})["harmonic_mean"] == 0.0


@st.composite
def worlds(draw):
    """A few images with annotated pairs on a grid, and predictions near, beside and outside them."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 40)), draw(st.integers(1, 15))
    corners = generator.integers(0, 20, (m, 2, 2))
    boxes = np.concatenate([corners, corners + generator.integers(4, 20, (m, 2, 2))], axis=2).reshape(m, 8)
    pairs = truth_table(*zip(generator.integers(0, 4, m), generator.integers(0, 3, m), boxes.tolist(), strict=True))
    source = generator.integers(0, m, n)
    moved = boxes[source] + generator.integers(0, 3, (n, 1))
    image = np.where(generator.random(n) < 0.8, pairs["image_id"].to_numpy()[source], generator.integers(0, 6, n))
    scores = generator.permutation(n) / n
    hoi = pairs["hoi_id"].to_numpy()[source]
    return prediction_table(*zip(image, hoi, scores, moved.tolist(), strict=True)), pairs, generator


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(sorted(PROTOCOLS)))
def test_properties(world, protocol):
    predictions, pairs, generator = world
    result = run(predictions, pairs, protocol)
    ap = result["ap"].to_numpy()
    known = ap[~np.isnan(ap)]
    assert ((known >= 0) & (known <= 1 + 1e-12)).all()
    assert (np.isnan(ap) == (result["n_gt"] == 0)).all()

    shuffled = predictions.iloc[generator.permutation(len(predictions))]
    pd.testing.assert_frame_equal(run(shuffled, pairs, protocol), result)
    if PROTOCOLS[protocol].boxes == "continuous":
        # Powers of two keep every float exact, so overlaps at the threshold stay there.
        larger = predictions.copy(), pairs.copy()
        for frame in larger:
            frame[BOXES] = frame[BOXES] * 4.0
        pd.testing.assert_frame_equal(run(*larger, protocol), result)
    rescored = predictions.assign(score=predictions["score"] * 0.5 - 3)
    pd.testing.assert_frame_equal(run(rescored, pairs, protocol), result)
    # Another class's detections are nobody else's business.
    without = predictions[predictions["hoi_id"] != 1]
    pd.testing.assert_frame_equal(run(without, pairs, protocol).iloc[[0, 2]], result.iloc[[0, 2]])


@settings(max_examples=40, deadline=None)
@given(worlds(), st.sampled_from(sorted(PROTOCOLS)))
def test_predicting_the_annotations_is_perfect(world, protocol):
    _, pairs, generator = world
    # Of two equal annotations only the first can be found, so they are made one.
    pairs = pairs.drop_duplicates()
    predictions = pairs.assign(score=generator.random(len(pairs)))
    result = run(predictions, pairs, protocol)
    annotated = result[result["n_gt"] > 0]
    assert annotated["ap"].to_numpy() == pytest.approx(1.0)
    assert (annotated["max_recall"] == 1.0).all()


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_evaluations_that_share_their_boxes_are_those_of_their_own(name: str) -> None:
    """What no score changes is found once; under other scores, and out of their order, the numbers are the same."""
    source = np.random.default_rng(3)
    corners = source.integers(0, 4, (60, 4)) * 5.0
    box = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:] + 10], axis=1)
    truth = Pairs(image=source.integers(0, 3, 60), hoi=source.integers(0, 2, 60), human=box, object=box[::-1].copy())
    rows = np.repeat(np.arange(60), 3)
    found = truth.take(rows)
    shared = Compared(found, truth)
    for _ in range(3):
        scores = source.random(180).round(1)
        rules = PROTOCOLS[name]
        once = judge(shared, scores=scores, rules=rules, order=rank(found, scores, rules.ties))
        own = judge(Compared(found, truth), scores=scores, rules=rules)
        assert all(np.array_equal(getattr(once, f.name), getattr(own, f.name)) for f in dataclasses.fields(once))
        # By the definition: matching the ranked detections, as they lie.
        moved = [
            _moved(pairs, by)
            for pairs, by in zip((found, truth), _MOVED.get(rules.boxes, ((0,) * 4,) * 2), strict=True)
        ]
        hits = match(moved[0].take(own.row), moved[1], threshold=rules.threshold, strict=rules.strict)
        assert np.array_equal(own.hit, hits)
