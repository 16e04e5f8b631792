"""Many runs: designs, and the tables they fill."""
