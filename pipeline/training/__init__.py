"""Training that survives a kill: the loop, its checkpoints, and the batches of the seen stage."""
