"""The members of an ensemble: each reads what it sees of the cases under a prompt of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from tsprompt.backbones import side_by_side
from tsprompt.base.blocks import placed
from tsprompt.base.seeds import generator
from tsprompt.combinations import Evidence, Task
from tsprompt.contexts import Context
from tsprompt.data import Cases, IntArray
from tsprompt.errors import counted, notice
from tsprompt.heads.lesson import Labels
from tsprompt.model.design import Design
from tsprompt.model.training_data import TrainingData
from tsprompt.model.views import Columns, Views
from tsprompt.model.warm_start import Source, cosine, prompt_vector
from tsprompt.reading.reader import Reader, Reading
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tuners import Found, Problem
from tsprompt.tuners.gradient import Gradient

__all__ = ["Ensemble"]


class Ensemble:
    """Fits what each member reads with, and collects what all of them read."""

    def __init__(
        self,
        parts: Design,
        reader: Reader,
        data: TrainingData,
        layers: tuple[int, ...],
        *,
        seed: int,
        source: Source | None = None,
    ) -> None:
        """`data` is prepared by preprocessing and strategy; `source` is a prompt to start from."""
        self.source = source
        self.parts, self.reader, self.data = parts, reader, data
        self.layers, self.seed = layers, seed
        self.train = data.train
        combination = parts.combination
        labels = data.labels[: data.learn]
        n_classes = len(data.classes)
        self.tasks = combination.share_out(self.train, labels, n_classes, parts.n_prompts)
        parts.train.check(parts.tuner.name, len(self.tasks))
        self.views = Views(combination)
        self.trained = 0
        """Numbers that were trained to find the prompts."""
        self._reports: list[dict[str, float]] = []

    def read(self) -> tuple[list[Reading], Evidence]:
        """Find all prompts; give the readings and what they make the model say."""
        data, count = self.data, len(self.tasks) * self.parts.tuner.n_found
        features, free = (Columns(count, self.reader.scratch) for _ in range(2))
        taught = None
        readings: list[Reading] = []
        for member, tokenizer in enumerate(self._fit_tokenizers()):
            for found in self._find(member, tokenizer):
                readings.append(found.reading)
                self.trained += found.trained
                features.append(found.features)
                if found.taught is not None:
                    taught = found.taught.chances, found.taught.features
                if data.zero_shot:
                    free = features
                elif data.unlabelled is not None and self.parts.combination.uses_unlabelled:
                    seen = self.views.of(data.unlabelled, member)
                    stage = f"unlabelled, prompt {len(readings)}"
                    free.append(self.reader.features(found.reading, seen, stage))
        self.reader.forget()
        width = features.joined.shape[1] // len(readings)
        if not self.parts.head.held_share:
            data = data.rejoined()
        labelled = 0 if data.zero_shot else data.learn
        behind = features.joined[labelled:], data.labels[labelled:]
        evidence = Evidence(
            features=features.joined[:labelled],
            members=[reading.member for reading in readings],
            tasks=self.tasks,
            labels=data.labels[:labelled],
            n_classes=len(data.classes),
            optional=torch.cat([reading.readout.optional(width) for reading in readings]),
            unlabelled=free.joined if len(free.joined) else None,
            development=behind if data.development else None,
            weights=data.weights,
            taught=taught,
        )
        return readings, evidence

    def compare(self, sources: list[Source]) -> dict[str, float]:
        """Cosine of each source's prompt with the first member's, trained from its own start.

        The language model is left as it was.

        Raises
        ------
        ConfigError
            A source's prompt does not fill the slots here.
        """
        first, *_ = self._fit_tokenizers()
        problem, _, _ = self._task_problem(0, first)
        backbone, tuner = self.reader.backbone, self.parts.tuner
        for source in sources:
            problem.prompt.resume(source.prompt(0), problem.slots, backbone)
        assert isinstance(tuner, Gradient)  # no other trains a prompt that can start from another
        before = backbone.trained_state()
        (found,) = tuner.plain().find(problem)
        backbone.restore(before)
        self.reader.forget()
        own = prompt_vector(found.reading.prompt, backbone)
        return {
            source.name: cosine(own, prompt_vector(source.prompt(0), backbone))
            for source in sources
        }

    def readings(self) -> list[Reading]:
        """The readings alone, for a tuner that takes prompts as they are drawn and tasks that have
        all classes: of train, only what readouts learn from is read."""
        found = []
        for member, tokenizer in enumerate(self._fit_tokenizers()):
            seen = self.views.of(self.train, member)
            labels = self.data.labels[: self.data.learn]
            problem = self._problem(member, self.tasks[member], tokenizer, seen, labels)
            stage = f"prompt {member + 1}: readout"
            found.append(problem.reading(problem.draw(0), stage))
            found[-1].member = member
        return found

    def report(self) -> dict[str, float]:
        """Figures of the tuner, their means where several prompts were sought."""
        if len(self._reports) == 1:
            return self._reports[0]
        names = dict.fromkeys(name for one in self._reports for name in one)
        told = {name: [one[name] for one in self._reports if name in one] for name in names}
        return {f"{name}, mean over prompts": float(np.mean(of)) for name, of in told.items()}

    def _find(self, member: int, tokenizer: Tokenizer) -> Iterator[Found]:
        """What the tuner finds for one member, with features of all cases."""
        cases = self.views.of(self.data.cases, member)
        problem, part, others = self._task_problem(member, tokenizer)
        prompts = self.parts.tuner.find(problem)
        self._reports.append(self.parts.tuner.report())
        for found in prompts:
            found.reading.member = member
            if len(others):
                # The prompt is sought among the cases of its task; the head's input is all.
                stage = f"prompt {member + 1}, other classes"
                rest = self.reader.features(found.reading, cases.take(others), stage)
                found.features = placed(
                    [
                        (torch.from_numpy(part), found.features),
                        (torch.from_numpy(others), rest),
                    ]
                )
            yield found

    def _task_problem(
        self, member: int, tokenizer: Tokenizer
    ) -> tuple[Problem, IntArray, IntArray]:
        """What a member's tuner is given, and which of all cases are of its task and are not."""
        task, cases = self.tasks[member], self.views.of(self.data.cases, member)
        labels = task.labels(self.data.labels)
        part, others = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
        some = cases.take(part) if len(others) else cases
        problem = self._problem(member, task, tokenizer, some, labels[part])
        problem.context = self._context(member, part)
        if self.data.weights is not None:
            problem.weights = self.data.weights[part]
        if self.data.development and part[-1] >= self.data.learn:
            problem.learn = int((part < self.data.learn).sum())
        return problem, part, others

    def _context(self, member: int, part: IntArray) -> Context:
        """What stands beside the cases of a member; `part`: which of all cases its task has."""
        labels = self.data.labels[: self.data.learn]
        rng = generator(self.seed, "context", member)
        seen = self.views.of(self.train, member)
        return self.parts.context.drawn(seen, labels, rng, part)

    def _problem(
        self, member: int, task: Task, tokenizer: Tokenizer, cases: Cases, labels: Labels
    ) -> Problem:
        parts = self.parts
        return Problem(
            member=member,
            cases=cases,
            labels=labels,
            n_classes=task.n_classes,
            classes=task.names([str(one) for one in self.data.classes]),
            reader=self.reader,
            tokenizer=tokenizer,
            prompt=parts.prompt,
            readout=parts.readout,
            head=parts.head,
            slots=parts.strategy.slots(self.reader.length, tokenizer.max_steps_),
            layers=self.layers,
            seed=self.seed,
            tunes_prompt=parts.train.tunes_prompt,
            placebo=parts.train.placebo,
            start=self.source.prompt(member) if self.source else None,
            unlabelled=self._free(member),
            parts=parts.combination.parts_of(len(self.tasks)),
        )

    def _free(self, member: int) -> Cases | None:
        """What a member sees of the cases without a label."""
        free = self.data.unlabelled
        return None if free is None else self.views.of(free, member)

    def _fit_tokenizers(self) -> list[Tokenizer]:
        """One tokenizer for each member, those that share a draw and a view the same; all have the
        same steps."""
        parts, reader = self.parts, self.reader
        seen = [self.views.of(self.train, member) for member in range(len(self.tasks))]
        keys = [(self._draw_of(k), id(one)) for k, one in enumerate(seen)]
        views = dict(zip(keys, seen, strict=True))
        fits = [partial(self._fit_tokenizer, view, draw) for (draw, _), view in views.items()]
        made = dict(zip(views, side_by_side(fits, reader.batch.cores), strict=True))
        first, longest = made[keys[0]], int(seen[0].lengths.max())
        if parts.tokenizer.crowded(longest, self._room(seen[0])):
            notice(
                f"{longest} timesteps don't fit into the {reader.backbone.positions} positions of "
                f"{parts.backbone}: steps are patches of {counted(first.patch_, 'timestep')}"
            )
        return [made[key] for key in keys]

    def _draw_of(self, member: int) -> tuple[int, int]:
        """Seed and number of a member's tokenizer draw: a prompt that comes from elsewhere belongs
        to the one that it was trained with."""
        if self.source is not None:
            return self.source.draw(member)
        return self.seed, self.parts.combination.draw_of(member)

    def _fit_tokenizer(self, seen: Cases, draw: tuple[int, int]) -> Tokenizer:
        """The tokenizer of this draw, for what members see of train."""
        tokenizer = tokenizers.build(self.parts.tokenizer)
        seed, number = draw
        rng = generator(seed, "tokenizer", number)
        backbone, room = self.reader.backbone, self._room(seen)
        tokenizer.fit(seen, backbone, max_steps=room, rng=rng, member=number)
        tokenizer.draw_ = draw
        return tokenizer

    def _room(self, seen: Cases) -> int | None:
        width = self.parts.tokenizer.width(seen.n_features)
        return self.reader.room(width, self.parts.context)
