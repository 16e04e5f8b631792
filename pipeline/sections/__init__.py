"""The sections of the configuration tree, by subject; `pipeline/config.py` assembles and loads them."""
