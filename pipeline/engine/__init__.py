"""Stages by name: what each reads, what is due, and how one is run."""
