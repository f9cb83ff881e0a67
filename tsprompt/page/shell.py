"""A page as one file: its style, its script and all it shows; no network, no other file.

The template of a page extends `shell.html` and fills its blocks `title`, `header`, `main` and, if
it likes, `footer`; `{% import "tables.html" as tables %}` gives it the parts of tables. It has the
filters of `tsprompt.base.numbers`, and `counted`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tsprompt.base import numbers
from tsprompt.base.names import visible
from tsprompt.base.version import __version__
from tsprompt.errors import counted

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

_SHELL = files(__package__)
_OWN = ("shell.html", "tables.html")


def render(
    folder: Traversable,
    template: str,
    *,
    style: str | None = None,
    script: str | None = None,
    policy: Mapping[str, str] | None = None,
    **contents: Any,
) -> str:
    """A page as HTML.

    Parameters
    ----------
    folder
        Where the files below lie: `importlib.resources.files(__name__)` of the page's package.
    template
        The file that extends `shell.html`.
    style, script
        Files with what this page needs beside the style and the script of all pages.
    policy
        What the page may do beyond what all may, such as `{"connect-src": "'self'"}`.
    contents
        What the template shows. Every text is escaped unless it is `Markup`.
    """
    code = _read(_SHELL, "shell.js") + (_read(folder, script) if script else "")
    return (
        _environment(folder)
        .get_template(template)
        .render(
            version=__version__,
            style=Markup(_read(_SHELL, "shell.css") + (_read(folder, style) if style else "")),
            script=Markup(code),
            policy=Markup(_policy(code, policy or {})),
            **contents,
        )
    )


def _environment(folder: Traversable) -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(partial(_source, folder)),
        autoescape=True,
        finalize=_readable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(numbers, name) for name in numbers.__all__})
    environment.filters["counted"] = counted
    return environment


def _source(folder: Traversable, name: str) -> str:
    return _read(_SHELL if name in _OWN else folder, name)


def _read(folder: Traversable, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def _readable(value: Any) -> Any:
    """What an expression of the template writes: names without what no page may hold."""
    return value if isinstance(value, Markup) else visible(value)


def _policy(script: str, more: Mapping[str, str]) -> str:
    """What a browser lets the page do: run the one script that it came with, and load nothing."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    allowed = {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **more,
    }
    return "; ".join(f"{what} {whence}" for what, whence in allowed.items())
