"""From tensors to scored interactions."""
