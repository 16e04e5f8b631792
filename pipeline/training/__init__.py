"""Training that survives a kill: the loop, its checkpoints and history, the batches of images, and several processes."""
