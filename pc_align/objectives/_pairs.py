"""What the objectives over pairs share: checked inputs, unit rows, stripes of the similarity matrix.

Shapes: n rows on this rank, N rows on all ranks, E embedding width, c rows in a stripe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pc_align.distributed import Fact, agree, rank

SMALLEST_NORM = 1e-6  # a shorter row has no direction: its cosines and its gradient are 0
_TALLEST, _TILE_NUMBERS = 1024, 1 << 23  # of a stripe, where the caller sets no chunk size: 32 MiB in float32
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@dataclass(frozen=True)
class Pairs:
    """Checked inputs of an objective over all pairs of point clouds and captions.

    Attributes:
        points, texts: [n, E] as the caller gave them, without their graph.
        point_inverse, text_inverse: [n, 1] one over each row's norm, 0 for a row that counts as zero.
        scale: the logit scale as a number.
        counts: rows of every rank.
        dtype: what is computed in: float32, or float64 for float64 inputs.
    """

    points: Tensor
    texts: Tensor
    point_inverse: Tensor
    text_inverse: Tensor
    scale: float
    counts: list[int]
    dtype: torch.dtype

    @property
    def offset(self) -> int:
        """Column of this rank's first row."""
        return sum(self.counts[: rank()])

    @property
    def total(self) -> int:
        """N."""
        return sum(self.counts)

    def unit_points(self, rows: slice) -> Tensor:
        """[c, E] unit rows."""
        return self.points[rows].to(self.dtype) * self.point_inverse[rows]

    def unit_texts(self, rows: slice = slice(None)) -> Tensor:
        """[c, E] unit rows, all by default."""
        return self.texts[rows].to(self.dtype) * self.text_inverse[rows]


def check_pairs(
    call: str,
    points: Tensor,
    texts: Tensor,
    logit_scale: Tensor,
    caption_ids: Tensor | None,
    *,
    facts: Mapping[str, Fact] | None = None,
    scalars: Mapping[str, Tensor] | None = None,
) -> Pairs:
    """Checks this rank's input, and agrees on it with the other ranks before any rows move.

    Args:
        call: the objective's name, for messages.
        points, texts: [n, E] floating point.
        logit_scale: positive scalar.
        caption_ids: [n] integers or None.
        facts: what else must be equal on all ranks, by name.
        scalars: other finite real numbers that must be equal on all ranks, by name.

    Raises:
        ValueError: bad input (`RankInputError` on every rank, if there are several).
        DistributedError: the ranks disagree on a fact, or one of them does not come.
    """
    numbers = {"logit scale": logit_scale, **(scalars or {})}
    problem = _shape_problem(points, texts, caption_ids) or _scalar_problem(numbers)
    if problem:
        agree(call, 0, problem=f"{call}: {problem}")
    dtype = torch.promote_types(torch.promote_types(points.dtype, texts.dtype), torch.float32)
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        norms = [torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=dtype) for x in (points, texts)]
        inverse = [torch.where(norm < SMALLEST_NORM, 0, 1 / norm) for norm in norms]
        # A sum is finite only if every norm in it is: a few numbers tell, and one copy brings them from a device.
        on_device = [torch.as_tensor(number, device=points.device).reshape(()) for number in numbers.values()]
        values = torch.stack([x.double() for x in (norms[0].sum(), norms[1].sum(), *on_device)]).tolist()
    values_by_name = dict(zip(numbers, values[2:], strict=True))
    problem = _value_problem(values[0], values[1], values_by_name)
    wanted = torch.is_grad_enabled()
    common: dict[str, Fact] = {
        "embedding width": points.shape[1],
        "data type": str(dtype).removeprefix("torch."),
        "presence of caption ids": caption_ids is not None,
        "need of gradients of points": wanted and points.requires_grad,
        "need of gradients of texts": wanted and texts.requires_grad,
    }
    common |= {} if problem else values_by_name
    counts = agree(call, points.shape[0], facts={**common, **(facts or {})}, problem=problem and f"{call}: {problem}")
    return Pairs(points.detach(), texts.detach(), inverse[0], inverse[1], values_by_name["logit scale"], counts, dtype)


def _shape_problem(points: Tensor, texts: Tensor, caption_ids: Tensor | None) -> str | None:
    for name, x in (("point", points), ("text", texts)):
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            return f"{name} embeddings must be a floating point tensor, not {what}"
    if points.ndim != 2 or points.shape != texts.shape:
        return f"point and text embeddings must both be [B, E], not {list(points.shape)} and {list(texts.shape)}"
    if points.device != texts.device:
        return f"point and text embeddings must be on one device, not on {points.device} and {texts.device}"
    if caption_ids is None:
        return None
    if not isinstance(caption_ids, Tensor) or caption_ids.dtype not in _INTEGERS:
        return f"caption ids must be an integer tensor, not {getattr(caption_ids, 'dtype', type(caption_ids).__name__)}"
    if caption_ids.shape != points.shape[:1]:
        return f"caption ids must be [{points.shape[0]}], one for each row, not {list(caption_ids.shape)}"
    return None


def _scalar_problem(numbers: Mapping[str, Tensor]) -> str | None:
    for name, number in numbers.items():
        if isinstance(number, Tensor) and (number.numel() != 1 or number.is_complex()):
            return f"the {name} must be one real number, not {list(number.shape)} {number.dtype}"
    return None


def _value_problem(point_sum: float, text_sum: float, numbers: Mapping[str, float]) -> str | None:
    for name, norm_sum in (("point", point_sum), ("text", text_sum)):
        if not math.isfinite(norm_sum):
            return f"{name} embeddings hold NaN, infinity or rows too long to normalise"
    for name, number in numbers.items():
        if not math.isfinite(number):
            return f"the {name} must be finite, not {number}"
    if not numbers["logit scale"] > 0:
        return f"the logit scale must be positive, not {numbers['logit scale']}"
    return None


def rows_per_stripe(rows: int, columns: int, chunk_size: int | None) -> int:
    """Rows of the similarity matrix to hold at once: the caller's choice, or what suits the processor's caches."""
    return chunk_size or max(64, min(_TALLEST, _TILE_NUMBERS // max(columns, 1)))


def stripes(rows: int, height: int) -> Iterator[slice]:
    """Slices of at most `height` rows that cover them all; none for 0 rows."""
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def through_normalisation(grad: Tensor, unit: Tensor, inverse: Tensor, factor: Tensor | float) -> Tensor:
    """In place: from the gradient of unit rows to factor times that of the raw rows.

    Args:
        grad: [c, E], overwritten.
        unit: [c, E] x / |x|.
        inverse: [c, 1] 1 / |x|; 0 gives 0.
        factor: what everything is multiplied by.

    Returns:
        [c] the dot product of each row's gradient, as it came in, with its unit row.
    """
    along = torch.linalg.vecdot(grad, unit)
    grad.addcmul_(along[:, None], unit, value=-1)
    # Where all rows pull one candidate the same way, along is B times what is left: its rounding must go as well.
    grad.addcmul_(torch.linalg.vecdot(grad, unit)[:, None], unit, value=-1).mul_(inverse * factor)
    return along
