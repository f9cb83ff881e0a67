"""CPT with real colours: segments of the plot are painted, and texts name their colour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones.picture import Picture
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.readouts import readouts
from tsprompt.readouts.texts import alternatives
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.image import draw_lines

Make = Callable[..., str]
PICTURE = Picture(20, 12, 1, 3, (0.5,) * 3, (0.5,) * 3)
RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 1.0)


def drawn(spec: str, value: float = 0.5) -> torch.Tensor:
    """(3, 20, 12): a level line, drawn as it is asked for."""
    tokenizer = tokenizers.build(spec)
    tokenizer.low_, tokenizer.range_ = torch.zeros(1), torch.ones(1)
    image: torch.Tensor = tokenizer.render(torch.full((1, 6, 1), value), PICTURE)[0]
    return image


def test_a_block_of_its_colour_lies_behind_each_segment_and_the_line_is_black() -> None:
    """Half the colour, half the white: 1 - 0.5 (1 - colour). Twelve columns are three segments."""
    image = drawn("image:paint=red+green+blue")
    line = draw_lines(torch.full((1, 6), 0.5), 20, 12, 2.0)[0]
    rows, covered = line[:, 0] == 0, line[:, 0] == 1
    assert rows.any()
    assert covered.any()
    for number, colour in enumerate((RED, GREEN, BLUE)):
        columns = image[:, :, 4 * number : 4 * number + 4]
        behind = 1 - 0.5 * (1 - torch.tensor(colour))
        torch.testing.assert_close(
            columns[:, rows], behind[:, None, None].expand(-1, int(rows.sum()), 4)
        )
        assert (columns[:, covered] == 0).all()


def test_or_the_line_itself_has_the_colour_on_white() -> None:
    image = drawn("image:paint=red+green+blue,paint_as=line")
    line = draw_lines(torch.full((1, 6), 0.5), 20, 12, 2.0)[0]
    for number, colour in enumerate((RED, GREEN, BLUE)):
        own = slice(4 * number, 4 * number + 4)
        expected = 1 - line[None, :, own] * (1 - torch.tensor(colour))[:, None, None]
        torch.testing.assert_close(image[:, :, own], expected)


def test_without_paint_the_picture_is_what_it_was() -> None:
    line = draw_lines(torch.full((1, 6), 0.5), 20, 12, 2.0)[0]
    torch.testing.assert_close(drawn("image"), (1 - line).expand(3, -1, -1))


def choices(folder: str, **more: Any) -> dict[str, Any]:
    return {"device": "cpu", "dtype": "float32", "random_state": 0, "backbone": folder, **more}


def test_the_head_sees_what_clip_says_of_each_colours_sentence(
    make_clip: Make, separable: Any
) -> None:
    """Scores of 'the pattern is in red colour' and the like for the painted plot, and no more."""
    from transformers import AutoTokenizer, CLIPModel

    folder = make_clip()
    fitted = PromptClassifier("cpt-plot", **choices(folder)).fit(separable.X, separable.y)
    prepared = fitted.parts_.preprocessing.transform(Cases(separable.X_test))
    tokenizer = fitted.readings_[0].tokenizer
    assert tokenizer.paint == ("red", "green", "blue", "yellow")
    images = tokenizer.render(
        torch.from_numpy(np.stack(list(prepared))), fitted.reader_.backbone.picture
    )
    vocabulary = AutoTokenizer.from_pretrained(folder)
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    expected = []
    for colour in tokenizer.paint:
        text = f"the pattern is in {colour} colour"
        ids = torch.tensor([[2, *vocabulary.encode(text, add_special_tokens=False), 3]])
        with torch.no_grad():
            said = model(input_ids=ids, pixel_values=images * 2 - 1)
        expected.append(said.logits_per_image[:, 0])
    np.testing.assert_allclose(
        fitted.transform(separable.X_test), torch.stack(expected, dim=1), atol=1e-3
    )


def test_a_colour_that_a_user_gives_a_class_answers_without_labels(
    make_clip: Make, separable: Any
) -> None:
    """CPT proper: the answer is a region, here that of the class."""
    head = 'class-texts:texts=red|blue|green,templates="the pattern is in {class} colour"'
    chosen = choices(make_clip(), head=head, readout="mask")
    fitted = PromptClassifier("cpt-plot", **chosen)
    fitted.fit_zero_shot(separable.X, ["calm", "mild", "wild"])
    chances = fitted.predict_proba(separable.X_test)
    seen = PromptClassifier("cpt-plot", **choices(make_clip())).fit(separable.X, separable.y)
    scores = torch.from_numpy(seen.transform(separable.X_test))[:, [0, 2, 1]].double()
    np.testing.assert_allclose(chances, scores.softmax(dim=1).numpy(), atol=1e-4)


def test_other_colours_on_the_plot_say_something_else(make_clip: Make, separable: Any) -> None:
    said = [
        PromptClassifier("cpt-plot", **choices(make_clip(), tokenizer=f"image:paint={paint}"))
        .fit(separable.X, separable.y)
        .transform(separable.X_test)
        for paint in ("red+green+blue+yellow", "yellow+blue+green+red")
    ]
    assert not np.allclose(*said, atol=1e-2)


def test_it_is_saved(make_clip: Make, separable: Any, tmp_path: Path) -> None:
    fitted = PromptClassifier("cpt-plot", **choices(make_clip())).fit(separable.X, separable.y)
    chances = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


def test_of_what_stands_in_braces_each_is_tried() -> None:
    assert alternatives("a {b/c} d {e/f}") == ["a b d e", "a b d f", "a c d e", "a c d f"]
    assert alternatives("a") == ["a"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("image:paint=red+teal", "paint=teal can't be drawn; there are: red, green"),
        ("image:paint=red+white", "paint=white can't be drawn"),
        ("image:paint=red", "two colours or more"),
        ("image:paint=red+red", "each once"),
        ("image:paint=red+blue,paint_as=dots", "'dots' is not one of: block, line"),
    ],
)
def test_colours_that_can_not_be_told_apart_are_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tokenizers.build(spec)


def test_one_text_tells_nothing(make_family: Make, separable: Any) -> None:
    with pytest.raises(ConfigError, match="must be two or more that differ"):
        readouts.build('texts:texts="the pattern is red"')
    with pytest.raises(ConfigError, match="reads images alone"):
        PromptClassifier("cpt-plot", **choices(make_family("vit"))).fit(separable.X, separable.y)


def test_a_model_of_gray_pictures_can_not_be_shown_colours(
    make_family: Make, separable: Any
) -> None:
    folder = make_family("vit", num_channels=1)
    chosen = choices(folder, tokenizer="image:paint=red+blue")
    with pytest.raises(ConfigError, match="reads pictures without colours"):
        PromptClassifier("image", **chosen).fit(separable.X, separable.y)
