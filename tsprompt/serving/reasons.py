"""What a request may ask for beside probabilities: sets of classes, and why."""

from __future__ import annotations

from typing import Any

from tsprompt.data import Cases
from tsprompt.errors import TspromptError
from tsprompt.model.calibration import check_coverage
from tsprompt.model.fitted import Fitted
from tsprompt.serving.about import EXPLAINED, method_of
from tsprompt.serving.batching import Chances
from tsprompt.serving.model_folder import Offer
from tsprompt.serving.refusals import RefusalError, refusal_of

__all__ = ["check_explained", "check_sets", "explained", "sets"]


def check_sets(offer: Offer, coverage: float) -> None:
    """See that a model can be asked for sets of this coverage.

    Raises
    ------
    RefusalError
        It can't.
    """
    if offer.calibration is None:
        raise RefusalError(422, offer.uncalibrated or "this model gives no sets")
    try:
        check_coverage(coverage)
        offer.calibration.check_count(coverage)
    except TspromptError as error:
        raise refusal_of(error) from None


def sets(offer: Offer, chances: Chances, coverage: float) -> list[list[Any]]:
    """The classes in the set of each case with these probabilities (B, C)."""
    assert offer.calibration is not None, "it was checked"
    held = offer.calibration.sets(chances, coverage)
    return [
        [label for label, inside in zip(offer.about.classes, row, strict=True) if inside]
        for row in held.tolist()
    ]


def check_explained(cases: Cases) -> None:
    """See that these are few enough.

    Raises
    ------
    RefusalError
        They are not.
    """
    if len(cases) > EXPLAINED:
        raise RefusalError(413, f"{EXPLAINED} cases are explained at once; send fewer")


def explained(fitted: Fitted, case: Cases) -> tuple[dict[str, Any], list[float]]:
    """Why one case was given its class, and the shares (T,) of its timesteps."""
    from tsprompt.explanations import Explainer

    (found,) = Explainer(fitted, method=method_of(fitted)).explain(case)
    told = found.to_dict()
    del told["case"], told["id"], told["nearest"]  # of train, which is not at hand
    return told, found.by_timestep().tolist()
