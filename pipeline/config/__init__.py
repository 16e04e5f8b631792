"""Settings: the configuration's tree, its sections and the profiles that come with the project."""
