"""The classes that are evaluated: their names, and which of them are rare, unseen or added. `means.py` has the groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets import classes as class_table
from pipeline.datasets.dataset import RARE_BELOW
from pipeline.datasets.hico.dataset import Hico
from pipeline.errors import DataError
from pipeline.outside import columns
from pipeline.outside.parsing import shown
from pipeline.vocabulary.file import LARGEST_ID
from pipeline.vocabulary.settings import DEFAULT, Settings
from pipeline.vocabulary.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The evaluated classes, with all that tells their groups apart."""

    vocabulary: Vocabulary
    """The classes that are evaluated, and their names."""
    unseen: Mapping[str, frozenset[int]]
    """Classes without training labels, by zero-shot setting."""
    rare: frozenset[int]
    train_count: Mapping[int, int]
    added: frozenset[int] = frozenset()
    """Classes that nobody trained and the dataset lacks (`data.classes`); they are measured only if they are annotated."""
    hico: bool
    """Whether these are HICO-DET's own classes, splits and counts, so that published numbers are comparable."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Every ``hoi_id`` that is evaluated."""
        return self.vocabulary.ids

    @property
    def of_hico(self) -> bool:
        """Whether all classes but the added ones are HICO-DET's by their ids and names, be they a part of its 600."""
        known = {hoi.hoi_id: (hoi.object_id, hoi.name) for hoi in Hico.vocabulary.classes}
        mine = (hoi for hoi in self.vocabulary.classes if hoi.hoi_id not in self.added)
        return all(known.get(hoi.hoi_id) == (hoi.object_id, hoi.name) for hoi in mine)

    @property
    def object_of(self) -> NDArray[np.int64]:
        """The object of every class that an image may be labelled with, by its id; -1 where there is no class of that id.

        Beside the evaluated classes these are all of HICO-DET's where the evaluated ones are a part of them: a label of any
        class tells that its object is in the image.
        """
        own = self.vocabulary.object_of
        if not self.of_hico:
            return own
        found = np.full(max(len(own), len(Hico.vocabulary.object_of)), -1, dtype=np.int64)
        for vocabulary in (Hico.vocabulary, self.vocabulary):
            ids = list(vocabulary.ids)
            found[ids] = vocabulary.object_of[ids]
        return found


def hico_groups() -> Groups:
    """HICO-DET's 600 classes."""
    return Groups(
        vocabulary=Hico.vocabulary,
        unseen=Hico.settings,
        rare=Hico.rare or frozenset(),
        train_count=Hico.train_counts,
        hico=True,
    )


def groups_of_table(table: pd.DataFrame, vocabulary: Vocabulary | None, settings: Settings) -> Groups:
    """The groups by a `classes.parquet`. It says which classes are rare; only where it does not, training pairs are counted."""
    named = vocabulary is None and "verb_ing" in table
    wanted = ("hoi_id", "train_count", *(class_table.NAMED if named else ()))
    if missing := [column for column in wanted if column not in table]:
        raise DataError(f"classes.parquet: no column {', '.join(missing)}; columns are {', '.join(table.columns)}")
    table = _typed(table)
    counts = dict(zip(table["hoi_id"].tolist(), table["train_count"].tolist(), strict=True))
    if named:
        _demand_names(table)
        vocabulary = class_table.of_frame(table)
    elif vocabulary is None:  # without names, numbers are HICO-DET's
        vocabulary = Hico.vocabulary.subset(counts)
    names = [str(c) for c in table if table[c].dtype == bool and c != "rare"]
    by_table = {DEFAULT: frozenset()} | {s: frozenset(table.loc[table[s], "hoi_id"].tolist()) for s in names}
    added = frozenset(vocabulary.ids) - frozenset(counts)
    counts = dict.fromkeys(vocabulary.ids, 0) | counts
    if tuple(hoi for hoi in vocabulary.classes if hoi.hoi_id not in added) == Hico.vocabulary.classes:
        unseen = {name: hidden | added for name, hidden in Hico.settings.items()} | dict(settings)
        counts = dict.fromkeys(added, 0) | dict(Hico.train_counts)
        return replace(hico_groups(), vocabulary=vocabulary, unseen=unseen, train_count=counts, added=added)
    few = table["train_count"] < RARE_BELOW
    return Groups(
        vocabulary=vocabulary,
        unseen={**by_table, **settings},
        rare=frozenset(table.loc[table.get("rare", few), "hoi_id"].tolist()),
        train_count=counts,
        added=added,
        hico=False,
    )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with whole numbers as ids and counts, and booleans where it tells rare and unseen classes; DataError naming the
    first row that has something else there."""
    if table.empty:
        raise DataError("classes.parquet: has no row, so there is no class to evaluate")
    try:
        table = table.assign(**{c: columns.whole(table, c, "classes.parquet") for c in ("hoi_id", "train_count")})
    except ValueError as error:
        raise DataError(str(error)) from None
    if twice := table["hoi_id"][table["hoi_id"].duplicated()].tolist():
        raise DataError(f"classes.parquet: hoi_id {twice[0]} has two rows; keep one")
    if len(bad := np.flatnonzero(table["train_count"] < 0)):
        raise DataError(f"classes.parquet row {bad[0]}: train_count is {table['train_count'].iloc[bad[0]]}")
    tells = [c for c in table if c == "rare" or any(isinstance(value, bool | np.bool_) for value in table[c])]
    try:
        return table.assign(**{str(c): columns.booleans(table, str(c), "classes.parquet") for c in tells})
    except ValueError as error:
        raise DataError(str(error)) from None


def _demand_names(table: pd.DataFrame) -> None:
    """DataError naming the first row whose class, verb or object has an id that none can have, or no name."""
    for column in ("verb", "verb_ing", "object", "phrase"):
        for row, name in enumerate(table[column]):
            if not isinstance(name, str) or not name.strip():
                raise DataError(f"classes.parquet row {row}: {column} is {shown(name)}; a name is needed")
    for column in ("hoi_id", "verb_id", "object_id"):
        try:
            numbers = columns.whole(table, column, "classes.parquet")
        except ValueError as error:
            raise DataError(str(error)) from None
        if len(bad := np.flatnonzero((numbers < 0) | (numbers > LARGEST_ID))):
            raise DataError(
                f"classes.parquet row {bad[0]}: {column} is {numbers[bad[0]]}; an id is a whole number from 0 to {LARGEST_ID:,}"
            )
