"""EXIF orientations: how a picture file says that it is shown turned."""

TURNED = (5, 6, 7, 8)
"""Orientations that exchange width and height."""
