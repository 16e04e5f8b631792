"""Pictures of the user's own: annotations of several tools, read into one table, checked, split and written."""
