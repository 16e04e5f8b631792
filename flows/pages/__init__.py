"""Pages that show runs, artifacts and their lineage."""
