"""Preprocessing: fitted on train, applied to whatever comes."""

from tsprompt.preprocessings.base import Preprocessing, preprocessings

__all__ = ["Preprocessing", "preprocessings"]
