"""A problem as a fit gives it to a tuner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tsprompt.data import as_cases
from tsprompt.heads import heads
from tsprompt.model.design import Design, make_reader
from tsprompt.prompts import prompts
from tsprompt.readouts import readouts
from tsprompt.recipes import resolve
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import Problem


@pytest.fixture
def problem(backbone: Any, separable: Any) -> Problem:
    """The separable cases under a prompt of four words, with `auto-words` at the mask."""
    cases, seed = as_cases(separable.X), 0
    labels = np.unique(separable.y, return_inverse=True)[1]
    settings = resolve("autoprompt", {"backbone": backbone.name})
    parts = Design.build(settings)
    reader = make_reader(parts, backbone, None)
    tokenizer = tokenizers.build("kernels")
    tokenizer.fit(cases, backbone, max_steps=50, rng=np.random.default_rng(0), member=0)
    head = heads.build("auto-words:scores=tied")
    head.meet(backbone, classes=["calm", "mild", "wild"])
    return Problem(
        member=0,
        cases=cases,
        labels=labels,
        n_classes=3,
        reader=reader,
        tokenizer=tokenizer,
        prompt=prompts.build("hard"),
        readout=readouts.build("mask"),
        head=head,
        slots=4,
        layers=(backbone.layers,),
        seed=seed,
    )
