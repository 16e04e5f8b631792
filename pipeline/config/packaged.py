"""What comes with the project and is chosen by a name: its content enters fingerprints, not its name."""

from __future__ import annotations

from pathlib import Path

_ROOMS = Path(__file__).parents[1]
PACKAGED = {
    "tiny": _ROOMS / "tiny" / "tiny_clip.safetensors",
    "lexicon": _ROOMS / "texts" / "lexicon",
    "world": _ROOMS / "datasets" / "world",
    "hico": _ROOMS / "datasets" / "hico",
}
