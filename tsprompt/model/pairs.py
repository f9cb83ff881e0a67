"""Two series asked about together: do they fit, and which comes first."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from tsprompt.contexts.pairs import TwoInputs
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, InputError, Setting
from tsprompt.heads.matching import Matching
from tsprompt.model.fitted import Fitted
from tsprompt.model.views import Views
from tsprompt.reading.passes import Pass
from tsprompt.reading.together import read_passes

__all__ = ["match"]


def match(fitted: Fitted, first: Cases, second: Cases) -> npt.NDArray[np.float64]:
    """(B,) P(fits) of each pair of cases, first and second, as the model's template has them.

    It is the geometric mean over the model's prompts. What the head has fitted to its classes has
    no part in it.

    Raises
    ------
    ConfigError
        The model judges no pairs of series.
    InputError
        There are not as many of one as of the other, or they have other features than train.
    """
    context, head = fitted.design.context, fitted.design.head
    if not isinstance(context, TwoInputs) or not isinstance(head, Matching):
        raise ConfigError(
            "the model judges no pairs; fit one with ",
            Setting("recipe", "pairs"),
            ", or with ",
            Setting("context", "pairs"),
            " and ",
            Setting("head", "matching"),
        )
    if len(first) != len(second):
        raise InputError(
            f"there are {len(first)} first cases and {len(second)} second ones; each first one "
            "needs one second one"
        )
    prepared = [fitted.prepared(one) for one in (first, second)]
    views, said = Views(fitted.design.combination), []
    for number, reading in enumerate(fitted.readings, start=1):
        queries, others = (views.of(one, reading.member) for one in prepared)
        assert isinstance(reading.context, TwoInputs)
        own = dataclasses.replace(reading, context=reading.context.told(others))
        seen = Pass(fitted.reader, own, queries, f"prompt {number}", train=True)
        (done,) = read_passes([seen])
        states = done.features().unflatten(1, (-1, head.met_scorer.size))
        with torch.no_grad():
            said.append(head.met_scorer.say(states).mean(dim=1))
    logs = torch.stack(said).mean(dim=0).to("cpu", torch.float64)
    return np.asarray(logs.exp().numpy())
