"""The page: one file, no network, unique ids, sorted by buttons, honest about what is missing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.benchmark import Predictions, Record, write_predictions
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import DatasetError
from tsprompt.report import LeftOut, Results, make_report
from tsprompt.report.page import page

pytestmark = pytest.mark.slow

Make = Callable[..., Record]
HOSTILE = "<script>alert('x')</script> & \"$_{\\"
METHODS = {
    "shared": "model",
    "shared, no LM": "ablation",
    "shared, random weights": "ablation",
    "shared, no prompt": "ablation",
    HOSTILE: "baseline",
}
TRUTH = np.array(["calm", "mild", "calm", "mild", "calm"])


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside == "script" and data.strip():
            self.scripts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def records_of(make: Make, sets: int = 4) -> list[Record]:
    return [
        make(
            f"Set{i}",
            method,
            0.5 + ((3 * i + 2 * j) % 7) / 20,
            kind=kind,
            seed=seed,
            n_train=6,
            n_test=5,
            n_classes=2,
            fit_seconds=0.1 * 2**j,
            versions={"tsprompt": "0.1.0"},
        )
        for i in range(sets)
        for j, (method, kind) in enumerate(METHODS.items())
        for seed in (0, 1)
    ]


def no_data(name: str) -> Dataset:
    raise DatasetError(f"data set {name!r} is not on this machine")


def waves(name: str) -> Dataset:
    rng = np.random.default_rng(0)
    train = Split(Cases(rng.normal(size=(6, 30, 1))), np.array(["calm", "mild"] * 3))
    return Dataset(name, train, Split(Cases(rng.normal(size=(5, 30, 1))), TRUTH), "data-dir", {})


def with_predictions(record: Record, folder: Path, said: list[str]) -> Record:
    predicted = np.array(said)
    chances = np.stack([predicted == "calm", predicted == "mild"], axis=1).astype(float)
    path = f"m{abs(hash(record.method))}/Predictions/{record.dataset}/testResample0.csv"
    predictions = Predictions(TRUTH, predicted, chances, ["calm", "mild"])
    write_predictions(folder / path, record, predictions)
    return dataclasses.replace(record, predictions=path)


@pytest.fixture
def text(make_record: Make, tmp_path: Path) -> str:
    records = []
    for record in records_of(make_record):
        said = ["calm"] * 5 if record.method != HOSTILE else ["mild"] * 5
        wanted = record.dataset != "Set3" and record.seed == 0
        records.append(with_predictions(record, tmp_path, said) if wanted else record)
    results = Results(tmp_path, records, [LeftOut("records/<bad>.json", "no record")])
    return page(make_report(results), waves)


def test_the_page_needs_nothing_else(text: str) -> None:
    elements = Elements(text)
    # The name of SVG's namespace is no address.
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    for tag, attributes in elements.found:
        assert not attributes.keys() & {"src", "srcset", "data", "poster", "action"}, tag
        if "href" in attributes:
            assert str(attributes["href"]).startswith(("#", "data:,"))
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")


def test_ids_are_unique_and_links_lead_somewhere(text: str) -> None:
    elements = Elements(text)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {str(one["href"])[1:] for one in elements.all("a")}
    wanted |= {str(one["href"])[1:] for one in elements.all("use") if "href" in one}
    wanted |= {
        str(value).removeprefix("url(#").removesuffix(")")
        for _, attributes in elements.found
        for key, value in attributes.items()
        if key == "clip-path"
    }
    wanted |= {
        str(value)
        for _, attributes in elements.found
        for key, value in attributes.items()
        if key in ("aria-labelledby", "for")
    }
    assert wanted <= set(ids)


def test_tables_are_sorted_by_buttons(text: str) -> None:
    sortable = [one for one in Elements(text).all("th") if "aria-sort" in one]
    assert len(sortable) > 20
    assert text.count('aria-sort="') >= text.count('<button type="button">') == len(sortable)
    assert {one["aria-sort"] for one in sortable} == {"none", "ascending", "descending"}


def test_a_diagram_is_drawn_only_where_something_can_be_shown(make_record: Make) -> None:
    # Ten pairs: 10 x 2/2^9 is below 0.05, 10 x 2/2^8 is not.
    few, enough = (
        page(make_report(Results(Path(), records_of(make_record, sets), [])), no_data)
        for sets in (8, 9)
    )
    for text, shown in ((few, False), (enough, True)):
        labels = [str(one.get("aria-label")) for one in Elements(text).all("svg")]
        assert any(one.startswith("Critical-difference") for one in labels) is shown
        assert ("It takes 9 sets at least" in text) is not shown
        assert ("Holm p</button>" in text) is shown
        assert "Better/level/worse, %" in text
        assert "Sets to see it" in text


def test_figures_say_what_they_show_and_take_the_pages_colours(text: str) -> None:
    figures = [one for one in Elements(text).all("svg") if one.get("class") == "figure"]
    assert all(one["role"] == "img" and one["aria-label"] for one in figures)
    labels = " ".join(str(one["aria-label"]) for one in figures)
    for said in ("Accuracy against time", "Accuracy added", "Case"):
        assert said in labels
    assert "currentColor" in text
    assert "#0101" not in text
    assert "DejaVu" not in text


def test_names_can_do_no_harm(text: str) -> None:
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "records/&lt;bad&gt;.json" in text
    data = next(one for one in Elements(text).scripts if one.startswith('{"methods"'))
    assert HOSTILE in json.loads(data)["methods"]


def test_hardest_cases_and_confusions(text: str) -> None:
    # Cases 1 and 3 are mild, which all but one method called calm; the others the other way round.
    assert "wrong by 4 of 5 methods, taken for calm (4)" in text
    assert "Who was taken for whom: shared, seed 0" in text
    assert text.count("No predictions on the archive&#39;s own split.") == 1
    assert text.count("set0-case1-") > 3


def test_the_same_records_give_the_same_page(text: str, make_record: Make, tmp_path: Path) -> None:
    report = make_report(Results(tmp_path, records_of(make_record), []))
    assert page(report, waves) == page(report, waves)


def broken(make: Make, folder: Path, **more: Any) -> str:
    """The page where `shared` has predictions on one set, which something is wrong with."""
    record = with_predictions(make("A", "shared", 0.6), folder, ["calm"] * 5)
    record = dataclasses.replace(record, **more)
    return page(make_report(Results(folder, [record], [])), no_data)


def test_what_is_missing_is_said(make_record: Make, tmp_path: Path) -> None:
    text = broken(make_record, tmp_path)
    assert "The cases are not drawn: data set &#39;A&#39; is not on this machine." in text
    assert "wrong by 1 of 1 methods" in text
    assert "There is only one method." in text
    assert "There is too little to compare" in text
    assert "What each part adds" not in text


def test_predictions_that_cannot_be_read_are_said(make_record: Make, tmp_path: Path) -> None:
    assert "are not used: gone.csv holds no" in broken(
        make_record, tmp_path, predictions="gone.csv"
    )


def test_predictions_outside_the_folder_are_not_read(make_record: Make, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (tmp_path / "secret.csv").write_text("a\n")
    text = broken(make_record, folder, predictions="../secret.csv")
    assert "lies outside the folder of results" in text


def test_other_labels_are_not_drawn(make_record: Make, tmp_path: Path) -> None:
    record = with_predictions(make_record("A", "shared", 0.6), tmp_path, ["calm"] * 5)

    def other(name: str) -> Dataset:
        made = waves(name)
        test = Split(made.test.cases, np.array(["mild"] * 5))
        return dataclasses.replace(made, test=test)

    text = page(make_report(Results(tmp_path, [record], [])), other)
    assert "other labels of test" in text


def test_many_classes_have_a_list_instead_of_a_matrix(make_record: Make, tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(25)]
    truth, said = np.array(names), np.array([*names[1:], names[0]])
    predictions = Predictions(truth, said, np.eye(25), names)
    record = make_record("A", "x", 0.0, predictions="x.csv")
    write_predictions(tmp_path / "x.csv", record, predictions)
    text = page(make_report(Results(tmp_path, [record], [])), no_data)
    assert "With 25 classes" in text
    assert text.count(" taken for c") == 12 + 4
    assert 'class="confusion"' not in text


def test_only_failed_runs(make_record: Make, tmp_path: Path) -> None:
    records = [make_record("A", name, None) for name in ("x", "y")]
    text = page(make_report(Results(tmp_path, records, [])), no_data)
    assert "x, 1 run on A: broken" in text
