"""Annotations for tests, as the stage writes them: one table a split."""

import pandas as pd

from pipeline.datasets.dataset import SPLITS


def one_a_split(**tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{"train-images": ..., "test-images": ...} of tables with a column `split`."""
    return {
        f"{split}-{name}": table[table["split"] == split].drop(columns="split").reset_index(drop=True)
        for name, table in tables.items()
        for split in SPLITS
    }
