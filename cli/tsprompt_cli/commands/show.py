"""`tsprompt show`: what a saved model is made of, and what it was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.option_groups import Machine
from tsprompt_cli.options import Form, Saved, folder_of
from tsprompt_cli.output import Format, chosen, grid, show_json
from tsprompt_cli.output import show as print_all

if TYPE_CHECKING:
    from pathlib import Path

    from tsprompt.model.description import Description

__all__ = ["show"]


def show(
    model: Saved,
    full: Annotated[
        bool, typer.Option("--full", help="Every slot of every prompt, nothing abbreviated.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Load it with its language model as predict does, and let it predict a case; "
            "without this only its files are looked at.",
        ),
    ] = False,
    form: Form = None,
) -> None:
    """Show a saved model: its template with the prompt's words, its sizes, its scores.

    Its files are seen to be whole by their digest.
    """
    from tsprompt.base.tensor_folder import digest_of
    from tsprompt.model.header import read_whole

    folder = folder_of(model)
    header = read_whole(folder)
    about, checked = _described(folder, header, check)
    details, digest = header["details"], digest_of(header)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if chosen(form, None) is not Format.TABLE:
        show_json({**about.as_dict(), "details": details, "bytes": size, "digest": digest})
        return
    print_all(
        _settings(about),
        "",
        grid([*_sizes(about, details, size), ("digest", digest), ("checked", checked)]),
        "",
        grid(_templates(about, full)),
        "",
        grid(_scores(about, details)),
    )


def _described(folder: Path, header: dict[str, Any], check: bool) -> tuple[Description, str]:
    """What a model is, and what of it was checked. Models of earlier releases don't say it: it is
    worked out from their parts, which must be loaded."""
    from tsprompt.model.description import described

    about = None if check else described(folder, header)
    if about is not None:
        return about, "both files are whole; --check also loads the language model"
    from tsprompt.model.layout import describe

    fitted = Machine().read(folder)
    checked = "both files are whole, the language model is that of the fit, and it predicts"
    return describe(fitted, header["recipe"]), checked


def _settings(about: Description) -> Any:
    from tsprompt.base.kinds import SETTINGS
    from tsprompt.base.spec import name_in
    from tsprompt.recipes import RECIPES
    from tsprompt_cli.catalogue import first_line

    recipe = RECIPES.get(about.recipe)
    rows = [("recipe", about.recipe, recipe.about if recipe else "")]
    for name, spec in about.settings.items():
        if spec is None:
            continue
        said = first_line(SETTINGS[name], name_in(spec)) if name in SETTINGS else ""
        rows.append((name.replace("_", "-"), str(spec), said))
    return grid(rows)


def _sizes(about: Description, details: dict[str, Any], size: int) -> list[Any]:
    from tsprompt_cli.display.summaries import layout_line, reading_line

    sizes, costs = about.layout, about.costs
    timesteps = details.get("timesteps")
    trained, total = costs["trainable_parameters"], costs["total_parameters"]
    return [
        ("layout", layout_line(sizes, timesteps if type(timesteps) is int else None)),
        ("reading", reading_line(sizes)),
        ("input", _input(about, details)),
        ("classes", f"{sizes.classes}: {', '.join(about.classes)}"),
        ("parameters", f"{trained:,} trained of {total:,}"),
        ("files", f"{size / 1e6:.1f} MB"),
    ]


def _input(about: Description, details: dict[str, Any]) -> str:
    """How many features, and what they are called if that is known."""
    from tsprompt.errors import counted
    from tsprompt_cli.new_cases import Remembered

    said, names = counted(about.n_features, "feature"), Remembered(details).features
    return f"{said}: {', '.join(names)}" if len(names) == about.n_features else said


def _templates(about: Description, full: bool) -> list[Any]:
    from tsprompt_cli.display.template import legend, template_text

    rows: list[tuple[str, Any]] = [("template", legend(about.templates[0]))]
    for number, template in enumerate(about.templates, start=1):
        rows.append((f"prompt {number}", template_text(template, full=full)))
    return rows


def _scores(about: Description, details: dict[str, Any]) -> list[Any]:
    from tsprompt_cli.display.summaries import figures

    scores = about.scores
    validation = f"{scores['validation_accuracy']:.3f} ({about.validation})"
    rows = [("train", f"{scores['train_accuracy']:.3f}"), ("validation", validation)]
    if tested := _tested(details):
        rows.append(("test", tested))
    seed = f", seed {details['seed']}" if "seed" in details else ""
    rows.append(("fit", f"{about.costs['fit_seconds']:.1f} s{seed}"))
    said = details.get("notes")
    notes = said if isinstance(said, list) else []
    listed = [("note" if not i else "", str(one)) for i, one in enumerate(notes)]
    return [*rows, *figures(about.report), *listed]


def _tested(details: dict[str, Any]) -> str:
    """How it did on test, if that was kept, and as `fit` keeps it."""
    test = details.get("test")
    if not isinstance(test, dict):
        return ""
    accuracy, f1 = test.get("accuracy"), test.get("macro_f1")
    if not isinstance(accuracy, float) or not isinstance(f1, float):
        return ""
    cases, name = test.get("cases"), details.get("dataset")
    return f"{accuracy:.3f}, macro-F1 {f1:.3f}, of {name} ({cases} cases)"
