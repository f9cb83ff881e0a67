"""The former place of what writes models: see `tsprompt.base.folder` and `tsprompt.model.saving`."""

from tsprompt.base.folder import write_folder
from tsprompt.model.saving import MODEL

__all__ = ["MODEL", "write_folder"]
