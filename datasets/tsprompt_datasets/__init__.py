"""Time-series classification data sets: found, read, checked, cached.

>>> from tsprompt_datasets import load_dataset
>>> load_dataset("GunPoint").train.cases
Cases(50 x 150 timesteps x 1 features)
"""

from __future__ import annotations

from tsprompt_datasets.archive import archive_names
from tsprompt_datasets.benchmark_cell import few_shot, load_cell
from tsprompt_datasets.cache import cache_folder
from tsprompt_datasets.families import family_of
from tsprompt_datasets.groups import expand_names
from tsprompt_datasets.info import DatasetInfo, dataset_info, describe_dataset
from tsprompt_datasets.load import fetch_dataset, load_dataset, load_file
from tsprompt_datasets.locate import DatasetEntry, list_datasets
from tsprompt_datasets.own_data.file_sets import file_set, file_set_of
from tsprompt_datasets.own_data.in_memory import read_held
from tsprompt_datasets.own_data.options import ReadOptions, SplitOptions
from tsprompt_datasets.own_data.parquet_blocks import (
    CaseBlock,
    CaseBlocks,
    blocks_of,
    read_block,
)
from tsprompt_datasets.own_data.read import (
    OwnData,
    is_path,
    read,
    read_cases,
    read_own,
)
from tsprompt_datasets.own_data.sources import files_of, test_beside
from tsprompt_datasets.readers import SeriesFile
from tsprompt_datasets.resample import resample_dataset

__all__ = [
    "CaseBlock",
    "CaseBlocks",
    "DatasetEntry",
    "DatasetInfo",
    "OwnData",
    "ReadOptions",
    "SeriesFile",
    "SplitOptions",
    "archive_names",
    "blocks_of",
    "cache_folder",
    "dataset_info",
    "describe_dataset",
    "expand_names",
    "family_of",
    "fetch_dataset",
    "few_shot",
    "file_set",
    "file_set_of",
    "files_of",
    "is_path",
    "list_datasets",
    "load_cell",
    "load_dataset",
    "load_file",
    "read",
    "read_block",
    "read_cases",
    "read_held",
    "read_own",
    "resample_dataset",
    "test_beside",
]
