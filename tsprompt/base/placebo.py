"""The control of equal budget: training that goes on as ever, by steps that no data has told.

Each gradient that reaches a parameter is replaced by numbers of a standard normal. Cases, batches,
losses, the number of steps and the choice of the best epoch stay as they are; what is lost is where
to step. Adam and its kin divide a step by the size of its gradients, so that steps are as long as
before. Two other controls were not taken. Labels that are permuted in training (Zhang et al. 2017;
control tasks, Hewitt and Liang 2019) leave what the series say: weights that learn random labels
turn towards the data's principal directions (Maennel et al. 2020). And as the loss on cases held
out can't fall then, early stopping would end training at once: the budget would not be equal.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["random_gradients"]


def random_gradients(parameters: Iterable[nn.Parameter], seed: int) -> None:
    """Replace every gradient that will reach these parameters by standard-normal numbers.

    A parameter that no gradient reaches stays without one.
    """
    drawn = torch.Generator().manual_seed(seed)

    def replaced(gradient: Tensor) -> Tensor:
        return torch.randn(gradient.shape, generator=drawn).to(gradient)

    for one in parameters:
        trains = one.requires_grad
        one.requires_grad_(True).register_hook(replaced)
        one.requires_grad_(trains)
