"""A picture of a part of a page: ``make_page_picture.py PAGE PICTURE SELECTOR [WIDTH]``.

The page is opened in Chromium, 1000 points wide unless WIDTH is given, and what the CSS selector
finds first is written as a PNG of few colours. So the pictures of the guides are made:
`make_page_picture.py page.html docs/guides/evaluate.png "#sure"`.
"""

from __future__ import annotations

import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path

from browser import Browser
from PIL import Image

MARGIN = 16


def picture(page: Path, selector: str, width: int) -> Image.Image:
    """What the page shows at the first element that the selector finds."""
    with Browser(width=width) as browser:
        browser.open(page.resolve().as_uri())
        box = browser.run(
            f"(box => [box.x, box.y, box.width, box.height])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        x, y, wide, high = box
        clip = {
            "x": max(0, x - MARGIN),
            "y": max(0, y - MARGIN),
            "width": wide + 2 * MARGIN,
            "height": high + 2 * MARGIN,
            "scale": 1,
        }
        told = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    return Image.open(BytesIO(b64decode(told["data"]))).convert("RGB")


if __name__ == "__main__":
    source, target, element, *more = sys.argv[1:]
    made = picture(Path(source), element, int(more[0]) if more else 1000)
    made.quantize(64).save(target, optimize=True)
