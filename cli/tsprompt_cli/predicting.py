"""What a saved model says of cases, with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.classifier import PromptClassifier
    from tsprompt.data import Cases

__all__ = ["cases_of", "predictions"]


def predictions(
    classifier: PromptClassifier, cases: Cases
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    """The most probable label (B,), spelt as in files, and probabilities (B, C) of each case."""
    from tsprompt_cli.bars import working

    with working("predicting") as work:
        work.start("predicting")
        chances = classifier.predict_proba(cases)
    return classifier.classes_.astype(str)[chances.argmax(axis=1)], chances


def cases_of(source: str, data_dir: Path | None) -> Cases:
    """The cases of a file, or of a set's test part.

    Raises
    ------
    DatasetError
        There is no such file or set, or it is damaged.
    """
    from tsprompt_datasets import load_dataset, load_file
    from tsprompt_datasets.readers import READERS

    if Path(source).suffix.lower() in READERS:
        return load_file(Path(source).expanduser()).cases
    return load_dataset(source, data_dir=data_dir).test.cases
