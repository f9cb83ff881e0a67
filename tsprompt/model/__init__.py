"""From choices to a fitted model: its design, its fit, what it has learned, and its file."""
