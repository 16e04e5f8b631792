"""The configuration: its tree, its sections and the profiles that come with the project."""
