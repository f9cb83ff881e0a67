"""What a further hard-prompt draw costs: once-computed features against the original loop.

The original loop runs the frozen language model for every batch of every epoch. Here its output for
a prompt is computed once, on distinct rows only, and the mask model trains on it. Both search the
same draws with the same seeds, splits and batch orders, so they must find the same prompt and the
same accuracy; only the time differs. One process measures both, in turn, draw by draw.

    python benchmarks/prompt_search.py [--set ItalyPowerDemand] [--draws 3] [--scope step]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from tsprompt.backbones import BatchSize, load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.data import Split
from tsprompt.errors import TspromptNotice
from tsprompt.heads.lesson import hold_out
from tsprompt.heads.mlp import MLP, Perceptron
from tsprompt.heads.weighing import standardiser
from tsprompt.preprocessings import Preprocessing
from tsprompt.preprocessings.standard import Standard
from tsprompt.prompts.hard import Hard
from tsprompt.reading.reader import Reader
from tsprompt.readouts.mask import Mask
from tsprompt.recipes import RECIPES
from tsprompt.strategies.shared import Shared
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tuners import Found, Problem
from tsprompt_datasets import load_dataset


def make_problem(train: Split, scope: str, seed: int) -> tuple[Problem, Preprocessing]:
    """The recipe `original` on this train, with the bundled language model."""
    settings = RECIPES["original"].settings
    backbone = load_backbone("minilm")
    preprocessing = Standard().fit(train.cases)
    cases = preprocessing.transform(train.cases)
    reader = Reader(backbone, Shared(), Shared.default_length, scope, BatchSize(8_192))
    tokenizer = tokenizers.build(settings.tokenizer)
    room = None if scope == "step" else reader.strategy.max_steps(512, reader.length, 1)
    tokenizer.fit(cases, backbone, max_steps=room, rng=generator(seed, "tokenizer"))
    classes, labels = np.unique(train.labels, return_inverse=True)
    problem = Problem(
        member=0,
        cases=cases,
        labels=labels.astype(np.intp),
        n_classes=len(classes),
        reader=reader,
        tokenizer=tokenizer,
        prompt=Hard(draws="normal", placement="random"),
        readout=Mask(),
        head=MLP(),
        slots=reader.length,
        layers=(backbone.layers,),
        seed=seed,
    )
    return problem, preprocessing


def ours(problem: Problem, prompt: Prompt) -> tuple[MLP, Found]:
    """One draw as `tsprompt` searches it."""
    found = problem.read(prompt, "draw")
    head = dataclasses.replace(problem.head)
    head.fit(problem.lesson(found))
    assert isinstance(head, MLP)
    return head, found


class OriginalLoop:
    """One draw as the original experiments did it: the language model inside the training loop."""

    def __init__(self, problem: Problem, prompt: Prompt) -> None:
        self.problem, self.prompt, self.options = problem, prompt, problem.head
        self.tokens = tokens_of(problem.tokenizer, problem)
        self.labels = torch.from_numpy(problem.labels)

    def features(self, cases: torch.Tensor) -> torch.Tensor:
        """Run the language model on all rows of these cases, repeated or not."""
        reader = self.problem.reader
        rows, place = reader.rows(self.tokens[cases])
        vectors = self.prompt.fill(reader.backbone)
        length = 3 + reader.length + rows.shape[1]
        masks = reader.batch.run(
            len(rows),
            length,
            lambda part: reader.read(
                rows[part], place[part], self.prompt, vectors, self.problem.layers
            )[1],
        )
        return torch.cat(list(masks)).flatten(1).reshape(len(cases), -1)

    def run(self) -> tuple[float, int]:
        """Validation loss of the best epoch, and how many epochs ran."""
        options = self.options
        assert isinstance(options, MLP)
        seed = derive(self.problem.seed, "head")
        learn, held = map(torch.from_numpy, hold_out(self.problem.labels, 0.25, seed))
        mean, unit = standardiser(self.features(learn))
        with seeded_torch(seed):
            model = Perceptron(len(mean), options.hidden, self.problem.n_classes)
            optimiser = torch.optim.NAdam(model.parameters(), lr=options.learning_rate)
            best, waited, epochs = float("inf"), 0, 0
            while epochs < options.epochs and waited < options.patience:
                for part in torch.randperm(len(learn)).split(options.batch):
                    optimiser.zero_grad()
                    scores = model((self.features(learn[part]) - mean) / unit)
                    functional.cross_entropy(scores, self.labels[learn[part]]).backward()
                    optimiser.step()
                epochs, waited = epochs + 1, waited + 1
                with torch.no_grad():
                    scores = model((self.features(held) - mean) / unit)
                    loss = float(functional.cross_entropy(scores, self.labels[held]))
                if loss < best:
                    best, waited = loss, 0
        return best, epochs


def tokens_of(tokenizer: Tokenizer, problem: Problem) -> torch.Tensor:
    """(B, S, W) token ids of train, in order."""
    chunks = list(problem.reader.tokenise(tokenizer, problem.cases))
    return torch.cat([tokens for _, tokens in chunks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="ItalyPowerDemand")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--scope", choices=("step", "series"), default="step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", TspromptNotice)
    dataset = load_dataset(options.set)
    problem, preprocessing = make_problem(dataset.train, options.scope, options.seed)
    problem.read(problem.draw(99), "warming up")
    test = preprocessing.transform(dataset.test.cases)
    classes = np.unique(dataset.train.labels)
    draws = []
    for number in range(options.draws):
        prompt = problem.draw(number)
        start = time.perf_counter()
        head, found = ours(problem, prompt)
        ours_seconds = time.perf_counter() - start
        start = time.perf_counter()
        loss, epochs = OriginalLoop(problem, prompt).run()
        original_seconds = time.perf_counter() - start
        chances = head.probabilities(problem.reader.features(found.reading, test))
        hits = classes[chances.argmax(axis=1)] == dataset.test.labels
        draws.append(
            {
                "draw": number,
                "epochs": epochs,
                "epochs_ours": head.epochs_run_,
                "original_seconds": round(original_seconds, 3),
                "ours_seconds": round(ours_seconds, 3),
                "ratio": round(original_seconds / ours_seconds, 1),
                "validation_loss_original": round(loss, 5),
                "validation_loss_ours": round(head.validation_loss_, 5),
                "test_accuracy": round(float(hits.mean()), 4),
            }
        )
        print(json.dumps(draws[-1]), flush=True)
    total = sum(d["original_seconds"] for d in draws) / sum(d["ours_seconds"] for d in draws)
    summary = {
        "command": f"python benchmarks/prompt_search.py --set {options.set} "
        f"--draws {options.draws} --scope {options.scope} --seed {options.seed}",
        "recipe": "original",
        "backbone": "minilm",
        "dtype": str(problem.reader.backbone.dtype),
        "threads": torch.get_num_threads(),
        "ratio": round(total, 1),
        "draws": draws,
    }
    print(f"a further draw is {total:.0f} times cheaper than the original loop")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
