"""What a model reads of labelled cases beside the query, and that they matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shown_cases import LAYERS, Spy, chosen, make, problem, tokens_of
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.data import Cases


@pytest.mark.parametrize("place", ["after", "before"])
@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize("strategy", ["shared", "per-step"])
def test_a_demonstration_is_the_template_with_its_word_at_the_mask(
    backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    prompted: bool,
    strategy: str,
) -> None:
    train = problem()
    spec = f"demonstrations:place={place},prompted={str(prompted).lower()}"
    prompt = "hard:length=3" if strategy == "shared" else "hard:length=1"
    reader, reading = make(backbone, train, spec, prompt=prompt, strategy=strategy)
    query = Cases(train[0]._block[:1] + 0.3)  # type: ignore[index]
    shown = chosen(reader, reading, query)[0]
    tokens = tokens_of(reader, reading, query)
    known = tokens_of(reader, reading, train[0])
    spy = Spy(backbone, monkeypatch)
    context: Any = reading.context
    data, mask = reader.hidden(tokens, reading.prompt, LAYERS, context)

    words = backbone.words
    vectors = reading.prompt.fill(backbone)

    def lay(case: Tensor, middle: int, *, bare: bool = False) -> Tensor:
        template = reader.strategy.template(
            len(case), 1, 0 if bare else len(vectors), reading.prompt if not bare else _bare()
        )
        filled = template.assemble(case[None], vectors[: 0 if bare else None], backbone)[0]
        filled[template.mask] = backbone.word_vectors[middle]
        return filled

    own = lay(tokens[0], words.mask)
    tail = [
        lay(known[i], int(context.ids_[train[1][i]]), bare=not prompted)[1:] for i in shown.tolist()
    ]
    parts = [own, *tail] if place == "after" else [own[:1], *tail, own[1:]]
    (read,) = spy.rows
    torch.testing.assert_close(read, torch.cat(parts))

    # What is read of it is the query's own.
    (state,) = backbone.run(read[None], LAYERS)
    shift = 0 if place == "after" else sum(map(len, tail))
    at = len(own) - 2 + shift
    torch.testing.assert_close(read[at], backbone.word_vectors[words.mask])
    torch.testing.assert_close(mask[0, 0, 0], state[0, at])
    assert data.shape == (1, 1, 12, backbone.hidden_size)


def _bare() -> Any:
    from tsprompt.backbones.template import Prompt

    return Prompt(None)


@pytest.mark.parametrize("context", ["demonstrations", "none"])
def test_another_demonstration_changes_the_answer(backbone: Backbone, context: str) -> None:
    train = problem()
    reader, reading = make(backbone, train, context)
    query = Cases(train[0]._block[:1] + 0.3)  # type: ignore[index]
    before = reader.features(reading, query)
    if context == "none":
        assert np.array_equal(before, reader.features(reading, query))
        return
    shown = chosen(reader, reading, query)[0]
    idle = next(i for i in range(24) if i not in shown)
    own: Any = reading.context

    def altered(position: int) -> Tensor:
        """The answer with other tokens for this case of train."""
        number = int((own.index_ == position).nonzero())
        steps = int(own.met_shelf.steps[number])
        kept = own.met_shelf.tokens[steps].clone()
        own.met_shelf.tokens[steps][int(own.met_shelf._row[number])] *= -1
        out = reader.features(reading, query)
        own.met_shelf.tokens[steps] = kept
        return out

    assert torch.equal(altered(idle), before)
    for position in shown.tolist():
        assert not torch.allclose(altered(position), before, atol=1e-3)
    own.ids_ = own.ids_.flip(0)
    assert not torch.allclose(reader.features(reading, query), before, atol=1e-3)


def test_features_do_not_depend_on_the_company(backbone: Backbone) -> None:
    cases, labels = problem()
    ragged = Cases([one[: 7 + 3 * (i % 3 == 0) + (i % 2)] for i, one in enumerate(cases)])
    for pool in (cases, ragged):
        reader, reading = make(backbone, (pool, labels), "demonstrations:per_class=2")
        other = Cases([one[:-1] + 0.2 for one in pool])
        together = reader.features(reading, other)
        alone = torch.cat([reader.features(reading, Cases([one])) for one in other])
        torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)
