"""The grammar of specs: what is read, what is spelled, and that the two agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tsprompt.base.part import Part, several, spec_of
from tsprompt.base.registry import Registry
from tsprompt.base.spec import (
    differing,
    join_texts,
    merge_specs,
    name_in,
    options_in,
    parse_spec,
    spell_spec,
    split_specs,
    split_texts,
    type_value,
)
from tsprompt.tokenizers.kernels import Kernels


@dataclass
class Toy(Part):
    size: int = 3
    rate: float = 0.5
    on: bool = False
    mode: str | None = None
    many: tuple[int, ...] = (1, 2)
    texts: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self.many, self.texts = several(self.many), several(self.texts)


toys: Registry[Part] = Registry("toy", "tsprompt.errors")
toys.register("toy")(Toy)

VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
)


# --- what was spelled is read as the same ---


@given(
    st.builds(
        Toy,
        size=st.integers(),
        rate=st.floats(allow_nan=False),
        on=st.booleans(),
        mode=st.none() | st.text(),
        many=st.lists(st.integers(), max_size=4).map(tuple),
        texts=st.lists(st.text(), max_size=4).map(tuple),
    ),
    st.booleans(),
)
@example(Toy(mode='say "a, {series}" \\ 1+1=2'), False)
@example(Toy(mode="Infinity"), False)
@example(Toy(mode="[1]"), True)
@example(Toy(rate=float("-inf"), texts=("a+b", "", "none")), True)
def test_a_spec_builds_the_part_that_wrote_it(part: Toy, full: bool) -> None:
    assert toys.build(part.spec(full=full)) == part
    assert toys.build(merge_specs("toy:size=99", part.spec(full=True))) == part


@given(st.dictionaries(st.from_regex("[a-z_]{1,5}", fullmatch=True), VALUES))
def test_options_are_read_as_they_were_spelled(options: dict[str, Any]) -> None:
    spec = spell_spec("a-name", options)
    name, read = parse_spec(spec)
    assert (name, read) == (name_in(spec), options) == ("a-name", options)
    assert {key: type(one) for key, one in read.items()} == {k: type(v) for k, v in options.items()}


@given(st.lists(st.tuples(st.sampled_from(["a", "b-c"]), st.dictionaries(st.just("x"), VALUES))))
def test_specs_in_a_row_are_parted_where_they_were_joined(parts: list[Any]) -> None:
    specs = [spell_spec(name, options) for name, options in parts]
    assert split_specs(",".join(specs)) == specs


@given(st.lists(st.text(min_size=1)))
def test_texts_are_parted_where_they_were_joined(texts: list[str]) -> None:
    assert split_texts(join_texts(texts)) == texts


@given(VALUES)
def test_what_a_person_would_type_is_read_as_the_value(value: Any) -> None:
    assert parse_spec(f"name:option={type_value(value)}") == ("name", {"option": value})


def test_a_spec_names_only_what_differs() -> None:
    assert Kernels().spec() == "kernels"
    assert Kernels(steps=5).spec() == "kernels:steps=5"
    assert Kernels(steps=None).spec() == "kernels:steps=None"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("none", None),
        ("NULL", None),
        ("conv", "conv"),
        ("1+2+3", [1, 2, 3]),
        ("mean+max", ["mean", "max"]),
    ],
)
def test_values_of_a_spec(text: str, value: object) -> None:
    assert parse_spec(f"name:an-option={text}") == ("name", {"an_option": value})


def test_blanks_in_a_spec_do_not_matter() -> None:
    assert parse_spec(" name : a = 1 , b = x ") == ("name", {"a": 1, "b": "x"})


def test_a_spec_is_taken_apart_by_name_and_options() -> None:
    assert (name_in(" kernels :steps=5"), options_in("kernels:steps=5,a=b:c")) == (
        "kernels",
        "steps=5,a=b:c",
    )
    assert (name_in("kernels"), options_in("kernels")) == ("kernels", "")


def test_a_setting_that_is_no_part_is_spelled_as_it_is() -> None:
    assert spec_of(Kernels(steps=5)) == "kernels:steps=5"
    assert spec_of("kernels : steps=5") == "kernels : steps=5"
    assert spec_of(4) == 4


# --- several specs ---


def test_a_comma_in_quotes_parts_no_specs() -> None:
    text = 'manual:template="a, {series}: b=c",length=none,hard'
    assert split_specs(text) == ['manual:template="a, {series}: b=c",length=none', "hard"]


@pytest.mark.parametrize(
    ("base", "own", "merged"),
    [
        ("gradient:epochs=20,patience=5", "gradient:epochs=9", "gradient:epochs=9,patience=5"),
        ("gradient:learning_rate=0.1", "gradient:learning-rate=0.2", "gradient:learning-rate=0.2"),
        ("gradient:epochs=20", "gradient", "gradient:epochs=20"),
        ("gradient", "gradient:epochs=9", "gradient:epochs=9"),
        ("gradient:epochs=20", "search:draws=3", "search:draws=3"),
        ('manual:template="a, {series}=b"', "manual:length=none", None),
    ],
)
def test_options_are_given_on_top_of_a_recipes(base: str, own: str, merged: str | None) -> None:
    expected = merged or 'manual:template="a, {series}=b",length=none'
    assert merge_specs(base, own) == expected


def test_specs_of_one_part_differ_in_options() -> None:
    assert differing("a:x=1,y=2,z=3", "a:x=1,y=5,z=3") == ("a:y=2", "a:y=5")
    assert differing("a:x=1", "b:x=1") == ("a:x=1", "b:x=1")
