"""The time in long form: rows are sorted by it, and it is even, or made so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprompt.errors import DatasetError
from tsprompt_datasets import ReadOptions, read_cases
from tsprompt_datasets.own_data.options import Resampling, read_resampling
from tsprompt_datasets.own_data.time_axis import resampled


def table(times: Any, cases: int = 2) -> pd.DataFrame:
    """Cases whose value is the position in time."""
    count = len(times)
    return pd.DataFrame(
        {"id": np.repeat(np.arange(cases), count), "time": list(times) * cases}
        | {
            "x": np.tile(np.arange(float(count)), cases),
            "label": np.repeat(np.array(["u", "d"])[np.arange(cases) % 2], count),
        }
    )


def held(tmp_path: Path, frame: pd.DataFrame, ending: str = ".csv", **options: Any) -> Any:
    path = tmp_path / f"a{ending}"
    frame.to_parquet(path) if ending == ".parquet" else frame.to_csv(path, index=False)
    return read_cases(path, ReadOptions(**options))


START = pd.Timestamp("2024-02-28 23:59:58.5")
TIMES = {
    "whole": [3, 4, 5, 6],
    "far": [10**15, 10**15 + 1, 10**15 + 2, 10**15 + 3],
    "decimal": [0.1, 0.2, 0.3, 0.4],
    "dates": pd.date_range("2024-02-27", periods=4).strftime("%Y-%m-%d").tolist(),
    "clock": (START + pd.to_timedelta([0, 20, 40, 60], unit="ms")).astype(str).tolist(),
    "zone": [
        "2024-05-01T10:00:00+02:00",
        "2024-05-01T09:00:00+00:00",
        "2024-05-01T10:00:00Z",
        "2024-05-01T13:00:00+02:00",
    ],
    "american": ["05/28/2024 10:00", "05/29/2024 10:00", "05/30/2024 10:00", "05/31/2024 10:00"],
    "hours": ["09:00:00", "09:00:01", "09:00:02", "09:00:03"],
}


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_rows_are_sorted_by_time(tmp_path: Path, kind: str, ending: str) -> None:
    frame = table(TIMES[kind]).sample(frac=1, random_state=3)
    content = held(tmp_path, frame, ending)
    assert [one[:, 0].tolist() for one in content.cases] == [[0, 1, 2, 3]] * 2
    assert "sorted by `time`" in content.understood[1]


@pytest.mark.parametrize("sign", ["/", ".", "-"])
@pytest.mark.parametrize(
    "order", ["%d{0}%m{0}%Y", "%m{0}%d{0}%Y %H:%M", "%Y{0}%m{0}%d", "%d{0}%m{0}%y"]
)
def test_a_column_of_dates_has_one_order(tmp_path: Path, order: str, sign: str) -> None:
    times = pd.date_range("2031-02-09", periods=9).strftime(order.format(sign)).tolist()
    content = held(tmp_path, table(times[::-1]))
    assert "a step of 1 d" in content.understood[1]
    assert content.cases[0][:, 0].tolist() == list(range(8, -1, -1))


@pytest.mark.parametrize("sign", ["/", ".", "-"])
def test_dates_of_two_orders_are_refused_with_both_readings(tmp_path: Path, sign: str) -> None:
    times = [f"{day:02d}{sign}01{sign}2024 10:00" for day in (1, 2, 3, 4)]
    message = r"line 3: .*2024-01-02 \(day first\) or 2024-02-01 \(month first\).*as 2024-02-01"
    with pytest.raises(DatasetError, match=message):
        held(tmp_path, table(times))


@pytest.mark.parametrize(
    ("times", "line"),
    [
        (["13/01/2024", "14/01/2024", "01/15/2024", "01/16/2024"], 4),
        (["2024-01-13", "2024-01-14", "15/01/2024", "2024-01-16"], 4),
        (["13/01/2024", "14/01/2024", "15.01.2024", "16/01/2024"], 4),
        (["2024-10-13", "2024-13-14", "2024-10-15", "2024-10-16"], 3),
    ],
)
def test_a_date_in_another_order_is_named(tmp_path: Path, times: list[str], line: int) -> None:
    with pytest.raises(DatasetError, match=rf"line {line}: the time .* write all as"):
        held(tmp_path, table(times))


def test_times_of_parquet_keep_their_precision(tmp_path: Path) -> None:
    frame = table(pd.to_datetime([0, 1, 2, 3], unit="ns", origin=START))
    assert held(tmp_path, frame, ".parquet").understood[1] == "time `time`, a step of 1e-09 s"


@pytest.mark.parametrize(
    ("times", "line"),
    [
        ([0, 1, 3, 4], 4),
        ([0.0, 0.1, 0.2, 0.35], 5),
        (["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-06"], 4),
    ],
)
def test_uneven_time_is_refused_with_the_remedy(tmp_path: Path, times: Any, line: int) -> None:
    with pytest.raises(DatasetError, match=rf"line {line}: .*is not even.*resample"):
        held(tmp_path, table(times))


def test_cases_with_another_rate_are_refused(tmp_path: Path) -> None:
    frame = pd.concat([table([0, 1, 2, 3, 4], 1), table([0, 2, 4, 6], 1).assign(id=7, label="d")])
    with pytest.raises(DatasetError, match="case '7' has a step of 2 where most are 1"):
        held(tmp_path, frame)


def test_a_clock_that_jitters_is_even(tmp_path: Path) -> None:
    times = np.arange(50) * 0.02 + np.random.default_rng(0).uniform(-5e-5, 5e-5, 50)
    assert len(held(tmp_path, table(times)).cases[0]) == 50


def test_resampled_to_a_step(tmp_path: Path) -> None:
    content = held(tmp_path, table([0, 1, 3, 6]), resample="1s")
    assert content.cases[0][:, 0].tolist() == pytest.approx([0, 1, 1.5, 2, 2 + 1 / 3, 2 + 2 / 3, 3])
    assert content.understood[1] == "time `time`, resampled to steps of 1 s"


def test_resampled_to_a_number_of_timesteps(tmp_path: Path) -> None:
    content = held(tmp_path, table([0, 1, 3, 6]), resample="3")
    assert content.cases[1][:, 0].tolist() == pytest.approx([0, 2, 3])
    assert held(tmp_path, table([0, 1, 2, 3]), resample="7").cases[0].shape == (7, 1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("100", Resampling(steps=100)),
        ("0.5", Resampling(seconds=0.5)),
        ("20ms", Resampling(seconds=0.02)),
        ("5 min", Resampling(seconds=300)),
        ("1h", Resampling(seconds=3600)),
    ],
)
def test_what_resample_takes(text: str, meant: Resampling) -> None:
    assert read_resampling(text) == meant


@given(st.integers(2, 30), st.integers(2, 60), st.integers(0, 99))
def test_a_line_stays_a_line(count: int, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 2, count))
    made = resampled(times, (3 * times - 1)[:, None], Resampling(steps=steps))
    even = np.linspace(times[0], times[-1], steps)
    np.testing.assert_allclose(made[:, 0], 3 * even - 1, rtol=1e-6, atol=1e-6)


def test_what_is_missing_at_an_end_stays_missing() -> None:
    values = np.array([[np.nan], [1.0], [np.nan], [3.0]])
    made = resampled(np.arange(4.0), values, Resampling(seconds=1))
    np.testing.assert_array_equal(made[:, 0], [np.nan, 1, 2, 3])
