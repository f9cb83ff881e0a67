"""Parts for tsprompt; see `parts`."""
