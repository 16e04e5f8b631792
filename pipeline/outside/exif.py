"""EXIF orientations, by which a picture file says how it is turned."""

TURNED = (5, 6, 7, 8)
"""Orientations that exchange width and height."""
