"""`tsprompt show`: what a saved model is made of, and what it was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.options import Form, Machine, Saved, folder_of
from tsprompt_cli.output import Format, chosen, grid, show_json
from tsprompt_cli.output import show as print_all

if TYPE_CHECKING:
    from tsprompt.model.fitted import Fitted

__all__ = ["show"]


def show(
    model: Saved,
    full: Annotated[
        bool, typer.Option("--full", help="Every slot of every prompt, nothing abbreviated.")
    ] = False,
    form: Form = None,
) -> None:
    """Show a saved model: its template with the prompt's words, its sizes, its scores."""
    from tsprompt.base.tensor_folder import digest_of, read_header
    from tsprompt.model.layout import describe
    from tsprompt.model.saving import MODEL

    folder = folder_of(model)
    fitted = Machine().read(folder)
    header = read_header(folder, MODEL)
    details, digest = header.get("details", {}), digest_of(header)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if chosen(form, None) is not Format.TABLE:
        about = describe(fitted, header["recipe"])
        show_json({**about, "details": details, "bytes": size, "digest": digest})
        return
    print_all(
        _settings(fitted, header["recipe"]),
        "",
        grid([*_sizes(fitted, details, size), ("digest", digest)]),
        "",
        grid(_templates(fitted, full)),
        "",
        grid(_scores(fitted, details)),
    )


def _settings(fitted: Fitted, recipe: str) -> Any:
    from tsprompt.recipes import RECIPES
    from tsprompt_cli.catalogue import first_line

    parts = fitted.design
    rows = [("recipe", recipe, RECIPES[recipe].about)]
    for name, spec in parts.specs().items():
        if spec is None:
            continue
        part = getattr(parts, name)
        about = first_line(type(part)) if hasattr(part, "spec") else ""
        rows.append((name.replace("_", "-"), str(spec), about))
    return grid(rows)


def _sizes(fitted: Fitted, details: dict[str, Any], size: int) -> list[Any]:
    from tsprompt.model.layout import layout
    from tsprompt_cli.display.summaries import layout_line, reading_line

    sizes, costs = layout(fitted), fitted.costs
    labels = ", ".join(str(label) for label in fitted.classes)
    trained, total = costs["trainable_parameters"], costs["total_parameters"]
    return [
        ("layout", layout_line(sizes, details.get("timesteps"))),
        ("reading", reading_line(sizes)),
        ("input", _input(fitted, details)),
        ("classes", f"{sizes.classes}: {labels}"),
        ("parameters", f"{trained:,} trained of {total:,}"),
        ("files", f"{size / 1e6:.1f} MB"),
    ]


def _input(fitted: Fitted, details: dict[str, Any]) -> str:
    """How many features, and what they are called if that is known."""
    from tsprompt_cli.display.summaries import plural
    from tsprompt_cli.new_cases import Remembered

    said, names = plural(fitted.n_features, "feature"), Remembered(details).features
    return f"{said}: {', '.join(names)}" if len(names) == fitted.n_features else said


def _templates(fitted: Fitted, full: bool) -> list[Any]:
    from tsprompt.model.layout import slots
    from tsprompt_cli.display.template import legend, template_text

    templates = [slots(fitted, reading) for reading in fitted.readings]
    rows: list[tuple[str, Any]] = [("template", legend(templates[0]))]
    for number, template in enumerate(templates, start=1):
        rows.append((f"prompt {number}", template_text(template, full=full)))
    return rows


def _scores(fitted: Fitted, details: dict[str, Any]) -> list[Any]:
    from tsprompt_cli.display.summaries import figures

    scores = fitted.scores
    validation = f"{scores['validation_accuracy']:.3f} ({fitted.design.validation_kind()})"
    rows = [("train", f"{scores['train_accuracy']:.3f}"), ("validation", validation)]
    test = details.get("test")
    if test:
        said = f"{test['accuracy']:.3f}, macro-F1 {test['macro_f1']:.3f}"
        rows.append(("test", f"{said}, of {details['dataset']} ({test['cases']} cases)"))
    seed = f", seed {details['seed']}" if "seed" in details else ""
    rows.append(("fit", f"{fitted.costs['fit_seconds']:.1f} s{seed}"))
    notes = [("note" if not i else "", one) for i, one in enumerate(details.get("notes", ()))]
    return [*rows, *figures(fitted.report), *notes]
