"""Templates out of a corpus: which sentences, which words of them, and which are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, InputError
from tsprompt.tuners.mine import Mine, mined

ABOUT, WORDS = ("signal", "curve"), ("rising", "falling")


@pytest.mark.parametrize(
    ("sentence", "templates"),
    [
        ("Signal is clearly rising.", ["{series} is clearly [MASK]"]),
        ("So falling is a curve!", ["[MASK] is a {series}", "so [MASK] is a {series}"]),
        # The clause alone: what stands behind the comma belongs to another.
        ("In winter, a curve falling fast", ["a {series} [MASK] fast"]),
        ("The curve, they say, is rising.", []),
        ("The signals are rising.", []),
        ("The signal is steady.", []),
        ("Prices are rising.", []),
        # What would be read as a mark is no part of a sentence.
        ("The {signal} [is] rising", ["{series} is [MASK]", "the {series} is [MASK]"]),
    ],
)  # fmt: skip
def test_a_sentence_with_both_words_gives_those_between_and_its_clause(
    sentence: str, templates: list[str]
) -> None:
    assert mined(sentence, ABOUT, WORDS) == templates


def test_a_word_may_be_several_and_the_longest_is_meant() -> None:
    found = mined("the time curve is going up", ("curve", "time curve"), ("going up", "going"))
    assert found == ["{series} is [MASK]", "the {series} is [MASK]"]


def corpus(folder: Path, *lines: str) -> str:
    file = folder / "corpus.txt"
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def proposed(**options: Any) -> list[str]:
    return list(Mine(**options).propose(None, None))  # type: ignore[arg-type]


def test_the_most_frequent_come_first_and_a_line_ends_a_sentence(tmp_path: Path) -> None:
    file = corpus(
        tmp_path,
        "A signal is said to be rising. Signal is said to be falling? no",
        "signal",
        "rising",
        "the curve looks rising",
    )
    found = proposed(corpus=file, words=WORDS)
    assert found[0] == "{series} is said to be [MASK]"
    assert sorted(found[1:]) == [
        "a {series} is said to be [MASK]",
        "the {series} looks [MASK]",
        "{series} looks [MASK]",
    ]


def fitted(tiny: dict[str, Any], separable: Any, **options: Any) -> PromptClassifier:
    model = PromptClassifier(
        "mined", **tiny, tokenizer="kernels", tuner=Mine(**options), head="ridge"
    )
    return model.fit(separable.X, separable.y)


def test_the_best_on_train_are_kept_and_vote(
    tiny: dict[str, Any], separable: Any, tiny_corpus: str, tmp_path: Path
) -> None:
    model = fitted(tiny, separable, corpus=tiny_corpus, keep=2, about=("signal", "curve", "trend"))
    tuner: Any = model.parts_.tuner
    # calm, mild and wild are the names of the classes.
    assert tuner.templates_[0] == "{series} is a [MASK]"
    assert "so [MASK] a {series}" in tuner.templates_
    assert "the {series} of it is [MASK]" in tuner.templates_
    assert len(model.readings_) == len(model.parts_.combination.heads_) == 2
    best = np.argsort(tuner.losses_, kind="stable")[:2]
    for reading, number in zip(model.readings_, best, strict=True):
        assert reading.prompt.ids is not None
        words = [model.reader_.backbone.words.word(int(one)) for one in reading.prompt.ids]
        said = tuner.templates_[number].replace("{series}", "").replace("[MASK]", "")
        assert "".join(words).replace("##", "") == said.replace(" ", "")
    said = model.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), said)
    assert (model.predict(separable.X_test) == separable.y_test).mean() > 0.8


def test_what_can_not_be_mined_says_what_to_do(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"give a text file of them, .*mine:corpus=FILE"):
        fitted(tiny, separable)
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        fitted(tiny, separable, corpus=str(tmp_path / "none.txt"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        fitted(tiny, separable, corpus=str(tmp_path / "binary"))
    empty = corpus(tmp_path, "nothing of use")
    with pytest.raises(InputError, match=r"no sentence of .* one of calm, mild, wild"):
        fitted(tiny, separable, corpus=empty)
    few = corpus(tmp_path, "a signal is calm")
    with pytest.raises(InputError, match="2 can be used, and 3 were asked for"):
        fitted(tiny, separable, corpus=few, keep=3)
