"""The Prefect server and its workers, from the outside."""
