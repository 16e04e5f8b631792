"""The report as Markdown."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

NAMES = {
    "untrained": "untrained: frozen CLIP, plain phrases, union boxes",
    "before_utpl": "after the seen stage",
    "adapted": "after UTPL",
}
GROUPS = ("unseen", "seen", "full", "harmonic_mean")


def result_table(summaries: dict[str, dict[str, float]]) -> list[str]:
    """mAP in percent: one line a variant, one column a group of classes."""
    lines = ["| mAP (%) | " + " | ".join(g.replace("_", " ") for g in GROUPS) + " |", "|---|" + "---:|" * len(GROUPS)]
    for variant, values in summaries.items():
        cells = [f"{values[g]:.2f}" if g in values else "–" for g in GROUPS]
        lines.append(f"| {NAMES[variant]} | " + " | ".join(cells) + " |")
    return lines


def write(
    path: Path, *, about: dict[str, str], per_class: pd.DataFrame, summaries: dict[str, dict[str, float]]
) -> None:
    """Write the report; `per_class` as in the evaluation's `classes.parquet`."""
    lines = ["# Zero-shot HOI detection", ""]
    if about["source"] == "world":
        lines += [
            "> **Synthetic scenes, a synthetic CLIP, simulated detections.** These numbers say nothing about HICO-DET.",
            "",
        ]
    lines += [f"Setting `{about['setting']}`, protocol `{about['protocol']}`.", "", *result_table(summaries), ""]
    lines += ["![AP by class](report.png)", "", "![Scenes and predictions](scenes.png)", "", "## Classes", ""]
    lines += [
        "| class | group | train pairs | test pairs | untrained | seen stage | UTPL |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in per_class.sort_values(["unseen", "name"], ascending=[False, True]).to_dict("records"):
        values = [row[f"ap_{v}"] for v in ("untrained", "before_utpl", "adapted")]
        cells = ["–" if pd.isna(v) else f"{100 * v:.1f}" for v in values]
        group = "unseen" if row["unseen"] else "seen"
        lines.append(
            f"| {row['name']} | {group} | {row['train_pairs']} | {row['test_pairs']} | " + " | ".join(cells) + " |"
        )
    path.write_text("\n".join(lines) + "\n")
