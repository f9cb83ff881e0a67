"""Write the reference of Python (`make docs`): ``make_python.py docs/reference/python.md``.

It shows the docstrings of what `tsprompt` and `tsprompt_datasets` export, and nothing else.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tsprompt
import tsprompt_datasets

INTRODUCTION = """# Python

What `import tsprompt` and `import tsprompt_datasets` offer. For how to use it, see
[the guide](../guides/python.md) and the [notebook](../start/quickstart.ipynb).
"""
TITLE = re.compile(r"^(\w+)\n-+$", re.MULTILINE)


def reference() -> str:
    """The whole reference as Markdown."""
    parts = [INTRODUCTION]
    for module in (tsprompt, tsprompt_datasets):
        parts.append(f"## {module.__name__}\n")
        names = sorted(module.__all__, key=lambda name: (name != "PromptClassifier", name))
        for name in names:
            one = getattr(module, name)
            if callable(one):  # and no text, such as the version
                parts.extend(entry(one, f"{module.__name__}.{name}", "###"))
    return "\n".join(parts).rstrip() + "\n"


def entry(one: Any, name: str, heading: str) -> Iterator[str]:
    """One class or function, and under a class its methods."""
    yield f"{heading} {name.rpartition('.')[2]}\n"
    if not (inspect.isclass(one) and issubclass(one, Exception)):
        yield f"```python\n{signature(one, name)}\n```\n"
    yield text_of(one)
    if inspect.isclass(one):
        for method, function in methods(one):
            yield from entry(function, f"{name}.{method}", heading + "#")


def methods(one: type) -> Iterator[tuple[str, Any]]:
    """Public methods that a class of ours defines itself, and documents."""
    for name, found in vars(one).items():
        function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        if inspect.isfunction(function) and not name.startswith("_") and function.__doc__:
            yield name, function


def signature(one: Any, name: str) -> str:
    """Name and arguments, one a line where there are many; types are in the texts."""
    found = inspect.signature(one).parameters.values()
    named = [each for each in found if each.name not in ("self", "cls")]
    bare = [each.replace(annotation=each.empty, default=default_of(each)) for each in named]
    whole = f"{name}{inspect.Signature(bare)}"
    if len(whole) <= 90:
        return whole
    keywords = [each.kind is each.KEYWORD_ONLY for each in bare]
    lines = [f"    {each},\n" for each in bare]
    if True in keywords:
        lines.insert(keywords.index(True), "    *,\n")
    return f"{name}(\n{''.join(lines)})"


@dataclasses.dataclass(frozen=True)
class Shown:
    """A default that is shown as a text."""

    text: str

    def __repr__(self) -> str:
        return self.text


def default_of(parameter: inspect.Parameter) -> Any:
    """A parameter's default; options that are all at theirs are shown by their class alone."""
    default = parameter.default
    if dataclasses.is_dataclass(default) and default == type(default)():
        return Shown(f"{type(default).__name__}()")
    return default


def text_of(one: Any) -> str:
    """The docstring, its sections as lists; a dataclass's fields have texts of their own."""
    text = inspect.getdoc(one) or ""
    pieces = TITLE.split(text)
    result = [plain(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        result.append(f"**{title}**\n")
        result.append(listed(body))
    if dataclasses.is_dataclass(one):
        result.append(fields(one))
    return "\n".join(result)


def plain(text: str) -> str:
    """A text; examples of an interactive session become code."""
    text = re.sub(r"((?:^>>> .*\n?)+)", r"```python\n\1```\n", text, flags=re.MULTILINE)
    return text.strip() + "\n"


def listed(body: str) -> str:
    """The entries of a numpydoc section: a name on its line, its text indented beneath."""
    found = re.findall(r"^(\S.*)\n((?:[ ]{4}.*\n?|\n)*)", body.strip() + "\n", re.MULTILINE)
    return "".join(f"- `{name}`: {' '.join(text.split())}\n" for name, text in found)


def fields(one: type) -> str:
    """A dataclass's fields with the text beneath each."""
    source = inspect.getsource(one)
    found = re.findall(r'^    (\w+): [^\n]+\n    """(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return "".join(f"- `{name}`: {' '.join(text.split())}\n" for name, text in found)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
