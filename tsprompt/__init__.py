"""Time-series classification by prompting a frozen language model.

>>> from tsprompt import PromptClassifier
>>> PromptClassifier(strategy="per-step", random_state=0).fit(X, y).predict_proba(X_new)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tsprompt.base.version import __version__

__all__ = [
    "BackboneError",
    "Cases",
    "ConfigError",
    "Dataset",
    "DatasetError",
    "Explanation",
    "Explanations",
    "InputError",
    "ModelFileError",
    "PluginError",
    "PromptClassifier",
    "Socket",
    "Split",
    "TspromptError",
    "TspromptNotice",
    "__version__",
    "explain",
]

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier
    from tsprompt.data import Cases, Dataset, Split
    from tsprompt.errors import (
        BackboneError,
        ConfigError,
        DatasetError,
        InputError,
        ModelFileError,
        PluginError,
        TspromptError,
        TspromptNotice,
    )
    from tsprompt.explanations import Explanation, Explanations, explain
    from tsprompt.serving.socket import Socket

# Exported name -> module that holds it. Imported on first use: `import tsprompt` alone, and with
# it `tsprompt --help`, stays free of torch.
_EXPORTS = {
    "BackboneError": "tsprompt.errors",
    "Cases": "tsprompt.data",
    "ConfigError": "tsprompt.errors",
    "Dataset": "tsprompt.data",
    "DatasetError": "tsprompt.errors",
    "Explanation": "tsprompt.explanations",
    "Explanations": "tsprompt.explanations",
    "InputError": "tsprompt.errors",
    "ModelFileError": "tsprompt.errors",
    "PluginError": "tsprompt.errors",
    "PromptClassifier": "tsprompt.classifier",
    "Socket": "tsprompt.serving.socket",
    "Split": "tsprompt.data",
    "TspromptError": "tsprompt.errors",
    "TspromptNotice": "tsprompt.errors",
    "explain": "tsprompt.explanations",
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'tsprompt' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
