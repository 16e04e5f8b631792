"""One file a stage. A stage is `run(work) -> metrics`; stages never import each other and meet only through artifacts."""
