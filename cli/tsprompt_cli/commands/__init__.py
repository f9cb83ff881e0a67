"""One file per command: open, call the library, print."""
