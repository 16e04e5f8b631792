"""What is told of a picture where nobody says otherwise; apart, so that the command line need not import torch to say it.

Both were chosen on 600 scenes of the rendered world that the model had not been shown and that are none of its test scenes
(docs/predict.md): with 0.1 the harmonic mean of precision and recall is at its best, and more than ten a picture add nothing.
"""

TOP = 10
"""Interactions of a picture, the best."""
THRESHOLD = 0.1
"""Least score of an interaction, in the units of `pipeline/predict/records.py`."""
