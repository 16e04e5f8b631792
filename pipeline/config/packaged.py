"""Where the project's own files lie that a configuration chooses by name."""

from __future__ import annotations

from pathlib import Path

_ROOMS = Path(__file__).parents[1]
TINY_CLIP = _ROOMS / "tiny" / "tiny_clip.safetensors"
"""`clip.weights: tiny`."""
TINY_DETECTOR = _ROOMS / "tiny" / "tiny_detector.safetensors"
"""`detections.weights: tiny`."""
LEXICON = _ROOMS / "texts" / "lexicon"
"""`source: lexicon` of descriptions and disparities: the folder of its tables."""
PROMPTS = _ROOMS / "texts" / "llm" / "prompts"
"""Folder of the prompt templates, `<name>.yaml` each."""
WORLD = _ROOMS / "datasets" / "world"
HICO = _ROOMS / "datasets" / "hico"
VCOCO = _ROOMS / "datasets" / "vcoco"
"""`data.source`: the folders with the datasets' tables of classes and settings."""
