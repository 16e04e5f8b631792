"""Defaults of what is shown of a picture, in a file of their own, so that the command line need not import torch for them.

Both were chosen on 600 scenes of the rendered world that the model had not been shown and that are none of its test scenes
(docs/predict.md): with 0.1 the harmonic mean of precision and recall is highest, and more than ten a picture add nothing.
"""

TOP = 10
"""How many interactions of a picture are shown, the best ones."""
THRESHOLD = 0.1
"""The least score of an interaction, in the units of `pipeline/predict/records.py`."""
