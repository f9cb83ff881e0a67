"""The file readers: what is written is read back, and no damage goes unseen."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprompt.errors import DatasetError
from tsprompt_datasets.locate import sktime_folder
from tsprompt_datasets.readers import READERS, SeriesFile
from tsprompt_datasets.readers.ts import is_regression

LABELS = ["a", "ab", "b", "1", "10"]
"""Some begin others, as a cut inside a label would."""


@dataclass
class Problem:
    """Cases (T_i, F) as a test wants them written."""

    series: list[np.ndarray]
    labels: list[str] | None

    @property
    def longest(self) -> int:
        return max(map(len, self.series))

    @property
    def equal_length(self) -> bool:
        return len({len(one) for one in self.series}) == 1


def spell(value: float, missing: str) -> str:
    return missing if np.isnan(value) else repr(float(value))


def padded(one: np.ndarray, length: int) -> np.ndarray:
    return np.pad(one, ((0, length - len(one)), (0, 0)), constant_values=np.nan)


def write_ts(problem: Problem) -> bytes:
    lines = ["# A comment: with, signs", "@problemName X", "@timeStamps false"]
    lines += [f"@dimensions {problem.series[0].shape[1]}"]
    lines += [f"@equalLength {str(problem.equal_length).lower()}"]
    lines += [f"@seriesLength {problem.longest}"] if problem.equal_length else []
    labels = f"true {' '.join(LABELS)}" if problem.labels else "false"
    lines += [f"@classLabel {labels}", "@data"]
    for i, one in enumerate(problem.series):
        parts = [",".join(spell(value, "?") for value in channel) for channel in one.T]
        lines.append(":".join(parts + ([problem.labels[i]] if problem.labels else [])))
    return "\n".join([*lines, ""]).encode()


def write_tsv(problem: Problem) -> bytes:
    assert problem.labels
    lines = [
        "\t".join([label, *(spell(v, "NaN") for v in padded(one, problem.longest)[:, 0])])
        for one, label in zip(problem.series, problem.labels, strict=True)
    ]
    return "\n".join([*lines, ""]).encode()


def write_arff(problem: Problem) -> bytes:
    multivariate = problem.series[0].shape[1] > 1
    lines = ["% A comment", "@relation X"]
    lines += ["@attribute block relational"] if multivariate else []
    lines += [f"@attribute t{i} numeric" for i in range(problem.longest)]
    lines += ["@end block"] if multivariate else []
    lines += [f"@attribute target {{{','.join(LABELS)}}}"] if problem.labels else []
    lines += ["@data"]
    for i, one in enumerate(problem.series):
        rows = [
            ",".join(spell(value, "?") for value in channel)
            for channel in padded(one, problem.longest).T
        ]
        values = "'" + "\\n".join(rows) + "'" if multivariate else rows[0]
        lines.append(values + (f",{problem.labels[i]}" if problem.labels else ""))
    return "\n".join([*lines, ""]).encode()


WRITERS: dict[str, Callable[[Problem], bytes]] = {
    ".ts": write_ts,
    ".tsv": write_tsv,
    ".arff": write_arff,
}
FORMATS = sorted(WRITERS)

values = st.floats(width=32, allow_infinity=False, allow_nan=False) | st.just(float("nan"))


@st.composite
def problems(draw: st.DrawFn, ending: str) -> Problem:
    features = 1 if ending == ".tsv" else draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    if draw(st.booleans()):
        lengths = [lengths[0]] * len(lengths)
    series = []
    for length in lengths:
        flat = draw(st.lists(values, min_size=length * features, max_size=length * features))
        one = np.array(flat, dtype=np.float32).reshape(length, features)
        if ending != ".ts":  # where a missing value at the end can't be told from padding
            one[-1] = np.nan_to_num(one[-1])
        series.append(one)
    labelled = ending == ".tsv" or draw(st.booleans())
    drawn = st.lists(st.sampled_from(LABELS), min_size=len(lengths), max_size=len(lengths))
    return Problem(series, draw(drawn) if labelled else None)


def read(ending: str, data: bytes) -> SeriesFile:
    return READERS[ending](f"X_TRAIN{ending}", data)


def attempt(ending: str, data: bytes) -> SeriesFile | DatasetError:
    try:
        return read(ending, data)
    except DatasetError as error:
        return error


def labels_of(content: SeriesFile) -> list[str] | None:
    return None if content.labels is None else content.labels.tolist()


@pytest.mark.parametrize("ending", FORMATS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_what_is_written_is_read_back(ending: str, data: st.DataObject) -> None:
    problem = data.draw(problems(ending))
    content = read(ending, WRITERS[ending](problem))
    assert labels_of(content) == problem.labels
    assert len(content.cases) == len(problem.series)
    for got, want in zip(content.cases, problem.series, strict=True):
        np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("ending", FORMATS)
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_cut_is_seen_or_leaves_a_true_beginning(ending: str, data: st.DataObject) -> None:
    """What no format shows: a cut between cases, or in the last token where the rest is valid."""
    problem = data.draw(problems(ending))
    whole = WRITERS[ending](problem)
    cut = data.draw(st.integers(0, len(whole) - 1))
    content = attempt(ending, whole[:cut])
    if isinstance(content, DatasetError):
        assert str(content).startswith(f"X_TRAIN{ending}, line ")
        return
    kept = len(content)
    assert 1 <= kept <= len(problem.series)
    # A label at the end shows that the values before it are whole; without one, only the last
    # case may lack something, and only from its end.
    closed = problem.labels is not None and ending != ".tsv"
    for i, (got, want) in enumerate(zip(content.cases, problem.series, strict=False)):
        whole_case = closed or i < kept - 1
        sure = len(want) if whole_case else len(got) - 1
        assert len(got) == len(want) if whole_case else len(got) <= len(want)
        np.testing.assert_array_equal(got[:sure], want[:sure])
    if problem.labels is not None:
        labels = labels_of(content)
        assert labels is not None
        assert labels[:-1] == problem.labels[: kept - 1]
        assert problem.labels[kept - 1].startswith(labels[-1])


@pytest.mark.parametrize("ending", FORMATS)
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(ending: str, data: st.DataObject) -> None:
    whole = bytearray(WRITERS[ending](data.draw(problems(ending))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    content = attempt(ending, bytes(whole))
    if isinstance(content, DatasetError):
        assert str(content).startswith(f"X_TRAIN{ending}, line ")
    else:
        assert len({one.shape[1] for one in content.cases}) == 1
        assert not any(np.isinf(one).any() for one in content.cases)
        assert content.labels is None or len(content.labels) == len(content)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_npy_is_read_or_refused(data: st.DataObject) -> None:
    file = io.BytesIO()
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    np.save(file, np.arange(np.prod(shape), dtype=np.float64).reshape(shape))
    whole = file.getvalue()
    cut = data.draw(st.sampled_from([len(whole), *range(len(whole))]))
    content = attempt(".npy", whole[:cut])
    if isinstance(content, DatasetError):
        assert str(content).startswith("X_TRAIN.npy: ")
        assert cut < len(whole) or len(shape) not in (2, 3) or 0 in shape
    else:
        assert content.labels is None
        assert [len(content), *content.cases[0].shape] == [*shape, 1][:3]


def test_npy_never_unpickles() -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="not hold one array of numbers"):
        read(".npy", file.getvalue())
    file = io.BytesIO()
    np.save(file, np.array([[np.inf]]))
    with pytest.raises(DatasetError, match="infinite"):
        read(".npy", file.getvalue())


TS = """\
# comment
@problemName X
@timeStamps false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true Up Down
@data
1,2,3:4,5,6:Up
1,?,3:4,NaN,6:Down
"""
TSV = "1\t1.0\t2.0\t3.0\n2\t1.0\tNaN\t3.0\n-1\t1.0\tNaN\tNaN\n"
ARFF = """\
% comment
@relation X
@attribute att0 numeric
@attribute 'att 1' REAL
@attribute target {a,'b c'}
@data
1,2,a
3,?,'b c'
"""
RELATIONAL = """\
@relation X
@attribute block relational
 @attribute t0 numeric
 @attribute t1 numeric
 @attribute t2 numeric
@end block
@attribute target {a,b}
@data
'1,2,3\\n4,5,6',a
"1,2,?\\n4,5,?",b
"""


def test_ts_as_the_archives_write_it() -> None:
    content = read(".ts", TS.replace("\n", "\r\n").encode("utf-8-sig"))
    assert labels_of(content) == ["Up", "Down"]
    np.testing.assert_array_equal(content.cases[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(content.cases[1], [[1, 4], [np.nan, np.nan], [3, 6]])
    assert content.cases[0].dtype == np.float32


def test_tsv_padding_ends_a_series_and_gaps_stay() -> None:
    content = read(".tsv", TSV.encode())
    assert labels_of(content) == ["1", "2", "-1"]
    assert content.cases.lengths.tolist() == [3, 3, 1]
    assert content.cases.missing == 1
    assert read(".tsv", b"1\tNaN\tNaN\n").cases.lengths.tolist() == [1]


def test_arff_as_the_archives_write_it() -> None:
    content = read(".arff", ARFF.encode())
    assert labels_of(content) == ["a", "b c"]
    assert content.cases.lengths.tolist() == [2, 1]
    content = read(".arff", RELATIONAL.encode())
    assert labels_of(content) == ["a", "b"]
    np.testing.assert_array_equal(content.cases[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(content.cases[1], [[1, 4], [2, 5]])


def test_a_header_decides_the_spelling_of_labels() -> None:
    assert labels_of(read(".ts", TS.replace(":Up", ":up").encode())) == ["Up", "Down"]
    both = TS.replace("Up Down", "Up up Down").replace(":Up", ":up")
    assert labels_of(read(".ts", both.encode())) == ["up", "Down"]


def test_header_keys_in_any_case_and_comments_in_any_encoding() -> None:
    text = TS.replace("@equalLength", "@equallength").replace("@classLabel", "@CLASSLABEL")
    data = text.encode().replace(b"# comment", "# Schäfer".encode("latin-1"))
    assert len(read(".ts", data)) == 2
    wrong = text.replace("@equallength true", "@EQUALLENGTH perhaps")
    with pytest.raises(DatasetError, match="line 6: @equallength must be true or false"):
        read(".ts", wrong.encode())


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".ts", TS.replace(":Up", ":?").replace(":Down", ":?")),
        (".ts", TS.replace(":Up", "").replace(":Down", "").replace("true Up Down", "false")),
        (".tsv", "?\t1\t2\n?\t3\t4\n"),
        (".arff", ARFF.replace(",a\n", ",?\n").replace(",'b c'\n", ",?\n")),
        (".arff", ARFF.replace("@attribute target {a,'b c'}", "").replace(",a\n", "\n").replace(
            ",'b c'\n", "\n")),
        (".arff", RELATIONAL.replace("@attribute target {a,b}", "").replace("',a", "'").replace(
            '",b', '"')),
    ],
)  # fmt: skip
def test_labels_may_be_absent(ending: str, text: str) -> None:
    content = read(ending, text.encode())
    assert content.labels is None
    assert len(content) == 2


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        (".ts", TS.replace("4,5,6", "4,x5,6"), "line 10: value 2, 'x5', is not a number"),
        (".ts", TS.replace("4,5,6", "4,1_0,6"), "line 10: value 2, '1_0', is not a number"),
        (".ts", TS.replace("4,5,6", "4,٣,6"), "line 10: value 2, '٣', is not a number"),
        (".ts", TS.replace("4,5,6", "4,,6"), "line 10: value 2 is empty"),
        (".ts", TS.replace("4,5,6", "4,1e390,6"), "line 10: value 2, '1e390', is infinite"),
        (".ts", TS.replace("4,5,6", "4,-inf,6"), "line 10: value 2, '-inf', is infinite"),
        (".ts", TS.replace(":Up", ":"), "line 10: the case has no label"),
        (".ts", TS.replace(":Up", ":?"), r"line 10: the label is \? but other cases have one"),
        (".ts", TS.replace(":Up", ":U"), r"line 10: label 'U' is not among .*\(Up, Down\)"),
        (".ts", TS.replace(":4,5,6:Up", ":Up"), "line 10: 1 dimensions where the header says 2"),
        (".ts", TS.replace("3:4,5,6", "3:4,5"), "line 10: dimension 2 has 2 values, dimension 1"),
        (".ts", TS.replace("1,2,3:4,5,6", "1,2:4,5"), "line 10: 2 values where the header says 3"),
        (".ts", TS.replace("@seriesLength 3", "").replace("1,?,3:4,NaN,6", "1:2"),
         "line 11: 1 values where the header says that all lengths are equal"),
        (".ts", TS.replace("@dimensions 2", "").replace("1,?,3:4,NaN,6", "1,2,3"),
         "line 11: 1 dimension where the header says @univariate false"),
        (".ts", TS.replace("@data", ""), "line 10: '1,2,3:4,5,6:Up' stands before @data"),
        (".ts", TS.partition("@data")[0], "line 8: the header ends without @data"),
        (".ts", TS.partition("1,2")[0], "line 9: the file ends without a single case"),
        (".ts", "", "line 1: the header ends without @data"),
        (".ts", TS.replace("@classLabel true Up Down", ""), "line 9: .* no @classLabel"),
        (".ts", TS.replace(" Up Down", ""), "line 8: @classLabel true is not followed by labels"),
        (".ts", TS.replace("@timeStamps false", "@timeStamps true"), "line 3: .*time stamps"),
        (".ts", TS.replace("@classLabel true Up Down", "@targetlabel true"), "line 8: .*regr"),
        (".ts", TS.replace("@dimensions 2", "@dimensions two"), "line 5: .* whole number"),
        (".tsv", "1 2 3\n", "line 1: no tab"),
        (".tsv", TSV.replace("\t3.0\n2", "\n2"), "line 2: 3 values where the lines before have 2"),
        (".tsv", TSV.replace("2\t1.0", "\t1.0"), "line 2: the case has no label"),
        (".tsv", TSV.replace("\t3.0\n2", "\t3.0\t\n2"), "line 1: value 4 is empty"),
        (".tsv", "\n\n", "line 1: the file ends without a single case"),
        (".arff", ARFF.replace("1,2,a", "1,a"), "line 7: 2 columns where .* 2 values and a label"),
        (".arff", ARFF.replace("1,2,a", "1,2,c"), r"line 7: label 'c' is not among .*\(a, b c\)"),
        (".arff", ARFF.replace("@data", ""), "line 7: '1,2,a' is not a line of an .arff header"),
        (".arff", ARFF.replace("REAL", "date"), "line 4: attribute type 'date'"),
        (".arff", ARFF.replace("REAL", "{x}"), "line 5: an attribute follows the class"),
        (".arff", "@data\n1,2\n", "line 1: the header has no numeric attributes"),
        (".arff", RELATIONAL.replace("6',a", "6"), "line 9: .* quotes"),
        (".arff", RELATIONAL.replace("6',a", "6'"), "line 9: the case has no label"),
        (".arff", RELATIONAL.replace("5,6'", "5'"), "line 9: 2 values where the header says 3"),
        (".arff", RELATIONAL.replace(",5,?", ",5,?\\n1,2,?"), "line 10: 3 dimensions where"),
    ],
)  # fmt: skip
def test_damage_is_named_with_its_line(ending: str, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"^X_TRAIN\{ending}, {message}"):
        read(ending, text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_is_named(encoding: str) -> None:
    with pytest.raises(DatasetError, match=r"line \d+: .*UTF-8"):
        read(".ts", TS.replace("Up", "Über").encode(encoding))


BUNDLED = [
    path
    for path in sorted((sktime_folder() / "data").glob("*/*_T*.ts"))
    if not is_regression(path.read_bytes())
]


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_sets_equal_what_sktime_reads(path: Path) -> None:
    from sktime.datasets import load_from_tsfile

    content = read(".ts", path.read_bytes())
    frame, labels = load_from_tsfile(str(path), return_data_type="nested_univ")
    assert content.labels is not None
    # sktime writes labels in lower case.
    assert [label.lower() for label in content.labels.tolist()] == labels.tolist()
    assert len(content) == len(frame)
    for i, got in enumerate(content.cases):
        want = np.stack([channel.to_numpy() for channel in frame.iloc[i]], axis=1)
        np.testing.assert_allclose(got, want, rtol=1e-6)
