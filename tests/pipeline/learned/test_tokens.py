"""Cached image tokens: read at random from the memory map, readable by anything."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.learned.tokens import FrozenTokens
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.work import shards


def tokens(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float16)


@pytest.mark.parametrize("shape", [(5, 8), (1, 8), (197, 512)])
def test_rows_come_back_in_any_order(tmp_path: Path, artifact: Callable, shape: tuple[int, int]) -> None:
    first, second = tokens(4, *shape), tokens(3, *shape)
    arrays.write(tmp_path / "train-000.parquet", {"image_id": [10, 11, 12, 13], "tokens": first}, rows_a_group=1)
    arrays.write(tmp_path / "train-001.parquet", {"image_id": [20, 21, 22], "tokens": second}, rows_a_group=1)
    arrays.write(tmp_path / "test-000.parquet", {"image_id": [30], "tokens": second[:1]}, rows_a_group=1)
    read = FrozenTokens(artifact(tmp_path, "image_embeddings"), "train")
    assert read.ids == [10, 11, 12, 13, 20, 21, 22]
    found = read.of([21, 10, 21, 13])
    np.testing.assert_array_equal(
        found.numpy(), np.stack([second[1], first[0], second[1], first[3]]).astype(np.float32)
    )


def test_more_than_a_thousand_shards_are_read_in_the_order_in_which_they_were_cut(
    tmp_path: Path, artifact: Callable[..., Artifact]
) -> None:
    plan = shards.plan({"train": range(1_002)}, size=1)
    for shard in plan:
        arrays.put(tmp_path / shard.name, {"image_id": shard.ids, "tokens": np.float16([[[shard.number]]])})
    made = artifact(tmp_path, "image_embeddings")
    assert made.names("train-*") == [shard.name for shard in plan]
    read = FrozenTokens(made, "train")
    assert read.ids == list(range(1_002))
    assert read.of([1_000, 101]).flatten().tolist() == [1_000, 101]


def test_any_reader_finds_a_fixed_size_list_of_halves(tmp_path: Path) -> None:
    values = tokens(3, 5, 8)
    path = tmp_path / "train-000.parquet"
    arrays.write(path, {"image_id": [1, 2, 3], "tokens": values}, rows_a_group=1)
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 3
    assert str(file.schema_arrow.field("tokens").type) == "fixed_size_list<element: halffloat>[40]"
    np.testing.assert_array_equal(np.array(file.read()["tokens"].to_pylist()).reshape(3, 5, 8), values)
    np.testing.assert_array_equal(arrays.read(path)["tokens"], values)


@pytest.mark.parametrize("change", [{"compression": "zstd"}, {"use_dictionary": True}, {"row_group_size": 3}])
def test_another_layout_is_read_slowly_and_never_misread(
    tmp_path: Path, artifact: Callable, change: dict, caplog: pytest.LogCaptureFixture
) -> None:
    values = tokens(7, 50, 8)
    for number, part in enumerate((values[:4], values[4:])):
        path = tmp_path / f"train-{number:03d}.parquet"
        arrays.write(path, {"image_id": np.arange(len(part)) + 4 * number, "tokens": part}, rows_a_group=1)
        plain = {"row_group_size": 1, "compression": "none", "use_dictionary": False}
        pq.write_table(pq.read_table(path), path, **(plain | change))
    read = FrozenTokens(artifact(tmp_path, "image_embeddings"), "train")
    assert read.ids == list(range(7))
    np.testing.assert_array_equal(read.of([6, 0, 3, 3, 2]).numpy(), values[[6, 0, 3, 3, 2]].astype(np.float32))
    assert [r.getMessage() for r in caplog.records] == [
        "2 files of tokens (the first is train-000.parquet) have the layout of another release of pyarrow and are slow to read"
    ]


def test_a_damaged_file_is_named(tmp_path: Path, artifact: Callable) -> None:
    path = tmp_path / "train-000.parquet"
    arrays.write(path, {"image_id": [1], "tokens": tokens(1, 5, 8)}, rows_a_group=1)
    found = artifact(tmp_path, "image_embeddings")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-000\.parquet: cannot be read as Parquet"):
        FrozenTokens(found, "train")
