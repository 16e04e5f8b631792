"""The method in torch: prompts, guidance, adapters, fusion, UTPL and losses on an unmodified open_clip."""
