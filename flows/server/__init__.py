"""The Prefect server and its workers, seen from outside: started, asked, followed, stopped."""
