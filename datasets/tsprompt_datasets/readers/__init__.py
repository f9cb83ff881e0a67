"""One strict reader for each file format: bytes in, cases and labels out.

They are strict so that a damaged file is never half read: what the format or the header promises
is checked line by line, and errors name the file and the line. What no format can show is a cut
exactly between two cases, or inside the file's very last label or number where what remains of it
is valid too.
"""

from __future__ import annotations

from collections.abc import Callable

from tsprompt_datasets.readers import arff, npy, ts, ucr
from tsprompt_datasets.readers.collector import SeriesFile

__all__ = ["ARCHIVE_FORMATS", "PLAIN", "READERS", "READER_VERSION", "SeriesFile"]

READER_VERSION = 2
"""Raise it when a reader changes what it makes of a file: cached results are then not used."""

READERS: dict[str, Callable[[str, bytes], SeriesFile]] = {
    ".ts": ts.read,
    ".tsv": ucr.read_tsv,
    ".arff": arff.read,
    ".txt": ucr.read,
    ".npy": npy.read,
}
"""File ending -> reader."""

PLAIN: dict[str, Callable[..., SeriesFile]] = {
    ".tsv": ucr.read_tsv,
    ".txt": ucr.read,
    "": ucr.read,
}
"""Formats that do not say whether the first column is a label: their readers are told."""

ARCHIVE_FORMATS = (".ts", ".tsv", ".arff", ".txt", "")
"""What archives come in, the preferred first."""
