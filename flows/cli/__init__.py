"""The command `ezhoi`."""
