"""The pipeline: configuration, artifact store, stages and what they need. Imports `models`, never `flows` or Prefect."""
