"""Stage `predictions`: scored interactions of the test images, by the adapted model and by the variants beside it.

    predictions.parquet    image_id, hoi_id, score, hx1 .. oy2: the adapted model (pipeline/metrics/formats/table.py)
    scores.parquet         for the same rows, the scores of detector_only, seen_phrases, plain_phrases and
                           before_utpl, and of memory where `evaluation.memory` asks for it (pipeline/predict/scorer.py)
    untrained.parquet      columns as of predictions.parquet: the frozen CLIP with plain phrases (stage `untrained`);
                           absent where `evaluation.untrained` is off

Every pair has a row for each class of its object. The stage resumes at the shard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from models import scoring
from models.heads.head import Head, verb_features
from models.heads.kinds import KINDS
from models.heads.memory import MemoryHead
from pipeline.config.tree import Config
from pipeline.datasets import classes
from pipeline.errors import DataError
from pipeline.learned import checkpoint, heads, scale
from pipeline.learned.build import generator
from pipeline.machine.files import atomic
from pipeline.predict.scorer import TRAINED, Scorer, Variant
from pipeline.predict.scoring import COLUMNS, predictions
from pipeline.tables import arrays
from pipeline.training import examples
from pipeline.vocabulary.vocabulary import Vocabulary
from pipeline.work.work import Work

Pairs = dict[str, Any]
"""The columns of a shard of pairs."""
OTHERS = tuple(variant for variant in TRAINED if variant != "adapted")
"""The variants that `scores.parquet` always has."""


def run(work: Work) -> dict[str, Any]:
    """Score every shard; metrics count the rows."""
    with work.clock("read"):
        score = _scorers(work)
    kept: dict[str, list[Path]] = {source: [] for source in score}
    names = [(source, name) for source in score for name in work.inputs[source].names("test-*")]
    for done, (source, name) in enumerate(names):
        piece = f"{source}-{name}"
        if work.pieces.digest_of(piece) is None:
            with work.clock("read"):
                pairs = arrays.read(work.inputs[source].path(name))
            with work.clock("compute"):
                found = score[source](pairs)
            with work.pieces.writing(piece) as temporary:
                arrays.put(temporary, {str(column): found[column].to_numpy() for column in found}, read_once=True)
        kept[source].append(work.scratch / piece)
        work.progress(done + 1, len(names), "shards of pairs")
    with work.clock("write"):
        counts = {"predictions": _joined(kept["pair_features"], work.out / "predictions.parquet", COLUMNS)}
        _joined(kept["pair_features"], work.out / "scores.parquet", _others(work.config))
        if "untrained" in kept:
            counts["untrained"] = _joined(kept["untrained"], work.out / "untrained.parquet", COLUMNS)
    return counts


def _others(config: Config) -> tuple[Variant, ...]:
    """The variants of `scores.parquet`."""
    return (*OTHERS, "memory") if config.remembers else OTHERS


def _scorers(work: Work) -> dict[str, Callable[[Pairs], pd.DataFrame]]:
    """How the pairs of each stage become rows of predictions."""
    vocabulary = classes.vocabulary(work.inputs["vocabulary"])
    hois = list(vocabulary.ids)
    lookup = vocabulary.lookup(vocabulary.ids)
    plain = _plain_phrases(work)
    scorer = _trained(work, plain, vocabulary)

    def trained(pairs: Pairs) -> pd.DataFrame:
        scores = {"score": scorer.scores("adapted", pairs)}
        scores |= {variant: scorer.scores(variant, pairs) for variant in _others(work.config)}
        return predictions(pairs, scores, lookup[pairs["object_id"]])

    text = torch.from_numpy(np.stack([plain[h] for h in hois]))
    row_of = {h: row for row, h in enumerate(hois)}
    rows = torch.tensor([[row_of.get(h, -1) for h in verbs] for verbs in lookup.tolist()])

    def untrained(pairs: Pairs) -> pd.DataFrame:
        features, objects, prior = (torch.tensor(pairs[name]) for name in ("feature", "object_id", "prior"))
        chance = scoring.untrained_scores(features, text, rows[objects])
        scores = {"score": scoring.class_scores(chance, prior, tau=work.config.evaluation.tau).numpy()}
        return predictions(pairs, scores, lookup[pairs["object_id"]])

    found: dict[str, Callable[[Pairs], pd.DataFrame]] = {"pair_features": trained}
    if work.config.evaluation.untrained != "off":
        found["untrained"] = untrained
    return found


def _trained(work: Work, plain: dict[int, np.ndarray], vocabulary: Vocabulary) -> Scorer:
    config = work.config
    text = arrays.read(work.inputs["utpl"].path("text.parquet"))
    hois = [int(h) for h in text["hoi_id"]]
    unseen_plain = text["before"]
    if config.model.preset == "paper":  # the released code's phrases are plain, and not of unit length
        unseen_plain = np.where(text["unseen"][:, None], np.stack([plain[h] for h in hois]), text["before"])
    return Scorer(
        preset=config.model.preset,
        scope=config.scope,
        tau=config.evaluation.tau,
        scale=scale.read(work.inputs["utpl"]),
        verbs=len(vocabulary.verbs),
        phrase_verbs=torch.tensor(text["verb_id"]),
        phrase_objects=torch.tensor(vocabulary.object_of[hois]),
        seen=~torch.tensor(text["unseen"]),
        plain=torch.tensor(unseen_plain),
        before=torch.tensor(text["before"]),
        after=torch.tensor(text["after"]),
        name=config.model.head,
        head=_stored_head(work),
        memory=_memory(work, plain, vocabulary) if config.remembers else None,
    )


def _stored_head(work: Work) -> Head | None:
    """The configured head, if it does not score by phrases."""
    if work.config.model.head == "ezhoi":
        return None
    path = work.inputs["utpl"].path("head.safetensors")
    return heads.restored(work.config.model.head, checkpoint.load_weights(path)[0], origin=str(path))


def _memory(work: Work, plain: Mapping[int, np.ndarray], vocabulary: Vocabulary) -> Head:
    """The memory of the training pairs, as the head `memory` would have it."""
    config, unseen = work.config, classes.settings(work.inputs["vocabulary"])[work.config.setting]
    known = examples.read(
        work.inputs["pair_features"],
        vocabulary=vocabulary,
        seen=[h for h in vocabulary.ids if h not in unseen],
        unseen=[h for h in vocabulary.ids if h in unseen],
        columns=KINDS["memory"].reads,
    )
    hois = list(vocabulary.ids)
    features = torch.from_numpy(np.stack([plain[h] for h in hois]).astype(np.float32))
    named = [vocabulary.hoi(h) for h in hois if h in unseen]
    return MemoryHead.of(
        known,
        text=verb_features(features, torch.from_numpy(vocabulary.verb_of[hois]), len(vocabulary.verbs)),
        valid=torch.from_numpy(vocabulary.valid(hois)),
        unseen=[(hoi.verb_id, hoi.object_id) for hoi in named],
        options=config.heads.memory,
        generator=generator(config.seed, "head", "memory"),
    )


def _plain_phrases(work: Work) -> dict[int, np.ndarray]:
    """CLIP's feature of every class's phrase, by hoi_id."""
    parts = [
        arrays.read(work.inputs["text_embeddings"].path(f"{group}-phrases.parquet")) for group in ("seen", "unseen")
    ]
    return {int(h): row for part in parts for h, row in zip(part["hoi_id"], part["pooled"], strict=True)}


def _joined(shards: Sequence[Path], target: Path, columns: Sequence[str]) -> int:
    """Write columns of all shards into one file, shard by shard, and return the number of rows."""
    if not shards:
        raise DataError(
            "stage predictions: there is no test image to predict for; does data.faults = skip leave all of them out?"
        )
    rows = 0
    with (
        atomic(target) as temporary,
        pq.ParquetWriter(temporary, _schema(shards[0], columns), compression="zstd") as file,
    ):
        for shard in shards:
            table = pq.read_table(shard, columns=list(columns))
            file.write_table(table.select(list(columns)).replace_schema_metadata(None))
            rows += table.num_rows
    return rows


def _schema(shard: Path, columns: Sequence[str]) -> pa.Schema:
    schema = pq.read_schema(shard)
    return pa.schema([schema.field(name) for name in columns])
