"""What the classes are called: verbs, objects and classes as values, their files, and zero-shot settings as data."""
