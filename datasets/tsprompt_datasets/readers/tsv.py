"""The .tsv format of the 2018 UCR release: label, then values, separated by tabs.

All lines have as many columns as the longest series; shorter ones are padded with NaN at their
end, which is dropped here. NaN inside a series stays, as a missing value. A label of ``?`` is
unknown.
"""

from __future__ import annotations

from tsprompt_datasets.readers.collector import Collector, SeriesFile
from tsprompt_datasets.readers.lines import Place, text_lines
from tsprompt_datasets.readers.numbers import numbers, strip_padding

__all__ = ["read"]


def read(name: str, data: bytes) -> SeriesFile:
    """Parse the bytes of the .tsv file called `name`.

    Raises
    ------
    DatasetError
        The file breaks its format; the message names the line.
    """
    collector, last, columns = Collector(name, size=len(data)), Place(name, 1), 0
    for last, line in text_lines(name, data, blanks=" "):
        label, tab, text = line.partition("\t")
        if not tab:
            raise last.corrupt("no tab; a line holds a label, a tab, and values split by tabs")
        values = numbers(last, text, "\t")
        columns = columns or len(values)
        if len(values) != columns:
            raise last.corrupt(f"{len(values)} values where the lines before have {columns}")
        collector.add(last, strip_padding(values[:, None]), label)
    return collector.finish(last)
