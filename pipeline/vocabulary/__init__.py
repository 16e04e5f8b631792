"""The classes and their names: verbs, objects and classes as values, their files, and zero-shot settings as data."""
