"""What "unseen" means here, counted: everything of training, text, boxes and masks that touches an unseen class.

`leakage.json` of the annotations artifact holds a report of each zero-shot setting, {setting: report}:

    unseen      the unseen classes, the pairs each of them loses, and the verbs and objects that have no seen class
    labels      training pairs of all classes, dropped (unseen) and kept
    images      training images with pairs, those left without any, those that lose some
    boxes       distinct boxes (equal corners) of dropped pairs, those in no kept pair, those of wholly unseen objects;
                and the couples of boxes that have no label left, as no kept pair covers them (both IoU >= 0.5)
    masks       (object, verb) entries that are valid in training and at test time, and how many of the latter are unseen
    detector    boxes that each kind of detector of photographs has learned from, {coco, hico, annotation}
    tested      test images that are COCO's, and those of them in train2017, where val2017 is known (`data.val2017`)
    touches     the same as sentences, in order: [{what, touches_unseen, count, says}]; `touches_unseen` is null where
                it cannot be known

The rules it counts are those of the stages: the labels of unseen classes are removed, their images stay; the loss looks
at valid seen (object, verb) entries alone, to which joint training (`seen.joint`) adds unseen ones as negatives; names of
unseen classes are used, which is the zero-shot setting's premise.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipeline.datasets.dataset import BOXES, CORNERS
from pipeline.tables.boxes import iou
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary

NONE_TESTED: Mapping[str, int] = MappingProxyType({"of_coco": 0})
PLACE = ["image_id", *BOXES]


def reports(
    pairs: pd.DataFrame,
    *,
    vocabulary: Vocabulary,
    unseen: Mapping[str, frozenset[int]],
    tested: Mapping[str, int] = NONE_TESTED,
) -> dict[str, Any]:
    """The reports of all settings.

    Args:
        pairs: training pairs: image_id, hoi_id, object_id, hx1 .. oy2 (continuous).
        vocabulary: the dataset's classes.
        unseen: the unseen classes of each setting.
        tested: how many test images are COCO's (`pipeline.datasets.coco_split.tested`).
    """
    return {
        setting: report(pairs, vocabulary=vocabulary, unseen=hidden, tested=tested)
        for setting, hidden in unseen.items()
    }


def report(
    pairs: pd.DataFrame, *, vocabulary: Vocabulary, unseen: frozenset[int], tested: Mapping[str, int] = NONE_TESTED
) -> dict[str, Any]:
    """One setting's report; every value is JSON."""
    classes = vocabulary.classes
    seen = [c for c in classes if c.hoi_id not in unseen]
    hidden = [c for c in classes if c.hoi_id in unseen]
    drops = pairs["hoi_id"].isin(unseen)
    found = {
        "unseen": {
            "classes": len(hidden),
            "pairs_by_class": {c.name: int(n) for c in hidden for n in [(pairs["hoi_id"] == c.hoi_id).sum()]},
            "verbs": sorted({c.verb for c in hidden} - {c.verb for c in seen}),
            "objects": sorted({c.object for c in hidden} - {c.object for c in seen}),
        },
        "labels": {"pairs": len(pairs), "dropped": int(drops.sum()), "kept": int((~drops).sum())},
        "images": _images(pairs, drops),
        "boxes": _boxes(pairs, drops, {c.object_id for c in hidden} - {c.object_id for c in seen}),
        "masks": {
            "entries": len(vocabulary.objects) * len(vocabulary.verbs),
            "valid_in_training": len(seen),
            "valid_at_test": len(classes),
            "unseen_at_test": len(hidden),
        },
    }
    found["detector"] = _detector(found)
    found["tested"] = dict(tested)
    return found | {"touches": _touches(found)}


def _images(pairs: pd.DataFrame, drops: pd.Series) -> dict[str, int]:
    kept, lose = set(pairs.loc[~drops, "image_id"]), set(pairs.loc[drops, "image_id"])
    return {
        "with_pairs": len(kept | lose),
        "keep_a_pair": len(kept),
        "left_without_pairs": len(lose - kept),
        "lose_some_pairs": len(lose & kept),
    }


def _boxes(pairs: pd.DataFrame, drops: pd.Series, lost_objects: set[int]) -> dict[str, int]:
    def distinct(rows: pd.DataFrame) -> pd.MultiIndex:
        """The distinct boxes of some pairs: image, object (people are 0) and corners."""
        people = rows[["image_id"]].assign(object_id=PERSON, **{c: rows[f"h{c}"] for c in CORNERS})
        things = rows[["image_id", "object_id"]].assign(**{c: rows[f"o{c}"] for c in CORNERS})
        return pd.MultiIndex.from_frame(pd.concat([people, things])).unique()

    dropped, kept = distinct(pairs[drops]), distinct(pairs[~drops])
    return {
        "all": len(dropped.union(kept)),
        "of_dropped_pairs": len(dropped),
        "of_dropped_pairs_alone": len(dropped.difference(kept)),
        "of_wholly_unseen_objects": int(dropped.get_level_values("object_id").isin(lost_objects).sum()),
        "couples_without_a_label_left": _uncovered(pairs[drops], pairs[~drops]),
    }


def _uncovered(dropped: pd.DataFrame, kept: pd.DataFrame) -> int:
    """Distinct couples of boxes of dropped pairs that no kept pair covers, min(IoU_h, IoU_o) >= 0.5."""
    spots = dropped[PLACE].drop_duplicates().reset_index(drop=True)
    both = spots.reset_index(names="couple").merge(kept[PLACE].drop_duplicates(), on="image_id", suffixes=("", "_kept"))
    overlap = [
        iou(both[[f"{side}{c}" for c in CORNERS]].to_numpy(), both[[f"{side}{c}_kept" for c in CORNERS]].to_numpy())
        for side in "ho"
    ]
    covered = both.loc[(overlap[0] >= 0.5) & (overlap[1] >= 0.5), "couple"].nunique()
    return len(spots) - int(covered)


def _detector(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How each kind of detector meets unseen classes; the detections artifact says of which kind the run's own is."""
    lost, alone = found["unseen"]["objects"], found["boxes"]["of_dropped_pairs_alone"]
    return {
        "coco": {"wholly_unseen_objects": len(lost), "boxes_of_dropped_pairs": 0},
        "hico": {"wholly_unseen_objects": len(lost), "boxes_of_dropped_pairs": alone},
        "annotation": {"wholly_unseen_objects": len(lost), "boxes_of_dropped_pairs": alone},
    }


def _touches(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    unseen, labels, images, boxes = (found[key] for key in ("unseen", "labels", "images", "boxes"))
    names = ", ".join(name.replace("_", " ") for name in unseen["objects"]) or "none"
    rows = (
        ("labels", False, labels["dropped"], "of {pairs:,} training pairs are of unseen classes and dropped before training"),
        ("images", True, images["left_without_pairs"] + images["lose_some_pairs"],
         "training images show a dropped pair and stay; {left_without_pairs:,} of them keep no pair"),
        ("negatives", True, boxes["couples_without_a_label_left"],
         "couples of boxes have no label left; where they are detected, they count as negatives of the seen classes"),
        ("training mask", False, found["masks"]["valid_in_training"],
         "(object, verb) entries enter the loss, those of seen classes; unseen ones only as negatives, in joint training"),
        ("test mask", True, found["masks"]["unseen_at_test"],
         "of {valid_at_test} (object, verb) entries scored at test are unseen classes: that they exist is known"),
        ("names", True, unseen["classes"],
         "unseen class names are known: phrases, descriptions and disparities are made and adapted from them, no image is"),
        ("detector of COCO", True, len(unseen["objects"]),
         "objects have no seen class, but a detector trained on COCO learned their boxes and labels ({objects})"),
        *(_tested(**found["tested"]) if found["tested"]["of_coco"] else ()),
        ("detector tuned on HICO-DET", True, boxes["of_dropped_pairs_alone"],
         "boxes of dropped pairs alone are among those that a detector tuned on this training set learned from"),
        ("annotated boxes", True, boxes["of_dropped_pairs_alone"],
         "boxes of dropped pairs alone appear where annotated boxes take a detector's place"),
        ("frozen CLIP", None, None, "the annotation cannot tell what the frozen CLIP met in its pre-training"),
    )  # fmt: skip
    values = {**labels, **images, **found["masks"], "objects": names}
    return [
        {
            "what": what,
            "touches_unseen": bool(count) if touches else touches,
            "count": count,
            "says": says.format(**values) if count is None else f"{count:,} {says.format(**values)}",
        }
        for what, touches, count, says in rows
    ]


def _tested(of_coco: int, of_train2017: int | None = None) -> tuple[tuple[str, bool, int, str], ...]:
    """The row of `touches` on test images that are COCO's: counted where val2017 is known, else with V-COCO's known numbers."""
    what = "detector of COCO, test images"
    if of_train2017 is None:
        says = (
            "test images are COCO's, and a detector trained on train2017 has learned the boxes of all that are not in "
            "val2017: of V-COCO's 4,946 test images these are 4,367 (88 %); data.val2017=instances_val2017.json counts them "
            "here"
        )
        return ((what, True, of_coco, says),)
    says = (
        f"of {of_coco:,} test images of COCO's are in train2017, so a detector trained on it has learned their boxes; "
        f"{of_coco - of_train2017:,} are in val2017 and free of that"
    )
    return ((what, True, of_train2017, says),)
