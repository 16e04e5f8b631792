"""Texts for people: two versions side by side, the gate's report, separability."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from pipeline.outside.escaping import plain
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.texts import comparison
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text


def difference(old: Artifact, new: Artifact, store: Store) -> dict[str, Any]:
    """What changed between two `descriptions` artifacts, as plain JSON."""
    embedded = comparison.embeddings(old, new, store)
    moved = comparison.moved(embedded) if embedded else None
    return {
        "texts": [{"name": c.name} | asdict(c) for c in comparison.changed(old, new, embedded)],
        "similarities_by": None if embedded is None else [e.made_by for e in embedded],
        "nearest_seen": None if moved is None else [asdict(m) for m in moved],
    }


def show_difference(old: Artifact, new: Artifact, store: Store, *, moves: bool = True, most: int = 40) -> None:
    """Print it: texts side by side, then with `moves` the unseen classes whose nearest seen class changed."""
    from rich.console import Console
    from rich.table import Table

    embedded = comparison.embeddings(old, new, store)
    found = comparison.changed(old, new, embedded)
    table = Table(title=f"{len(found)} changed text{'s' * (len(found) != 1)}", title_justify="left", show_lines=True)
    table.add_column("class")
    table.add_column(old.fingerprint[:12], ratio=1)
    table.add_column(new.fingerprint[:12], ratio=1)
    table.add_column("similarity")
    for c in found[:most]:
        similarity = "" if c.similarity is None else f"{c.similarity:.3f}"
        table.add_row(c.name, _text(c.old_source, c.old), _text(c.new_source, c.new), similarity)
    if found:
        Console().print(table)
    if len(found) > most:
        typer.echo(f"and {len(found) - most} more (--json has all)")
    if embedded is None:
        typer.echo(
            "no similarities: the store has no text_embeddings of both made by the same CLIP in the same setting "
            "(`ezhoi run --target text_embeddings` makes those of a configuration)"
        )
        return
    typer.echo(plain(f"similarities by {embedded[0].made_by} and {embedded[1].made_by}"))
    if not moves:
        return
    moved, called = comparison.moved(embedded), comparison.names(new)
    typer.echo(f"{len(moved)} of {len(embedded[1].unseen)} unseen classes have another nearest seen class")
    for m in moved:
        one, before, after = (called[h] for h in (m.hoi_id, m.old, m.new))
        typer.echo(f"  {one}: {before} ({m.old_similarity:.3f}) -> {after} ({m.new_similarity:.3f})")


def _text(source: str, text: str) -> Text:
    from rich.text import Text

    return Text(plain(f"[{source}] {text}"))


def show_report(descriptions: Artifact) -> None:
    """Print where the texts come from, and which of them fail the quality gate."""
    metrics = descriptions.manifest.metrics
    sources = ", ".join(f"{count} from {name}" for name, count in dict(metrics.get("sources", {})).items())
    typer.echo(f"{metrics['classes']} descriptions ({sources}), {metrics['mean_words']:.1f} words on average")
    if metrics["requests"] or metrics["reused"]:
        typer.echo(
            f"{metrics['requests']} requests sent, {metrics['reused']} answers from the journal, {metrics['rejected']} "
            "rejected by the gate"
        )
    failing = dict(metrics.get("failing", {}))
    typer.echo(f"{len(failing)} texts fail the quality gate" + (":" if failing else ""))
    for name, verdict in failing.items():
        typer.echo(plain(f"  {name}: {verdict}"))


def show_pairs(disparities: Artifact, vocabulary: Vocabulary) -> None:
    """Print each unseen class with its nearest seen class, the similarity of their descriptions, and how the class differs."""
    table: pd.DataFrame = disparities.table("disparities.parquet", ["hoi_id", "seen_hoi_id", "similarity", "text"])
    for row in table.sort_values("similarity", ascending=False).to_dict("records"):
        one, other = (vocabulary.hoi(int(row[key])).name for key in ("hoi_id", "seen_hoi_id"))
        typer.echo(plain(f"{row['similarity']:.3f}  {one} ~ {other}: {row['text']}"))


def show_separability(embeddings: Artifact, *, most: int = 8) -> None:
    """Print whether descriptions tell classes apart better than plain phrases, and the most confusable verbs and objects."""
    table: pd.DataFrame = embeddings.table("separability.parquet")
    typer.echo("cosine to the most similar other class (lower is easier to tell apart)")
    typer.echo(f"{'':<24}{'classes':>8}{'description':>22}{'plain phrase':>22}")
    typer.echo(f"{'':<24}{'':>8}{'mean':>12}{'worst':>10}{'mean':>12}{'worst':>10}")
    whole = table[table["by"] == "all"]
    rows = [whole] + [
        table[table["by"] == by].sort_values("description_worst", ascending=False).head(most)
        for by in ("verb", "object")
    ]
    for group in rows:
        for row in group.to_dict("records"):
            name = "all classes" if row["by"] == "all" else f"{row['by']} {row['name']}"
            cells = "".join(
                f"{row[f'{kind}_mean']:>12.3f}{row[f'{kind}_worst']:>10.3f}" for kind in ("description", "phrase")
            )
            typer.echo(f"{name:<24}{row['classes']:>8}{cells}")
