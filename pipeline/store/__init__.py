"""The artifact store: content-addressed, atomic, verified. Knows nothing of stages or schedulers."""
