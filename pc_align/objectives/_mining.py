"""Triplets of a global batch: which of them count, what they cost, and the gradient for every distance.

A hinge or softplus of d_ap - d_an depends on the distances alone. So the triplets are looked at without a graph, a few
anchors at a time, and leave one number for each pair: the derivative of the cost by that pair's distance. Memory grows
with n x N, not with the number of triplets.

Shapes: n anchors on this rank, N candidates of all ranks, c anchors at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Mining = Literal["batch_all", "batch_hard", "semi_hard"]
Distance = Literal["euclidean", "squared", "cosine"]

_TRIPLETS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Rule:
    """How triplets are chosen and what one costs: max(0, d_ap - d_an + margin), or softplus(d_ap - d_an)."""

    mining: Mining
    margin: float
    soft_margin: bool = False

    def cost(self, gap: Tensor) -> Tensor:
        """gap = d_ap - d_an."""
        return F.softplus(gap) if self.soft_margin else (gap + self.margin).clamp_min(0)

    def slope(self, gap: Tensor) -> Tensor:
        """Derivative of the cost by the gap."""
        return gap.sigmoid() if self.soft_margin else (gap + self.margin > 0).to(gap.dtype)

    def chosen(self, gap: Tensor, valid: Tensor) -> Tensor:
        """Which triplets of "batch_all" and "semi_hard" the mean is over."""
        if self.mining == "semi_hard":
            return valid & (gap < 0) & (gap + self.margin > 0)
        return valid if self.soft_margin else valid & (gap + self.margin > 0)


@dataclass
class Mined:
    """Sum of the costs of this rank's anchors, how many terms it has (int64), and d(sum)/d(distances) [n, N]."""

    total: Tensor
    count: Tensor
    slopes: Tensor


def positives_and_negatives(own: Tensor, everyone: Tensor, offset: int | None) -> tuple[Tensor, Tensor]:
    """Masks [n, N] of the candidates of each anchor.

    Args:
        own: [n] labels of the anchors.
        everyone: [N] labels of the candidates.
        offset: position of the first anchor among the candidates, where an anchor is no positive of itself; None where
            candidates are other embeddings, and the own pair counts.
    """
    same = own[:, None] == everyone
    positive = same.clone()
    if offset is not None:
        positive.diagonal(offset)[: len(own)].fill_(False)
    return positive, ~same


@torch.no_grad()
def mine(distances: Tensor, positive: Tensor, negative: Tensor, rule: Rule) -> Mined:
    """Looks at all triplets of [n, N] distances."""
    if rule.mining == "batch_hard":
        return _hardest(distances, positive, negative, rule)
    n, N = distances.shape
    mined = _nothing(distances)
    height = max(1, _TRIPLETS_AT_ONCE // max(N * N, 1))
    for start in range(0, n, height):
        rows = slice(start, start + height)
        gap = distances[rows, :, None] - distances[rows, None, :]  # [c, N, N]: d_ap - d_an
        chosen = rule.chosen(gap, positive[rows, :, None] & negative[rows, None, :])
        slope = torch.where(chosen, rule.slope(gap), 0)
        mined.total += torch.where(chosen, rule.cost(gap), 0).sum()
        mined.count += chosen.sum()
        mined.slopes[rows] = slope.sum(dim=2) - slope.sum(dim=1)
    return mined


def _hardest(distances: Tensor, positive: Tensor, negative: Tensor, rule: Rule) -> Mined:
    both = positive.any(dim=1) & negative.any(dim=1)
    mined = _nothing(distances)
    if not bool(both.any()):
        return mined
    d_ap, p = distances.masked_fill(~positive, -torch.inf).max(dim=1, keepdim=True)
    d_an, n = distances.masked_fill(~negative, torch.inf).min(dim=1, keepdim=True)
    gap = torch.where(both[:, None], d_ap - d_an, 0)
    slope = torch.where(both[:, None], rule.slope(gap), 0)
    mined.slopes.scatter_add_(1, p, slope).scatter_add_(1, n, -slope)
    return Mined(torch.where(both[:, None], rule.cost(gap), 0).sum(), both.sum(), mined.slopes)


def _nothing(distances: Tensor) -> Mined:
    count = torch.zeros((), dtype=torch.int64, device=distances.device)
    return Mined(distances.new_zeros(()), count, torch.zeros_like(distances))


class _WithSlopes(torch.autograd.Function):
    """The mined sum, as a function of the distances that it came from."""

    @staticmethod
    def forward(ctx: Any, distances: Tensor, total: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        return total.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * grad, None, None


def mined_sum(distances: Tensor, mined: Mined) -> Tensor:
    """The sum of the chosen costs, with the graph of the distances."""
    total: Tensor = _WithSlopes.apply(distances, mined.total, mined.slopes)
    return total
