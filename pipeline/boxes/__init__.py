"""Boxes: detected, annotated, imported, augmented, and how good they are."""
