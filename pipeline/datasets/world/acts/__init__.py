"""How the rendered world's interactions are posed."""
