"""Damaged and hostile files: right data or the library's own error, at once and in little memory.

The kinds that fuzzing found, each with relatives of its first example.
"""

from __future__ import annotations

import re
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprompt.errors import DatasetError
from tsprompt_datasets.readers import READERS, SeriesFile
from tsprompt_datasets.readers.numbers import narrow

TS = "@univariate true\n@classLabel true a b\n@data\n"
ARFF = "@relation x\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute t {a,b}\n@data\n"
RELATIONAL = (
    "@relation x\n@attribute r relational\n@attribute t0 numeric\n@end r\n"
    "@attribute t {a,b}\n@data\n"
)


def read(ending: str, text: str | bytes) -> SeriesFile:
    return READERS[ending](f"F{ending}", text if isinstance(text, bytes) else text.encode())


def refused(ending: str, text: str | bytes) -> str:
    with pytest.raises(DatasetError) as caught:
        read(ending, text)
    assert str(caught.value).startswith(f"F{ending}")
    return str(caught.value)


HEADS = [b"", TS.encode(), ARFF.encode(), RELATIONAL.encode(), b"1\t1\n"]
SIGNS = st.text("@?,:\t\n\r'\"{}\\ 1e-.naif\u00a0\ufeff\x1b")
BODIES = st.binary(max_size=60) | SIGNS.map(str.encode)


def attempt(ending: str, data: bytes) -> SeriesFile | str:
    try:
        return READERS[ending](f"F{ending}", data)
    except DatasetError as error:
        return str(error)


@settings(deadline=None, max_examples=300)
@given(ending=st.sampled_from(sorted(READERS)), head=st.sampled_from(HEADS), body=BODIES)
def test_any_bytes_whatever_give_cases_or_an_error(ending: str, head: bytes, body: bytes) -> None:
    content = attempt(ending, head + body)
    if isinstance(content, str):
        assert content.startswith(f"F{ending}")
        assert len(content) < 1000
        assert content.isprintable()
    else:
        assert all(not np.isinf(one).any() and one.size for one in content.cases)
        assert content.labels is None or len(content.labels) == len(content)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".tsv", "1\t" + "1" * MEGABYTE + "x\n"),
        (".tsv", "1\t." + "1" * MEGABYTE + "e\n"),
        (".tsv", "1\t1e" + "9" * MEGABYTE + "\n"),
        (".tsv", "1\t1" + " " * MEGABYTE + "1\n"),
        (".tsv", "1\t" + "1." * (MEGABYTE // 2) + "\n"),
        (".tsv", "1" + "\t" * MEGABYTE + "\n"),
        (".ts", TS + "1" + ":" * MEGABYTE + "\n"),
        (".ts", "@univariate" + " " * MEGABYTE + "x\n" + TS),
        (".ts", "@" * MEGABYTE + "\n"),
        (".ts", "@seriesLength " + "1" * MEGABYTE + "\n" + TS + "1:a\n"),
        (".arff", ARFF + "'" + "\\" * MEGABYTE + "\n"),
        (".arff", ARFF + "1,2," + "'a" * (MEGABYTE // 2) + "\n"),
        (".arff", ARFF.replace("{a,b}", "{" + "a, " * (MEGABYTE // 3) + "}") + "1,2,a\n"),
        (".arff", ARFF.replace("{a,b}", "{'" + "a" * MEGABYTE + "}") + "1,2,a\n"),
        (".arff", "@attribute" + " " * MEGABYTE + "\n"),
        (".arff", "@attribute '" + "x" * MEGABYTE + "\n"),
        (".arff", RELATIONAL + "'" + "\\n" * (MEGABYTE // 2) + "',a\n"),
    ],
)
def test_a_megabyte_of_damage_is_refused_in_a_blink(ending: str, text: str) -> None:
    start = time.process_time()
    message = refused(ending, text)
    assert time.process_time() - start < 3
    assert len(message) < 500


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".tsv", "1\t1\t2\n" * 3000 + "x" * 900 + "\t1\t2\n"),
        (".tsv", "1\t" + "1\t" * (MEGABYTE // 2) + "1\n"),
        (".ts", TS.replace(" a b", " a " + " ".join(f"l{i}" for i in range(90_000))) + "1:a\n"),
        (".ts", TS + "\n" * MEGABYTE + "1:a\n"),
        (".ts", TS + ",".join("1" * (MEGABYTE // 2)) + ":a\n"),
        (".arff", ARFF + "%\n" * (MEGABYTE // 2) + "1,2,a\n"),
    ],
)
def test_memory_is_a_small_multiple_of_the_file(ending: str, text: str) -> None:
    data = text.encode()
    tracemalloc.start()
    try:
        read(ending, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * max(len(data), MEGABYTE // 2)


def test_one_long_label_does_not_size_a_table() -> None:
    assert "1,000,000 characters" in refused(".tsv", b"1\t1\n" * 3000 + b"x" * 10**6 + b"\t1\n")
    many = b"1\t1\n" * 80_000 + b"x" * 999 + b"\t1\n"
    assert "MiB; shorten it" in refused(".tsv", many)
    assert "140,000 characters" in refused(
        ".arff", ARFF.replace("{a", "{" + "a" * 140_000) + "1,2," + "a" * 140_000 + "\n"
    )


def npy(header: str, body: bytes = b"\0" * 64, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b" " * ((64 - (len(header) + 11) % 64) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + body


HEADER = "{'descr':'<f4','fortran_order':False,'shape':(2,8),}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" + b"\0" * 100,
        b"\x80\x04cposix\nsystem\n.",
        b"\x93NUMPY",
        npy(HEADER, version=b"\x09\x00"),
        npy("{'descr':'<f4','fortran_order':False,'shape':(1,2,"),
        npy("(" * 5000),
        npy("{'descr':'<f4','fortran_order':False,'shape':" + "(" * 300 + "1" + ")" * 300 + ",}"),
        npy(HEADER.replace("(2,8)", "(1" + "0" * 30 + ",1)")),
        npy(HEADER.replace("(2,8)", "(True,2)")),
        npy(HEADER.replace("(2,8)", "(-2,-8)")),
        npy(HEADER.replace("(2,8)", "(0,8)"), b""),
        npy(HEADER.replace("(2,8)", "(2.0,8)")),
        npy(HEADER.replace("<f4", "|O")),
        npy(HEADER.replace("<f4", "<c8"), b"\0" * 128),
        npy(HEADER.replace("<f4", "<M8[s]"), b"\0" * 128),
        npy(HEADER.replace("<f4", "<U1")),
        npy(HEADER.replace("'<f4'", "[('a','<f4')]")),
        npy(HEADER.replace("False", "'no'")),
        npy(HEADER, b"\0" * 60),
        npy(HEADER, b"\0" * 65),
        npy(HEADER, struct.pack("<16f", *[float("inf")] * 16)),
    ],
)
def test_a_damaged_npy_is_refused(data: bytes) -> None:
    refused(".npy", data)


def test_npy_of_any_order_and_byte_order() -> None:
    values = np.arange(6.0).reshape(2, 3)
    for descr, fortran in (("<f8", False), (">f8", True), (">i2", False), ("|u1", True)):
        header = f"{{'descr':'{descr}','fortran_order':{fortran},'shape':(2,3),}}"
        body = values.astype(descr).tobytes("F" if fortran else "C")
        np.testing.assert_array_equal(
            np.stack(list(read(".npy", npy(header, body)).cases)), values[:, :, None]
        )


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        (".tsv", "1\t1\t2\n\t\t\n2\t3\t4\n", "line 2: value 1 is empty|line 2: the case has no"),
        (".tsv", "1\t1\t2\n\u00a0\n", "line 2: no tab"),
        (".tsv", "1\t1\t2\r2\t3\t4\r", "line 1: holds a carriage return inside"),
        (".tsv", "1\t1\t2\n\ufeff2\t3\t4\n", r"line 2: .* '\\ufeff'"),
        (".tsv", "1\t1\t2\n2\t3\x1c\t4\n", r"line 2: .* '\\x1c'"),
        (".tsv", "1\t1\t2\n2\t3\t1_0\n", "value 2, '1_0', is not a number"),
        (".tsv", "1\t1\t2\n2\t3\t٣\n", "is not a number"),
        (".tsv", "1\t1\t2\n2\t3\tinfinity\n", "is infinite"),
        (".tsv", "1\t1\t2\n2\t3\t1e400\n", "is infinite"),
        (".tsv", "1\t1\t2\n2\t3\t0x10\n", "is not a number"),
        (".tsv", "1\t1\t2\n2\t3\t1,5\n", "is not a number"),
        (".tsv", "1\t1\t2\n2\t3\t1\u00a0\n", "is not a number"),
        (".ts", "\u00a0\n" + TS + "1:a\n", "line 1: .* stands before @data"),
        (".ts", TS + "1:a\n\u00a0\n", "line 5: the case has no label"),
        (".ts", "@dimensions 2\n" + TS + "1:2:a\n", "line 1: @dimensions 2 contradicts"),
        (".ts", "@dimensions 0\n" + TS + "1:a\n", "whole number from 1"),
        (".ts", "@dimensions 1\n@dimension 2\n" + TS + "1:a\n", "line 2: .* line 1 too"),
        (".ts", "@dimensions ²\n" + TS + "1:a\n", "whole number from 1"),
        (".ts", "@seriesLength 0\n" + TS + "1:a\n", "whole number from 1"),
        (".ts", "@seriesLength " + "1" * 4301 + "\n" + TS + "1:a\n", "whole number from 1"),
        (".ts", "@equalLength false\n@seriesLength 2\n" + TS + "1,2,3:a\n", "2 at the most"),
        (".ts", TS.replace("true", "true false", 1) + "1:a\n", "must be true or false"),
        (".ts", "@univariate false\n@classLabel true a\n@data\n1:a\n", "@univariate false"),
        (".ts", "@missing false\n" + TS + "1,?:a\n", "line 5: .* @missing false"),
        (".ts", "@classLabel true x\n" + TS + "1:x\n", "line 3: .* line 1 too"),
        (".ts", "@timeStamps true\n@timeStamps false\n" + TS + "1:a\n", "line 2: .* line 1 too"),
        (".ts", TS.replace("true a b", "false a b") + "1\n", "must be true or false"),
        (".ts", TS.replace("a b", "up UP") + "1:Up\n", "could be any of the header's up, UP"),
        (".arff", "\u00a0\n" + ARFF + "1,2,a\n", "line 1: .* not a line of an .arff header"),
        (".arff", ARFF + "1,2,a\n\u00a0\n", "line 7: 1 columns"),
        (".arff", RELATIONAL + "'1\\n2',a\n\u00a0\n", "line 8: .* between quotes"),
        (".arff", ARFF.replace("{a,b}", "string") + "1,2,3,a\n", "3 values where the header"),
        (".arff", ARFF.replace("{a,b}", "string") + "1,2,a,b\n", "value 3, 'a', is not a number"),
        (".arff", ARFF + "1,2,'a',b\n", "not quoted as a whole"),
        (".arff", ARFF + "1,2,'a\n", "not quoted as a whole"),
        (".arff", ARFF.replace("{a,b}", "{a,'b'c}"), "'c' follows a label"),
        (".arff", ARFF.replace("{a,b}", "{a,,b}"), "is empty"),
        (".arff", ARFF.replace("{a,b}", "{a,'a'}"), "lists the label 'a' twice"),
        (".arff", ARFF.replace("{a,b}", "{a,\rb}"), "carriage return"),
        (".arff", ARFF.replace("t1", "T0"), "two attributes are called 'T0'"),
        (".arff", RELATIONAL.replace("@end r\n", ""), "only numeric attributes may stand inside"),
        (".arff", RELATIONAL.replace("@end r", "@end r\n@attribute z numeric"), "beside a relat"),
        (".arff", "@end r\n" + ARFF, "closes nothing"),
        (".arff", ARFF.replace("t {a,b}", "class numeric") + "1,2,3\n", "'class' is numeric"),
        (".arff", ARFF.replace("t {a,b}", "'Target' real") + "1,2,3\n", "'Target' is numeric"),
        (".arff", ARFF.replace("t {a,b}", "y integer") + "1,2,3\n", "'y' is numeric"),
        (".arff", ARFF.replace("t0", "species").replace("@attribute t {a,b}\n", "") + "1,2\n",
         "'species' is numeric"),
    ],
)  # fmt: skip
def test_damage_is_not_taken_in_silence(ending: str, text: str, message: str) -> None:
    assert re.search(message, refused(ending, text))


def test_what_is_odd_but_right_is_read() -> None:
    assert read(".tsv", "1\t-nan\t+NaN\t?\t1\n").cases.missing == 3
    assert read(".ts", TS + "-nan,?,1:a\n-nan,2,1:a\n").cases.missing == 3
    assert read(".ts", "@classLabel true a b\n" + TS + "1:a\n").labels is not None
    quoted = ARFF.replace("{a,b}", r"""{'b, c', "d 'e'", 'f\'g', h'i}""")
    content = read(".arff", quoted + "1,2,'b, c'\n1,2,\"d 'e'\"\n1,2,'f\\'g'\n1,2, h'i \n")
    assert content.labels is not None
    assert content.labels.tolist() == ["b, c", "d 'e'", "f'g", "h'i"]
    string = ARFF.replace("{a,b}", "string") + "1,2,'a,b'\n"
    assert read(".arff", string).labels.tolist() == ["a,b"]  # type: ignore[union-attr]


def test_messages_are_short_and_show_control_characters() -> None:
    many = TS.replace("a b", " ".join(f"l{i}" for i in range(90_000))) + "1:zz\n"
    assert re.search(r"\(l0, .*, l11 and 89,988 more\)", refused(".ts", many))
    for ending, text in ((".ts", "x" * 9999), (".arff", "y" * 9999), (".tsv", "z\t" + "q" * 9999)):
        assert len(refused(ending, text)) < 300
    assert "\x1b" not in refused(".ts", TS.replace(" b", " \x1b]0;owned\x07") + "1:zz\n")
    with pytest.raises(DatasetError, match=r"^a\\x1b\[31m.tsv, line 1"):
        READERS[".tsv"]("a\x1b[31m.tsv", b"x")


def test_lines_may_end_in_either_way() -> None:
    content = read(".tsv", "1\t1\t2\r\n2\t3\t4\n\r\n \n1\t1\t2")
    assert len(content) == 3


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([[1e9, 1e9 + 1, 1e9 + 2], [1e9, 1e9, 1e9 + 1]], np.float64),
        ([[1e-7, 2e-7, 3e-7]], np.float32),
        ([[1e-42, 2.5e-42, 3e-42]], np.float64),
        ([[1e20, 2e20, -3e20]], np.float32),
        ([[0.1, 0.2, np.nan]], np.float32),
        ([[0.1, 0.1, 0.1], [0.3, 0.3, 0.3]], np.float32),
        ([[1e9 + 0.1] * 3, [1e9 + 0.3] * 3], np.float64),
        ([[np.nan] * 3, [5.0] * 3], np.float32),
        ([[1e39] * 3, [1e39] * 3], np.float64),
    ],
)
def test_values_keep_64_bits_where_32_lose_something(values: list[list[float]], kept: type) -> None:
    series = [np.array(one)[:, None] for one in values]
    narrowed = narrow(series)
    assert {one.dtype.type for one in narrowed} == {kept}
    for one, before in zip(narrowed, series, strict=True):
        np.testing.assert_array_equal(one, before.astype(kept))
