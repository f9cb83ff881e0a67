"""The name that `tsprompt.preprocessings` had before: scripts that use it go on working."""

from tsprompt.preprocessings import preprocessings
from tsprompt.preprocessings.resample import resample
from tsprompt.preprocessings.standard import Standard as Preprocessing

__all__ = ["Preprocessing", "preprocessings", "resample"]
