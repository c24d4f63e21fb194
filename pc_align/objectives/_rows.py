"""What the objectives over labelled rows share: checked inputs, unit rows, reductions over all ranks.

Shapes: n rows on this rank, N rows on all ranks, E embedding width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pc_align.distributed import Fact, agree, share_of_mean, world_size
from pc_align.objectives._pairs import SMALLEST_NORM

Reduction = Literal["mean", "sum"]
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_rows(
    call: str,
    embeddings: Mapping[str, Tensor],
    labels: Tensor | None = None,
    *,
    embed_dim: int | None = None,
    num_classes: int | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> list[int]:
    """Checks this rank's input, and agrees on it with the other ranks before any rows move.

    Args:
        call: the objective's name, for messages.
        embeddings: argument name -> [n, E] floating point, all of one shape.
        labels: [n] integers, or None for an objective without labels.
        embed_dim: the E that the objective was made for.
        num_classes: labels must be in 0..num_classes - 1; None takes any integer.
        facts: what else must be equal on all ranks, by name.

    Returns:
        Rows of every rank.

    Raises:
        ValueError: bad input (`RankInputError` on every rank, if there are several).
        DistributedError: the ranks disagree on a fact, or one of them does not come.
    """
    problem = _shape_problem(embeddings, labels, embed_dim) or _value_problem(embeddings, labels, num_classes)
    if problem:
        agree(call, 0, problem=f"{call}: {problem}")
    wanted = torch.is_grad_enabled()
    first = next(iter(embeddings.values()))
    common: dict[str, Fact] = {"embedding width": first.shape[1], "data type": str(compute_dtype(*embeddings.values()))}
    common |= {f"need of gradients of {name}": wanted and x.requires_grad for name, x in embeddings.items()}
    return agree(call, first.shape[0], facts={**common, **(facts or {})})


def _shape_problem(embeddings: Mapping[str, Tensor], labels: Any, embed_dim: int | None) -> str | None:
    first = next(iter(embeddings.values()))
    for name, x in embeddings.items():
        if not isinstance(x, Tensor) or not x.is_floating_point():
            return f"{name} must be a floating point tensor, not {_kind(x)}"
        if x.ndim != 2 or x.shape != first.shape:
            return f"{name} must be {'[B, E]' if x is first else list(first.shape)}, not {list(x.shape)}"
        if embed_dim is not None and x.shape[1] != embed_dim:
            return f"{name} must be [B, {embed_dim}], not {list(x.shape)}"
    if labels is None:
        return None
    if not isinstance(labels, Tensor) or labels.dtype not in _INTEGERS:
        return f"labels must be an integer tensor, not {_kind(labels)}"
    if labels.shape != first.shape[:1]:
        return f"labels must be [{first.shape[0]}], one for each row, not {list(labels.shape)}"
    return None


def _kind(x: Any) -> str:
    return str(x.dtype) if isinstance(x, Tensor) else type(x).__name__


def _value_problem(embeddings: Mapping[str, Tensor], labels: Tensor | None, num_classes: int | None) -> str | None:
    names = list(embeddings)
    with torch.no_grad():
        # A sum of norms is finite only if every number is: a few numbers tell, and one copy brings them from a device.
        figures = [torch.linalg.vector_norm(x, dtype=compute_dtype(x)).double() for x in embeddings.values()]
        if labels is not None and num_classes is not None and labels.numel():
            figures += [labels.min().double(), labels.max().double()]
        values = torch.stack([figure.to(figures[0].device) for figure in figures]).tolist()
    for name, value in zip(names, values, strict=False):
        if not math.isfinite(value):
            return f"{name} hold NaN or infinity"
    if num_classes is not None and len(values) > len(names):
        lowest, highest = int(values[-2]), int(values[-1])
        if lowest < 0 or highest >= num_classes:
            wrong = lowest if lowest < 0 else highest
            return f"labels must be in 0..{num_classes - 1}, but one is {wrong}"
    return None


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """What a loss is computed in: float32, or float64 where an input is float64."""
    dtype = torch.float32
    for x in tensors:
        dtype = torch.promote_types(dtype, x.dtype)
    return dtype


def unit_rows(x: Tensor) -> Tensor:
    """[n, E] rows of length 1; a row shorter than 1e-6 has no direction: it becomes 0, with gradient 0."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    has_direction = norm >= SMALLEST_NORM
    return torch.where(has_direction, x, 0) / torch.where(has_direction, norm, 1)


def angles(cosines: Tensor) -> Tensor:
    """arccos in radians with a gradient that is 0, not infinite, where a cosine is 1 or -1."""
    inside = cosines.abs() < 1 - torch.finfo(cosines.dtype).eps
    return torch.where(inside, torch.where(inside, cosines, 0).acos(), cosines.detach().clamp(-1, 1).acos())


def reduced(own_sum: Tensor, counts: list[int], reduction: Reduction) -> Tensor:
    """What a rank returns, so that the mean over ranks is the mean, or the sum, over the rows of all ranks."""
    return own_sum * world_size() if reduction == "sum" else share_of_mean(own_sum, counts)


def check_reduction(reduction: str) -> None:
    """Raises ValueError for a reduction that is not "mean" or "sum"."""
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', not {reduction!r}")


def check_number(name: str, value: Any, lowest: float, highest: float = math.inf, *, above: bool = False) -> float:
    """The number as a float.

    Args:
        name: of the argument, for the message.
        lowest, highest: the range, both ends included (infinity never is).
        above: leaves `lowest` itself out.

    Raises:
        ValueError: no number, or one out of range.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    in_range = number and (lowest < value if above else lowest <= value) and value <= highest and not math.isinf(value)
    if not in_range:
        low = f"above {lowest:g}" if above else f"at least {lowest:g}"
        high = "" if math.isinf(highest) else f", at most {highest:g}"
        raise ValueError(f"{name} must be {low}{high}, not {value!r}")
    return float(value)
