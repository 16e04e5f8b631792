"""The artifact store: content-addressed, atomic, verified. It knows nothing about stages or schedulers."""
