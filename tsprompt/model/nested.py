"""Parameters of parts as scikit-learn and sktime nest them: `tokenizer__steps`."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from tsprompt.base.kinds import SETTINGS
from tsprompt.base.part import Part
from tsprompt.base.spec import merge_specs, spell_spec
from tsprompt.errors import TspromptError
from tsprompt.recipes import Settings, resolve

__all__ = ["NestedParams"]


class NestedParams:
    """`get_params` and `set_params` that reach into parts, whether they are given as objects, as
    texts, or by the recipe. Goes before the estimator's own base class."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with `deep`, the options of all parts beside them."""
        params: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]
        for setting in SETTINGS if deep else ():
            try:
                part = self._part(setting)
            except TspromptError:  # a choice that `fit` will refuse has no options
                continue
            params |= {f"{setting}__{name}": value for name, value in part.options().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and options of parts as `tokenizer__steps=32`.

        Raises
        ------
        ConfigError
            A part has no such option, or it can't have this value.
        """
        nested: dict[str, dict[str, Any]] = {}
        for name in list(params):
            setting, _, option = name.partition("__")
            if option and setting in SETTINGS:
                nested.setdefault(setting, {})[option] = params.pop(name)
        super().set_params(**params)  # type: ignore[misc]
        for setting, options in nested.items():
            self._set_options(setting, options)
        return self

    def _part(self, setting: str) -> Part:
        """The part that a setting stands for, not fitted."""
        choices = {field.name: getattr(self, field.name) for field in dataclasses.fields(Settings)}
        settings = resolve(self.recipe, choices)  # type: ignore[attr-defined]
        spec = settings[setting]
        if spec is None:
            prompt, regime = (
                SETTINGS[name].registry().build(settings[name]) for name in ("prompt", "train")
            )
            spec = regime.tuner_of(prompt.tuner)
        built: Part = SETTINGS[setting].registry().build(spec)
        return built

    def _set_options(self, setting: str, options: dict[str, Any]) -> None:
        part, now = self._part(setting), getattr(self, setting)
        own = part.options()
        if all(name in own and own[name] == value for name, value in options.items()):
            return
        changed: Part = SETTINGS[setting].registry().create(part.name, {**own, **options})
        if isinstance(now, str | None):
            # As a text that names all of them: what is left out is the recipe's.
            given = {name: changed.options()[name] for name in options}
            spec = spell_spec(part.name, given)
            setattr(self, setting, spec if now is None else merge_specs(now, spec))
        else:
            setattr(self, setting, changed)
