"""What is told of a picture where nobody says otherwise; apart, so that the command line need not import torch to say it."""

TOP = 20
"""Interactions of a picture, the best."""
THRESHOLD = 0.05
"""Least score of an interaction, in the units of `pipeline/predict/records.py`."""
