"""Plots of the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = {
    "detector_only": "#dddddd",
    "untrained": "#b8b8b8",
    "plain_phrases": "#b7cfde",
    "before_utpl": "#7aa6c2",
    "adapted": "#1f5f8b",
}
LABELS = {
    "detector_only": "boxes alone",
    "untrained": "untrained",
    "plain_phrases": "seen stage, plain unseen",
    "before_utpl": "seen stage",
    "adapted": "after UTPL",
}


def write(path: Path, *, per_class: pd.DataFrame, summaries: dict[str, dict[str, float]]) -> None:
    """mAP by group and variant, and the AP of every class before and after training."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    bars, dots = figure.subplots(1, 2, width_ratios=[1, 1.4])
    groups = [g for g in ("unseen", "seen", "full") if g in summaries["adapted"]]
    for i, (variant, values) in enumerate(summaries.items()):
        wide = 0.84 / len(summaries)
        where = np.arange(len(groups)) + (i - (len(summaries) - 1) / 2) * wide
        heights = [values[g] for g in groups]
        drawn = bars.bar(where, heights, 0.93 * wide, color=COLOURS[variant], label=LABELS[variant])
        bars.bar_label(drawn, fmt="%.1f", fontsize=8)
    bars.set_xticks(range(len(groups)), groups)
    bars.set_ylabel("mAP (%)")
    bars.legend(frameon=False, fontsize=8)
    for unseen, marker, colour in ((False, "o", COLOURS["adapted"]), (True, "*", "#c2410c")):
        rows = per_class[(per_class["unseen"] == unseen) & per_class["ap_adapted"].notna()]
        label = "unseen classes" if unseen else "seen classes"
        dots.scatter(
            100 * rows["ap_untrained"],
            100 * rows["ap_adapted"],
            s=60 if unseen else 18,
            marker=marker,
            color=colour,
            label=label,
        )
    dots.plot([0, 100], [0, 100], color="#999999", linewidth=0.8)
    dots.set_xlabel("AP untrained (%)")
    dots.set_ylabel("AP after UTPL (%)")
    dots.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
