"""HICO-DET: vocabulary (600 HOI classes, 117 verbs, 80 objects), zero-shot settings, readers of its layouts, checks."""
