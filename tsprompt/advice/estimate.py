"""How long runs will take, by those that are there: said before the rest is begun."""

from __future__ import annotations

from collections.abc import Sequence

from tsprompt.benchmark import Cell, Record
from tsprompt.data import Dataset

__all__ = ["expected_seconds"]


def expected_seconds(cell: Cell, dataset: Dataset, records: Sequence[Record]) -> float | None:
    """Seconds of a run: those of the same method on other parts, a fit in proportion to its cases
    and a prediction to its own. None where the method has not been run yet.

    The part that is nearest in size tells. A fit takes some seconds whatever its cases; so one of
    fewer cases is not taken to be quicker.
    """
    known = [one for one in records if one.ok and one.method == cell.method.name and one.n_train]
    if not known:
        return None
    cases = len(dataset.train)
    nearest = min(known, key=lambda one: abs((one.n_train or 0) - cases))
    fit = (nearest.fit_seconds or 0.0) * max(1.0, cases / (nearest.n_train or 1))
    predict = (nearest.predict_seconds or 0.0) * len(dataset.test) / max(1, nearest.n_test or 1)
    return fit + predict
