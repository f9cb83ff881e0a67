"""A BERT that has read series instead of words: masked tokens of series, predicted from the others.

    python benchmarks/series_model.py --data-dir DATA --out results/models/series-minilm
    tsprompt bench run benchmarks/series_model.toml --results results/series_model

The tokens are those that the default makes of the train series of all development sets; no label
and no test series is seen. The word and position tables are `minilm`'s and stay; the layers are
drawn anew. Of the data tokens of each input, 40 % give way to one learned vector, and what the
layers say there, through a linear map, is to point where the token did (1 - cosine). Written is a
folder of the usual kind, so that every command takes it as `--backbone`.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
import warnings
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
SHARE = 0.4
"""Of the data tokens, those that are masked."""
CASES = 150
"""Train cases of a set, at most: drawn at random, so that no set drowns the others."""
BATCH = 64
RATE = 5e-4
HELD = 0.05
"""Of the inputs, those by which it is told how well the model fills gaps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--sets", nargs="+", help="default: those of development.toml")
    parser.add_argument("--layers", type=int, default=2, help="default: 2; the default reads one")
    parser.add_argument("--minutes", type=float, default=30, help="of training; default: 30")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the model")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sets = options.sets or tomllib.loads((HERE / "development.toml").read_text())["sets"]
    started = time.perf_counter()
    inputs = [one for name in sets for one in tokens_of(name, options.data_dir, options.seed)]
    count = sum(len(words) for words, _ in inputs)
    print(f"{count} inputs of {len(sets)} sets, {time.perf_counter() - started:.0f} s", flush=True)
    told = train(inputs, options)
    print(json.dumps(told))


def tokens_of(name: str, data_dir: Path | None, seed: int) -> list[tuple[Tensor, Tensor]]:
    """What the language model is given of a set's train series: word vectors (B, L, D) of each
    prompt's inputs, and where the data stand (B, K)."""
    from tsprompt import PromptClassifier
    from tsprompt.data import as_cases
    from tsprompt_datasets import load_dataset

    cases = load_dataset(name, data_dir=data_dir).train.cases
    picked = np.random.default_rng(seed).permutation(len(cases))[:CASES]
    chosen = as_cases([cases[int(one)] for one in np.sort(picked)])
    model = PromptClassifier(random_state=seed, device="cpu", dtype="float32")
    model.fit(chosen, np.arange(len(chosen)) % 2)  # its head is not looked at: labels are made up
    bert = model.fitted_.reader.backbone.model
    found: list[tuple[Tensor, Tensor]] = []
    words: dict[int, Tensor] = {}  # of each thread: batches are read side by side

    def enter(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        words[get_ident()] = given[0].detach().to(torch.float16).clone()

    def ask(_: nn.Module, given: tuple[Any, ...]) -> None:
        if len(given) > 1 and given[1] is not None:
            found.append((words[get_ident()], given[1].clone()))

    hooks = [
        bert.embeddings.register_forward_pre_hook(enter),
        bert.encoder.layer[0].register_forward_pre_hook(ask),
    ]
    model.fitted_.features(chosen)
    for one in hooks:
        one.remove()
    return found


class Filler(nn.Module):
    """Layers that fill gaps."""

    def __init__(self, folder: Path, layers: int) -> None:
        from transformers import BertModel

        super().__init__()
        read = BertModel.from_pretrained(folder, add_pooling_layer=False)
        config = read.config
        config.num_hidden_layers = layers
        self.model = BertModel(config, add_pooling_layer=False)
        self.model.embeddings.load_state_dict(read.embeddings.state_dict())
        self.model.embeddings.requires_grad_(False)
        self.gap = nn.Parameter(torch.zeros(config.hidden_size))
        self.back = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, words: Tensor, at: Tensor, seed: int) -> Tensor:
        """How far the filled gaps of word vectors (B, L, D), at some of the positions (B, K), point
        from what stood there."""
        words = words.float()
        masked = torch.rand(at.shape, generator=torch.Generator().manual_seed(seed)) < SHARE
        case, place = masked.nonzero(as_tuple=True)
        where = at[case, place]
        given = words.clone()
        given[case, where] = self.gap
        with torch.autocast("cpu", torch.bfloat16):
            said = self.back(self.model(inputs_embeds=given).last_hidden_state[case, where])
        return 1 - nn.functional.cosine_similarity(said.float(), words[case, where]).mean()


def train(inputs: list[tuple[Tensor, Tensor]], options: argparse.Namespace) -> dict[str, float]:
    """Train for so long, and write the model; says how near the filled gaps come."""
    from transformers import AutoTokenizer

    from tsprompt.backbones.catalogue import BUNDLED

    torch.manual_seed(options.seed)
    folder = BUNDLED["minilm"].path()
    filler = Filler(folder, options.layers).train()
    learned = [one for one in filler.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=RATE, weight_decay=0.01)
    rng = np.random.default_rng(options.seed)
    batches = [
        (words[rows], at[rows])
        for words, at in inputs
        for rows in torch.from_numpy(rng.permutation(len(words))).split(BATCH)
    ]
    batches = [batches[one] for one in rng.permutation(len(batches))]
    apart = max(1, round(HELD * len(batches)))
    held, batches = batches[:apart], batches[apart:]

    def judge() -> float:
        filler.eval()
        with torch.no_grad():
            found = float(np.mean([float(filler(*one, seed=1)) for one in held]))
        filler.train()
        return found

    before, steps, started, limit = judge(), 0, time.perf_counter(), 60 * options.minutes
    while (spent := time.perf_counter() - started) < limit:
        # The step size rises over 100 steps, and falls to nought by half a cosine.
        falling = 0.5 * (1 + np.cos(np.pi * spent / limit))
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, (steps + 1) / 100) * falling
        loss = filler(*batches[steps % len(batches)], seed=2 + steps)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        steps += 1
        if steps % 200 == 0:
            print(
                f"{spent:.0f} s, {steps} of {len(batches)} a round, held {judge():.3f}", flush=True
            )
    after = judge()
    filler.model.eval().save_pretrained(options.out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(options.out)
    return {"before": before, "after": after, "steps": steps, "rounds": steps / len(batches)}


if __name__ == "__main__":
    main()
