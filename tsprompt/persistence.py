"""The former place of `tsprompt.base.folder`, and of what describes a saved model."""

from tsprompt.base.folder import write_folder
from tsprompt.model.saving import MODEL

__all__ = ["MODEL", "write_folder"]
