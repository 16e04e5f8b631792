"""Stages by name: what each reads, which have to run, and how one is run."""
