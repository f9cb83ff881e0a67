"""What knows of no model and no part: registry, options, seeds, files. It imports nothing."""
