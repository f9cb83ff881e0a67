"""`tsprompt serve`: saved models that answer over HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.output import say

__all__ = ["serve"]

_LIMITS = "What is refused"
_NEEDED = ("fastapi", "prometheus_client", "uvicorn")


@flat
def serve(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Every saved model in it, at any depth, is served under its path.",
            show_default=False,
        ),
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]MODEL",
            help="A model besides, or alone: a folder that fit wrote, or hf://USER/NAME or "
            "hf://USER/NAME@REVISION on the Hugging Face hub, as it is there now. Without a name "
            "it is called as its folder, or USER/NAME. Give it several times.",
            show_default=False,
        ),
    ] = None,
    digest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHA256",
            help="Refuse any other model than the one with this digest, as `tsprompt show` prints "
            "it, under a name that --model gave.",
            show_default=False,
        ),
    ] = None,
    machine: Machine,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="What to listen on. Beyond this machine only with a token in the environment "
            "variable TSPROMPT_TOKEN.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="0: one that is free.")
    ] = 8000,
    wait_ms: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="MS",
            help="Milliseconds that a request waits for others to go through the language model "
            "with.",
        ),
    ] = 2.0,
    max_body_mb: Annotated[
        float,
        typer.Option(min=0.001, metavar="MB", help="Of one request.", rich_help_panel=_LIMITS),
    ] = 16.0,
    max_cases: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of one request.", rich_help_panel=_LIMITS)
    ] = 1000,
    max_length: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Timesteps of one case.", rich_help_panel=_LIMITS),
    ] = 100_000,
    queue: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Requests that may wait.", rich_help_panel=_LIMITS),
    ] = 256,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001, metavar="S", help="Seconds for an answer.", rich_help_panel=_LIMITS
        ),
    ] = 30.0,
    memory_mb: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="MB",
            help="For prompts and heads of the models; those asked least lately leave first.",
            rich_help_panel=_LIMITS,
        ),
    ] = 1024,
) -> None:
    """Serve saved models over HTTP, with a page at / to try them on.

    Models that are put into the folder, replaced or removed while it runs are followed; one on the
    hub is fetched before the server starts, and never after. It needs the extra `serve`:
    pip install 'tsprompt[serve]'.
    """
    _check_installed()
    import os

    from tsprompt.errors import ConfigError, Setting
    from tsprompt.serving.access import TOKEN
    from tsprompt.serving.limits import Limits
    from tsprompt.serving.named_models import named_models
    from tsprompt.serving.run import serve as run
    from tsprompt.serving.socket import Socket
    from tsprompt_cli.sent_tables import read_sent

    if folder is None and not model:
        raise ConfigError(
            "there is nothing to serve; give a folder of models, or ",
            Setting("model", "NAME=hf://USER/NAME"),
        )
    named = named_models(model or (), digest or ())
    limits = Limits(
        body_bytes=round(max_body_mb * 1e6),
        cases=max_cases,
        timesteps=max_length,
        queue=queue,
        timeout=timeout,
        wait_ms=wait_ms,
    )
    models = Socket(
        device=machine.device,
        dtype=None if machine.dtype == "auto" else machine.dtype,
        batch_tokens=machine.batch_tokens,
        max_bytes=memory_mb << 20,
    )

    def listening(address: str) -> None:
        what = [] if folder is None else [str(folder)]
        what += [one.name for one in named]
        say("Serving", f"{', '.join(what)} at {address}; Ctrl-C stops it", "green")

    run(
        folder,
        named,
        host=host,
        port=port,
        models=models,
        read_table=read_sent,
        limits=limits,
        token=os.environ.get(TOKEN) or None,
        listening=listening,
    )


def _check_installed() -> None:
    """See that the extra is there.

    Raises
    ------
    ConfigError
        It is not.
    """
    from tsprompt.errors import ConfigError

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the server needs {', '.join(missing)}: pip install 'tsprompt[serve]'")
