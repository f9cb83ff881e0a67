"""The page on which models can be tried, and the one that describes the routes: each one file,
which loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from tsprompt.page import render

__all__ = ["Page", "docs_page", "try_page"]


@dataclass(frozen=True)
class Page:
    """A page, and what a browser lets it do."""

    html: str
    policy: str


def try_page() -> Page:
    """The page at `/`: a series goes in, and what a model says of it comes out."""
    return _page("try.html", style="try.css", script="try.js", policy={"connect-src": "'self'"})


def docs_page(openapi: dict[str, Any]) -> Page:
    """The routes, as their description for machines has them."""
    return _page("docs.html", style="try.css", routes=_routes(openapi), title=openapi["info"])


def _page(template: str, **contents: Any) -> Page:
    """A page whose policy allows its own style and script alone, by their hashes."""
    html = render(files(__name__), template, **contents)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    html = html.replace("style-src 'unsafe-inline'", f"style-src 'sha256-{digest}'", 1)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    return Page(html, f"{policy[1].replace('&#39;', chr(39))}; frame-ancestors 'none'")


def _routes(openapi: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows of each route."""
    found = []
    for path, methods in openapi["paths"].items():
        for method, told in methods.items():
            content = told.get("requestBody", {}).get("content", {})
            found.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": told.get("description", told.get("summary", "")),
                    "parameters": [
                        (one["name"], one["in"], one.get("description", ""))
                        for one in told.get("parameters", ())
                    ],
                    "takes": list(content),
                    "example": _example(content),
                    "answers": [
                        (status, one.get("description", ""), list(one.get("content", {})))
                        for status, one in told["responses"].items()
                    ],
                }
            )
    return found


def _example(content: dict[str, Any]) -> str:
    """A body in JSON, where one is taken."""
    if "application/json" not in content:
        return ""
    return json.dumps({"cases": [[0.1, 0.4, None, 0.2]]})
