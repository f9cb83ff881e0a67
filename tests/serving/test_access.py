"""Who may ask: those with the token, or else those on this machine, and no page of elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tsprompt import ConfigError

pytestmark = [
    pytest.mark.extra("serve"),
    pytest.mark.filterwarnings("ignore::tsprompt.TspromptNotice"),
]

TOKEN = "a-token-of-more-than-16"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org"])
def test_without_a_token_nothing_else_is_listened_on(host: str) -> None:
    from tsprompt.serving.access import Access

    with pytest.raises(ConfigError, match="TSPROMPT_TOKEN"):
        Access(host)
    assert Access(host, TOKEN).token == TOKEN


@pytest.mark.parametrize("token", ["short", "é" * 20, "with a\nline and more"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    from tsprompt.serving.access import Access

    with pytest.raises(ConfigError, match="16"):
        Access("127.0.0.1", token)


def test_with_a_token_only_those_who_know_it_are_answered(serving: Any, folder: Path) -> None:
    with serving(folder, token=TOKEN, host="0.0.0.0") as client:
        for wrong in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}"):
            answer = client.get("/models", headers={"authorization": wrong})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert TOKEN not in answer.text
        body = {"cases": [[0.0] * 20]}
        assert client.post("/models/one/predict", json=body).status_code == 401
        assert client.get("/metrics").status_code == 401
        known = {"authorization": f"Bearer {TOKEN}", "host": "example.org"}
        assert client.get("/models", headers=known).status_code == 200
        assert client.post("/models/one/predict", json=body, headers=known).status_code == 200
        for path in ("/", "/docs", "/healthz", "/readyz"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "waves" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8000"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": ""}, 421),
        ({"host": "[::1"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_pages_of_elsewhere_get_nothing(client: Any, headers: dict[str, str], status: int) -> None:
    assert client.get("/models", headers=headers).status_code == status


def test_long_heads_are_refused(client: Any) -> None:
    assert client.get("/models", headers={"x": "y" * 20_000}).status_code == 431
    assert client.get(f"/models/{'y' * 20_000}").status_code == 431
