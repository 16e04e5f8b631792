"""Studies of many runs: which runs they have, and the tables that these fill."""
