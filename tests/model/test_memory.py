"""Memory is asked about before a fit or a prediction starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.model import memory
from tsprompt.model.memory import Need, available

pytestmark = pytest.mark.slow

NEED = Need(
    cases=1_000_000,
    values=100,
    token_bytes=98_304,
    width=4_608,
    readings=4,
    ridge=True,
    fits=True,
)


def group(root: Path, line: str, folder: str, **files: str) -> Path:
    """A machine whose process is in one control group."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(f"{line}\n")
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / f"memory.{name}").write_text(text)
    return root


GIB = 1 << 30


@pytest.mark.parametrize(
    ("line", "folder", "files"),
    [
        (
            "0::/job",
            "sys/fs/cgroup/job",
            {"max": f"{GIB}\n", "current": f"{GIB // 2}\n", "stat": f"inactive_file {GIB // 4}\n"},
        ),
        (
            "0::/job/inner",
            "sys/fs/cgroup/job",
            {"max": f"{GIB}", "current": f"{GIB // 4}", "stat": "anon 1"},
        ),
        (
            "4:cpu,memory:/x",
            "sys/fs/cgroup/memory",
            {
                "limit_in_bytes": f"{GIB}",
                "usage_in_bytes": f"{GIB}",
                "stat": f"inactive_file 1\ntotal_inactive_file {3 * GIB // 4}",
            },
        ),
    ],
)
def test_a_control_group_bounds_what_there_is(
    tmp_path: Path, line: str, folder: str, files: dict[str, str]
) -> None:
    assert available(group(tmp_path, line, folder, **files)) == 3 * GIB // 4


def test_without_a_bound_the_machine_counts(tmp_path: Path) -> None:
    free = group(tmp_path, "0::/", "sys/fs/cgroup", max="max\n", current="1\n", stat="")
    assert available(free) > GIB // 100
    assert available(tmp_path / "nothing") > GIB // 100


def test_the_need_grows_with_everything_that_it_is_made_of() -> None:
    assert NEED.bytes > 150 * GIB
    for name in ("cases", "values", "token_bytes", "width", "readings"):
        assert replace(NEED, **{name: 2 * getattr(NEED, name)}).bytes > NEED.bytes, name
    assert replace(NEED, fits=False).bytes < NEED.bytes


def test_a_fit_beyond_memory_says_what_would_fit(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_LEAST", 0)
    classifier = PromptClassifier(**{**tiny, "n_prompts": 3})
    free = [memory.Need.bytes.fget(NEED)]  # type: ignore[attr-defined]
    monkeypatch.setattr(memory, "available", lambda: free[0])
    seen: list[Need] = []
    real = memory._refuse
    monkeypatch.setattr(
        memory, "_refuse", lambda need, *rest: (seen.append(need), real(need, *rest))
    )
    classifier.fit(separable.X, separable.y).predict(separable.X_test)
    fit, predict = seen
    assert (fit.cases, fit.readings, predict.cases) == (24, 3, 15)
    assert fit.readings * fit.width == len(classifier.parts_.combination.heads_[0].mean_)
    free[0] = fit.bytes - 1
    with pytest.raises(ConfigError, match=r"this fit needs about .* it would fit with n_prompts=2"):
        PromptClassifier(**{**tiny, "n_prompts": 3}).fit(separable.X, separable.y)
    free[0] = predict.bytes - 1
    with pytest.raises(ConfigError, match=r"this prediction needs .* predict about 14 cases at a"):
        classifier.predict(separable.X_test)


def test_a_million_cases_are_refused_at_once(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: GIB)
    X = np.random.default_rng(0).standard_normal((1_000_000, 8), dtype=np.float32)
    with pytest.raises(ConfigError, match=r"1,000,000 cases with .* of the cases, about .* fit"):
        PromptClassifier(**tiny).fit(X, np.arange(1_000_000) % 2)


@pytest.mark.parametrize(("least", "asked"), [(memory._LEAST, [15, 9]), (0, [15, 15, 9, 9])])
def test_what_takes_little_is_worked_out_once(
    tiny: dict[str, Any],
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
    least: int,
    asked: list[int],
) -> None:
    model = PromptClassifier(**tiny).fit(separable.X, separable.y)
    seen: list[int] = []
    own = memory.need_of

    def noted(design: Any, reader: Any, layers: Any, shape: Any, *more: Any, fits: bool) -> Need:
        seen.append(shape[0])
        return own(design, reader, layers, shape, *more, fits=fits)

    monkeypatch.setattr(memory, "need_of", noted)
    monkeypatch.setattr(memory, "_LEAST", least)
    for count in (15, 15, 9, 9):
        model.predict(separable.X_test[:count])
    assert seen == asked
