"""Tables on disk: Parquet arrays, atomic writing, and what a box is."""
