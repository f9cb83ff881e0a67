"""Readouts: hidden states become the features that the head sees."""

from tsprompt.readouts.base import Readout, readouts

__all__ = ["Readout", "readouts"]
