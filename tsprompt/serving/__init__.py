"""Many saved models at work at once: `Socket`, one language model in memory for all of them."""
