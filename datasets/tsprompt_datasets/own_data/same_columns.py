"""Another file with the columns of the first: test beside train, or new cases for a model."""

from __future__ import annotations

import dataclasses
from typing import Any

from tsprompt.errors import Setting, counted
from tsprompt_datasets.own_data.column_roles import Table, index_column
from tsprompt_datasets.own_data.columns import find_column, listed
from tsprompt_datasets.own_data.options import NO_LABEL, ReadOptions
from tsprompt_datasets.own_data.text_table import TextTable

__all__ = ["same_columns"]


def same_columns(table: Table, options: ReadOptions, like: dict[str, Any]) -> ReadOptions:
    """Options that read a table as another one was read; what the user says goes first.

    A label, a time, and in wide form an id may be absent: new cases have no labels.

    Raises
    ------
    DatasetError
        A column of values is absent, or there is one that the other file has not.
    """
    if options.values or options.layout not in (None, like.get("layout")):
        return options
    names = [one.name for one in table.columns]
    values = list(like.get("values", ()))
    if isinstance(table, TextTable) and not table.header and like.get("header") is False:
        return _without_names(table, options, like, values)
    values = [
        find_column(table.place, table.columns, one, "one of the columns of train").name
        for one in values
    ]
    said: dict[str, Any] = {
        role: getattr(options, role) or _here(names, like.get(role))
        for role in ("id", "time", "label")
    }
    said["label"] = said["label"] or NO_LABEL
    taken = [*values, *said.values(), options.groups, index_column(table.columns)]
    more = [
        one.name
        for one in table.columns
        if one.kind in ("number", "list") and one.name not in taken
    ]
    if more and not like.get("chosen"):
        raise table.place.error(
            f"has {listed(more)}, which train has not; leave the column out, or say which columns "
            "hold values with ",
            Setting("values"),
        )
    return dataclasses.replace(options, layout=like.get("layout"), values=tuple(values), **said)


def _here(names: list[str], name: str | None) -> str | None:
    return name if name in names else None


def _without_names(
    table: TextTable, options: ReadOptions, like: dict[str, Any], values: list[str]
) -> ReadOptions:
    """Columns have numbers only: with as many as in train they are the same."""
    names = table.names
    roles = {role: like.get(role) for role in ("id", "label") if like.get(role)}
    if len(names) == len(values) + len(roles):
        return dataclasses.replace(
            options,
            layout="wide",
            values=tuple(values),
            label=options.label or roles.get("label"),
            id=options.id or roles.get("id"),
        )
    if len(names) == len(values) and "id" not in roles:
        return dataclasses.replace(
            options, layout="wide", values=tuple(names), label=options.label or NO_LABEL
        )
    raise table.place.error(
        f"has {counted(len(names), 'column')} where train has {len(values)} of values and "
        f"{len(roles)} other; the columns must be the same, or those of values alone"
    )
