"""Reading: batches of rows go through the language model, each distinct one once."""
