"""One file a stage. A stage is `run(work) -> metrics`; stages never import one another and meet only through artifacts."""
