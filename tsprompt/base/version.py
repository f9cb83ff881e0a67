"""The version of all three packages; nowhere else is it written."""

__version__ = "0.1.0"
