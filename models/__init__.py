"""The networks in torch, and the files of their weights.

The method is prompts, guidance, adapters, fusion, UTPL and losses on an unmodified open_clip; `heads/` has other ways from
pairs and texts to scores; `released/` has the numbers of the released code. Detectors are here too.
"""
