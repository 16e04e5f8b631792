"""Texts in English: descriptions of classes, where they come from, and whether they are good."""
