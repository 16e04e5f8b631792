"""HICO-DET's vocabulary (600 HOI classes, 117 verbs, 80 objects) and its zero-shot splits."""
