"""The former place of `tsprompt.base.tensor_folder`, and of what describes a saved model."""

from tsprompt.base.tensor_folder import write_folder
from tsprompt.model.saving import MODEL

__all__ = ["MODEL", "write_folder"]
