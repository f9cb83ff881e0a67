"""The tower for images of a CLIP: what it says is what transformers says, at every depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.load import input_of, total_layers
from tsprompt.backbones.template import Prompt
from tsprompt.model.layout import slots
from tsprompt.strategies import strategies

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}
Make = Callable[..., str]


def read(folder: str, depth: int, layers: tuple[int, ...]) -> tuple[list[Any], Any]:
    """States of random images, and what transformers says of them."""
    from transformers import CLIPModel

    backbone = load_backbone(folder, depth, **CPU)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens = backbone.patches(images).unsqueeze(2)
    template = strategies.build("shared").template(16, 1, 0, Prompt(None))
    rows = template.framed(backbone.family.frame).assemble(tokens, torch.empty(0, 32), backbone)
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().vision_model
    with torch.no_grad():
        said = model(pixel_values=images * 2 - 1, output_hidden_states=True)
    return backbone.run(rows, layers), said


def test_it_says_at_each_layer_what_transformers_says(make_clip: Make) -> None:
    states, said = read(make_clip(), 2, (0, 1, 2))
    torch.testing.assert_close(states[0], said.hidden_states[0])
    torch.testing.assert_close(states[1], said.hidden_states[1])
    torch.testing.assert_close(states[2][:, 0], said.pooler_output)


def test_cut_to_one_layer_it_says_the_same_there(make_clip: Make) -> None:
    states, said = read(make_clip(), 1, (1,))
    torch.testing.assert_close(states[0], said.hidden_states[1])


def test_only_the_tower_for_images_is_loaded(make_clip: Make) -> None:
    folder = make_clip()
    assert (input_of(folder), total_layers(folder)) == ("images", 2)
    backbone = load_backbone(folder, 1, **CPU)
    assert (backbone.hidden_size, backbone.state_size) == (32, 32)
    assert not [name for name, _ in backbone.model.named_parameters() if "text" in name]
    assert backbone.weights_hash == fingerprint(backbone.model)
    assert not any(one.requires_grad for one in backbone.model.parameters())


@pytest.mark.parametrize("twin", ["", "random:", "shuffled:", "none:"])
def test_the_recipe_image_takes_it_and_its_twins(
    twin: str, make_clip: Make, separable: Any
) -> None:
    chosen: dict[str, Any] = {**CPU, "backbone": twin + make_clip(), "random_state": 0}
    fitted = PromptClassifier("image", **chosen).fit(separable.X, separable.y)
    assert (fitted.predict(separable.X_test) == separable.y_test).mean() >= 0.8
    shown = slots(fitted.fitted_, fitted.readings_[0])
    assert [(one.kind, one.text) for one in shown[:2]] == [("answer", "[CLS]"), ("data", "x1")]


def test_vectors_are_prompts_of_it_at_the_input_and_at_every_layer(
    make_clip: Make, separable: Any
) -> None:
    for prompt in ("soft:init=random", "p-tuning-v2"):
        chosen: dict[str, Any] = {**CPU, "backbone": make_clip(), "random_state": 0}
        fitted = PromptClassifier(
            "image", **chosen, prompt=prompt, tuner="gradient:epochs=2", readout="mask"
        ).fit(separable.X, separable.y)
        assert fitted.report_["largest gradient at the prompt"] > 0
