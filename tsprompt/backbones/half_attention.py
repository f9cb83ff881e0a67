"""Attention in bfloat16 on a processor: its products by the library that the linear layers use.

torch's own joint operation works out scores in float32 and takes some 30 % longer where a row is
neither very short nor long. Here scores are rounded to bfloat16, as all else is, a few rows at a
time, so that they stay in the cache.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["attend"]

_LEAST, _MOST = 1 << 13, 1 << 18
"""Scores of a row between which this pays; and the most that a core holds at once: 512 KiB."""


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """What queries (b, heads, K, d) take of values (b, heads, L, d): (b, heads, K, d)."""
    each = query.shape[1] * query.shape[2] * key.shape[2]
    if not (_LEAST <= each <= _MOST and _pays(query, key, value)):
        return functional.scaled_dot_product_attention(query, key, value, scale=scale)
    rows = max(1, _MOST * torch.get_num_threads() // each)
    parts = zip(query.split(rows), key.split(rows), value.split(rows), strict=True)
    return torch.cat([_some(q, k, v, scale) for q, k, v in parts])


def _pays(*tensors: Tensor) -> bool:
    """Whether these are bfloat16 on a processor, and no gradient is asked of them."""
    first = tensors[0]
    gradient = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    return first.dtype == torch.bfloat16 and first.device.type == "cpu" and not gradient


def _some(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    shape = query.shape
    query, key, value = (one.flatten(0, 1) for one in (query, key, value))
    nothing = query.new_empty(1, 1, 1)
    scores = torch.baddbmm(nothing, query, key.transpose(1, 2), beta=0, alpha=scale)
    return torch.bmm(scores.softmax(dim=-1), value).view(shape)
