"""From what a file says to what holds: the rules that every format shares.

What cannot be used is left out with all that refers to it, and one message says so: that of a box names its relations too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.dataset import CORNERS
from pipeline.datasets.own import placed as placing
from pipeline.datasets.own import shown as showing
from pipeline.datasets.own.columns import BLOCK, Whole, packed
from pipeline.datasets.own.pictures import Pictures
from pipeline.datasets.own.placed import Placed
from pipeline.datasets.own.problems import Problems, listed, nearest
from pipeline.datasets.own.raw import ALONE, Boxes, Raw, Relations
from pipeline.datasets.own.shown import LEFT_OUT, Shown
from pipeline.datasets.own.words import Words
from pipeline.vocabulary.vocabulary import PERSON

NOT_KNOWN = -1
"""The verb id of a word that is no verb."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The rows of a file that can be used."""

    images: pd.DataFrame
    """file_name, width, height (as shown), split ("" where none is stated), exhaustive; in the file's order."""
    boxes: pd.DataFrame
    """image (position in `images`), object_id, x1 .. y2 in continuous pixels of the picture as shown."""
    relations: pd.DataFrame
    """image, subject, object (positions in `boxes`, `ALONE` where the person acts alone), verb_id; none comes twice. `turned`
    says whether it was drawn from the object to the person."""

    def by_pair(self, verbs: int, objects: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many relations there are of each of so many verbs: (V, O) with each of so many objects, and (V,) without one.

        They are counted block by block, so that no column of all of them is made.
        """
        of_box = self.boxes["object_id"].to_numpy()
        verb_of, thing_of = self.relations["verb_id"].to_numpy(), self.relations["object"].to_numpy()
        counts = np.zeros(verbs * (objects + 1), dtype=np.int64)  # a verb's last is that of who acts alone
        for start in range(0, len(self.relations), BLOCK):
            rows = slice(start, start + BLOCK)
            thing = np.where(thing_of[rows] == ALONE, objects, of_box[thing_of[rows]])
            counts += np.bincount(verb_of[rows] * np.int64(objects + 1) + thing, minlength=len(counts))
        table = counts.reshape(verbs, objects + 1)
        return table[:, :objects], table[:, objects]


def resolve(raw: Raw, words: Words, pictures: Pictures | None, problems: Problems) -> Resolved:
    """Judge a file by the words that it may use and the pictures that it is about; its names of images are used up."""
    shown = showing.find(raw, pictures, problems)
    names = _texts(shown.names, np.flatnonzero(shown.keep))
    shown.names.clear()  # as Python's texts they take three times the memory of the column
    raw.images.names.clear()
    placed = placing.place(raw.boxes, shown, words, problems)
    rows = _Rows(raw, placed, shown, words, problems)
    rows.judge()
    rows.tell_of_boxes()
    if not len(rows.subject):
        _demand_some(raw, shown, problems)
    return _tables(raw, names, shown, placed, rows)


class _Rows:
    """The relations that are left after the rules applied so far."""

    def __init__(self, raw: Raw, placed: Placed, shown: Shown, words: Words, problems: Problems) -> None:
        self.boxes, self.relations, self.images = raw.boxes, raw.relations, raw.images
        self.placed, self.words, self.problems = placed, words, problems
        self.row: Whole = np.arange(len(raw.relations.image), dtype=np.int32)
        self.subject, self.object = raw.relations.subject, raw.relations.object
        known = np.array([_or_none(words.verb_id(verb)) for verb in raw.relations.verbs], dtype=np.int32)
        self.verb: Whole = known[raw.relations.verb]
        self.image_kept = shown.keep
        self.turned = np.zeros(len(self.row), dtype=bool)
        self.fallen: dict[int, list[int]] = {}

    def judge(self) -> None:
        """Apply the rules in their order."""
        self._with_their_images()
        self._in_one_image()
        self._with_their_boxes()
        self._verbs()
        self._persons()
        self._classes()
        self._once()

    def tell_of_boxes(self) -> None:
        """Add the faults of boxes to the problems, each with the relations that were left out with the box."""
        for box, why in self.placed.faults.items():
            if not why:  # another box's message covers it
                continue
            self._left_out(self.boxes.where(box), why, LEFT_OUT, self.fallen.get(box, []))
        for label, boxes in self.placed.of_label.items():
            assert self.boxes.label_where is not None  # only then one message stands for a label
            name = self.boxes.labels[label]
            what = f"object {name} is not in the vocabulary{nearest(name, self.words.object_names)}"
            effect = f"{len(boxes):,} box{'es' * (len(boxes) > 1)} left out"
            fell = [row for box in boxes for row in self.fallen.get(box, [])]
            self._left_out(self.boxes.label_where[label], what, effect, fell)

    def _left_out(self, where: str, what: str, effect: str, rows: list[int]) -> None:
        also = f"; {_joined(self.relations, rows, where)} with it" if rows else ""
        self.problems.add("E", where, what, effect + also)

    def _keep(self, good: NDArray[np.bool_]) -> None:
        if not good.all():
            self.row, self.subject, self.object, self.verb = (
                values[good] for values in (self.row, self.subject, self.object, self.verb)
            )
            self.turned = self.turned[good]

    def _refuse(self, bad: NDArray[np.bool_], says: dict[int, str]) -> None:
        """Leave relations out; `says` has the reason by position."""
        for position in np.flatnonzero(bad).tolist():
            self.problems.add("E", self.relations.where(int(self.row[position])), says[position], LEFT_OUT)
        self._keep(~bad)

    def _with_their_images(self) -> None:
        image = self.relations.image[self.row]
        self._keep((image >= 0) & self.image_kept[image.clip(0)] if len(self.image_kept) else image >= 0)

    def _in_one_image(self) -> None:
        image = self.relations.image[self.row]
        alone = self.object == ALONE
        of_subject, of_object = self.boxes.image[self.subject], self.boxes.image[self.object]
        other_subject = (of_subject >= 0) & (of_subject != image)
        other_object = ~alone & (of_object >= 0) & (of_object != image)
        says = {
            p: f"its {'person' if other_subject[p] else 'object'} is in another image"
            for p in np.flatnonzero(other_subject | other_object).tolist()
        }
        self._refuse(other_subject | other_object, says)

    def _with_their_boxes(self) -> None:
        objects = self.placed.objects
        bad_subject = objects[self.subject] < 0
        bad_object = (self.object != ALONE) & (objects[self.object] < 0)
        for position in np.flatnonzero(bad_subject | bad_object).tolist():
            box = self.subject[position] if bad_subject[position] else self.object[position]
            self.fallen.setdefault(int(box), []).append(int(self.row[position]))
        self._keep(~(bad_subject | bad_object))

    def _verbs(self) -> None:
        bad = self.verb < 0
        by_verb: dict[int, list[int]] = {}
        for row in self.row[bad].tolist():
            by_verb.setdefault(int(self.relations.verb[row]), []).append(row)
        for verb, rows in by_verb.items():
            name = self.relations.verbs[verb]
            what = f"verb {name} is not in the vocabulary{nearest(name, self.words.verb_names)}"
            if self.relations.verb_where is not None:
                self.problems.add(
                    "E", self.relations.verb_where[verb], what, f"{_joined(self.relations, rows)} left out"
                )
                continue
            for row in rows:
                self.problems.add("E", self.relations.where(row), what, LEFT_OUT)
        self._keep(~bad)

    def _persons(self) -> None:
        """Turn relations that were drawn from the object to the person: who acts is always a person."""
        objects = self.placed.objects
        alone = self.object == ALONE
        subject = objects[self.subject] == PERSON
        thing = ~alone & (objects[self.object] == PERSON)
        self._both_ways(subject & thing)
        alone, subject, thing = (
            np.concatenate([v, v[subject & thing & self._marked]]) for v in (alone, subject, thing)
        )
        wrong = ~subject & thing
        for row in dict.fromkeys(self.row[wrong].tolist()):
            marked = row in self.relations.both_ways
            self._turned(row, "both directions" if marked else "from object to person")
        if wrong.any():
            ends = self.subject, self.object
            self.subject, self.object = (np.where(wrong, *pair) for pair in (ends[::-1], ends))
        self.turned |= wrong
        same = ~alone & (self.subject == self.object)
        bad = same | (~subject & ~thing)
        says = {}
        for p in np.flatnonzero(bad).tolist():
            names = [self._label(self.subject[p])] + ([] if alone[p] else [self._label(self.object[p])])
            says[p] = f"{' with '.join(names)}: no person"
            if same[p] and subject[p]:
                says[p] = "its person and its object are one box; for a person acting alone, the object is null"
        self._refuse(bad, says)

    def _both_ways(self, persons: NDArray[np.bool_]) -> None:
        """Add the reverse of each relation without a direction between two persons."""
        self._marked = np.isin(self.row, list(self.relations.both_ways))
        extra = persons & self._marked
        if not extra.any():
            return
        self.row = np.concatenate([self.row, self.row[extra]])
        self.verb = np.concatenate([self.verb, self.verb[extra]])
        self.turned = np.concatenate([self.turned, self.turned[extra]])
        subject, thing = self.subject[extra], self.object[extra]
        self.subject = np.concatenate([self.subject, thing])
        self.object = np.concatenate([self.object, subject])

    def _turned(self, row: int, how: str) -> None:
        where = self.relations.where(row)
        names = (
            self._label(self.relations.subject[row]),
            self._label(self.relations.object[row]),
        )
        what = f"{how}: the subject is {names[0]}, the object {names[1]}"
        if not (self.problems.found and self.problems.found[-1].where == where):  # once for all verbs of a pair
            self.problems.add("W", where, what, "turned: the person comes first")

    def _classes(self) -> None:
        verbs, things = self.words.verb_names, self.words.object_names
        alone = len(things)  # the column of who acts alone
        objects = np.where(self.object == ALONE, alone, self.placed.objects[self.object])
        known = np.ones((len(verbs), len(things) + 1), dtype=bool)
        if self.words.classes is not None:
            known[:, :alone] = False
            known[tuple(np.array(list(self.words.classes), dtype=np.int64).reshape(-1, 2).T)] = True
        if self.words.alone is not None:
            known[:, alone] = np.isin(np.arange(len(verbs)), list(self.words.alone))
        bad = ~known[self.verb, objects]
        says = {}
        for p in np.flatnonzero(bad).tolist():
            verb, thing = verbs[self.verb[p]], things[objects[p]] if objects[p] != alone else None
            entry = f"[{verb}, {thing or 'null'}]"
            called = f"{verb} {thing}" if thing else f"{verb} without an object"
            says[p] = f"{called} is no class of the vocabulary; if it should be, add {entry} to its classes"
        self._refuse(bad, says)

    def _once(self) -> None:
        if self._all_differ():
            return
        frame = pd.DataFrame({"s": self.subject, "o": self.object, "v": self.verb})
        again = frame.duplicated().to_numpy()
        if again.any():
            first = frame.assign(row=self.row).groupby(["s", "o", "v"])["row"].transform("first").to_numpy()
            for row, before in zip(self.row[again].tolist(), first[again].tolist(), strict=True):
                same = self.relations.where(before)
                self.problems.add("W", self.relations.where(row), f"the same as {same}", "one is kept")
        self._keep(~again)

    def _all_differ(self) -> bool:
        """Whether it is plain that no relation comes twice: each as one number, sorted, which takes the least memory."""
        boxes, verbs = len(self.boxes.image) + 1, len(self.words.verb_names)
        if boxes * boxes * verbs >= 1 << 63:
            return False
        keys = self.subject.astype(np.int64)
        keys *= boxes
        keys += self.object
        keys += 1
        keys *= verbs
        keys += self.verb
        keys.sort()
        return bool((keys[1:] != keys[:-1]).all())

    def _label(self, box: int) -> str:
        return self.boxes.labels[self.boxes.label[box]]


def _or_none(number: int | None) -> int:
    return NOT_KNOWN if number is None else number


def _joined(relations: Relations, rows: list[int], box: str = "") -> str:
    """ "relation 2", "relations 6 and 7"; the verb alone of what is written on the box itself."""
    names = []
    for row in rows:
        where = relations.where(row)
        names.append(relations.verbs[relations.verb[row]] if where == box else where)
    if all(name.startswith("relation ") for name in names):
        numbers = dict.fromkeys(name.removeprefix("relation ") for name in names)
        return f"relation{'s' * (len(numbers) > 1)} {listed(numbers)}"
    return listed(dict.fromkeys(name.rpartition(", ")[2] for name in names))


def _demand_some(raw: Raw, shown: Shown, problems: Problems) -> None:
    problems.add(
        "E",
        "the whole file",
        f"0 interactions that can be used in {int(shown.keep.sum()):,} pictures; the file has {len(shown.keep):,} "
        f"images, {len(raw.boxes.image):,} boxes and {len(raw.relations.image):,} interactions",
        "nothing to learn from",
    )


def _tables(raw: Raw, names: pd.Series[str], shown: Shown, placed: Placed, rows: _Rows) -> Resolved:
    images, boxes = raw.images, raw.boxes
    kept = np.flatnonzero(shown.keep)
    place = np.full(len(shown.keep), -1, dtype=np.int32)
    place[kept] = np.arange(len(kept))
    table, subject, thing = _box_table(boxes, placed), rows.subject, rows.object
    if len(table) < len(boxes.image):
        box_place = np.cumsum(placed.objects >= 0, dtype=np.int32) - 1  # no relation names a box that is left out
        subject, thing = box_place[subject], np.where(thing == ALONE, ALONE, box_place[thing])
    if len(kept) < len(place):
        table["image"] = place[table["image"].to_numpy()]
    image = raw.relations.image[rows.row]
    return Resolved(
        images=pd.DataFrame(
            {
                "file_name": names,
                "width": shown.sizes[kept, 0],
                "height": shown.sizes[kept, 1],
                "split": _texts(images.splits, kept),
                "exhaustive": np.array(images.exhaustive, dtype=bool)[kept],
            },
            copy=False,
        ),
        boxes=table,
        relations=pd.DataFrame(
            {
                "image": image if len(kept) == len(place) else place[image],
                "subject": subject,
                "object": thing,
                "verb_id": rows.verb,
                "turned": rows.turned,
            },
            copy=False,
        ),
    )


def _texts(texts: Sequence[str], kept: NDArray[np.int64]) -> pd.Series[str]:
    """Some of the texts as a column, made block by block: all at once would pass through an array of objects."""
    blocks = [kept[start : start + BLOCK].tolist() for start in range(0, max(1, len(kept)), BLOCK)]
    return pd.concat([pd.Series([texts[i] for i in block], dtype="str") for block in blocks], ignore_index=True)


def _box_table(boxes: Boxes, placed: Placed) -> pd.DataFrame:
    """The boxes that can be used, with the images' positions in the file; where all can, their columns are the arrays."""
    corners, image, objects = placed.corners, boxes.image, placed.objects
    if (objects < 0).any():
        used = np.flatnonzero(objects >= 0)
        corners, image, objects = packed(corners, used), image[used], objects[used]
    table = pd.DataFrame(corners, columns=CORNERS, copy=False)
    table.insert(0, "image", image)
    table.insert(1, "object_id", objects)
    return table
