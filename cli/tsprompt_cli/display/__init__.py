"""What the commands show while they work and when they are done: bars, layouts, summaries."""
