"""Scheduling and showing: the Prefect flow, its lineage pages and the `ezhoi` command line."""
