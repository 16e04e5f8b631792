"""The released code's numbers: its modules, its losses and its quirks, for importing its checkpoints and for parity.

    quirks.py     what the released code does that nobody would do on purpose, each by name
    adapter.py    its bottleneck adapters
    hoi.py        what of its model has an effect: the visual side on constant text features
    inert.py      what of its model has none: text prompts behind EOT, their guidance and UTPL
    losses.py     its two losses
    keys.py       its checkpoint's keys and ours

Everything else of the project follows the paper. What imports from here is `pipeline/learned` (it builds the preset, imports
checkpoints and counts parameters) and `models/scoring.py`, for the released logits.
"""
