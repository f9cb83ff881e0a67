"""What mkdocs asks while it builds the site: the order of the pages, notebooks, links elsewhere.

The table of contents stands once, in docs/README.md: a heading there is a section of the site, and
a link in its table a page. The notebook becomes a page of its texts and code.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
LINK = re.compile(r"^\| \[([^\]]+)\]\(([^)]+)\)")
PICTURE = re.compile(
    r'<picture>.*?srcset="(.*?)".*?src="(.*?)" alt="(.*?)">.*?</picture>', re.DOTALL
)
"""A picture that has a dark twin. The site has a switch, which the browser's own choice ignores."""


def on_config(config: Any) -> Any:
    """Give mkdocs the contents of docs/README.md, and the decisions, as the navigation."""
    config.nav = [{"Home": "README.md"}, *sections(), {"Decisions": decisions()}]
    return config


def sections() -> list[dict[str, list[dict[str, str]]]]:
    """Each heading of docs/README.md with the pages that its table links to."""
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, *lines = part.splitlines()
        links = filter(None, map(LINK.match, lines))
        pages = [{one[1]: page_of(one[2])} for one in links if not one[2].endswith(".html")]
        found.append({heading: pages})
    return found


def decisions() -> list[str]:
    """The decisions, the list of them first, then the latest."""
    names = sorted((one.name for one in (DOCS / "decisions").glob("2*.md")), reverse=True)
    return [f"decisions/{name}" for name in ("README.md", *names)]


def page_of(file: str) -> str:
    """The page that shows a file: a notebook's has its name."""
    return file.removesuffix(".ipynb") + ".md" if file.endswith(".ipynb") else file


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each notebook."""
    from mkdocs.structure.files import File

    for notebook in sorted(DOCS.rglob("*.ipynb")):
        name = notebook.relative_to(DOCS).as_posix()
        page = File.generated(config, page_of(name), content=notebook_as_page(notebook))
        files.append(page)
    return files


def notebook_as_page(file: Path) -> str:
    """Markdown of a notebook: its texts, and its code fenced."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*parts, f'<a href="{file.name}" download>Download this notebook</a>', ""])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to a notebook to the page that shows it; make plain text of links out of docs/."""
    folder = (DOCS / page.file.src_uri).parent

    def on_the_site(link: re.Match[str]) -> str:
        text, target = link.groups()
        outside = "://" not in target and not (folder / target).resolve().is_relative_to(DOCS)
        return text if outside else f"[{text}]({page_of(target)})"

    markdown = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", on_the_site, markdown)
    markdown = markdown.replace(" ± ", "\u00a0±\u00a0")  # a figure and its spread stay on one line
    return PICTURE.sub(r"![\3](\1#only-dark)\n![\3](\2#only-light)", markdown)
