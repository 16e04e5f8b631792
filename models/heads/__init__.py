"""Text heads: from the record of a pair to the logits of verbs, a method a file."""
