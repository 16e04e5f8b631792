"""From artifacts to modules and tensors."""
