"""The evaluation's report: Markdown, plots and scenes with their predicted interactions."""
