"""Published mAP of EZ-HOI on HICO-DET in default mode, as rows beside a result.

The numbers are those of the authors' repository and paper (https://arxiv.org/abs/2410.23904).
The authors evaluate as the protocol ``upt`` does, so that column is the one to compare.
"""

EZ_HOI: dict[str, dict[str, dict[str, float]]] = {
    "rf_uc": {
        "ViT-B/16": {"unseen": 29.02, "seen": 34.15, "full": 33.13},
        "ViT-L/14@336": {"unseen": 34.24, "seen": 37.35, "full": 36.73},
    },
    "nf_uc": {
        "ViT-B/16": {"unseen": 33.66, "seen": 30.55, "full": 31.17},
        "ViT-L/14@336": {"unseen": 36.33, "seen": 34.47, "full": 34.84},
    },
    "uo": {
        "ViT-B/16": {"unseen": 33.28, "seen": 32.06, "full": 32.27},
        "ViT-L/14@336": {"unseen": 38.17, "seen": 36.02, "full": 36.38},
    },
    "uv": {
        "ViT-B/16": {"unseen": 25.10, "seen": 33.49, "full": 32.32},
        "ViT-L/14@336": {"unseen": 28.82, "seen": 38.15, "full": 36.84},
    },
    "default": {"ViT-L/14@336": {"full": 38.61, "rare": 37.70, "non_rare": 38.89}},
}
"""The mAP in percent, by setting, backbone and group of classes."""
