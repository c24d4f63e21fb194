"""The margin that multiplies the angle, and the lambda that brings it in slowly; L-Softmax, SphereFace and one more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pc_align.objectives._rows import check_number

Annealing = float | Literal["paper"] | None


@dataclass(frozen=True)
class Schedule:
    """lambda at iteration t = 1, 2, ...: max(lowest, base * (1 + gamma * t) ** -power)."""

    base: float
    gamma: float
    power: float
    lowest: float

    def __call__(self, iteration: int) -> float:
        return max(self.lowest, self.base * (1 + self.gamma * iteration) ** -self.power)


# Of the papers' own training files: L-Softmax on MNIST, SphereFace on faces (where the plain part never leaves).
LSOFTMAX_SCHEDULE = Schedule(base=1000, gamma=2.5e-5, power=35, lowest=0)
SPHEREFACE_SCHEDULE = Schedule(base=1000, gamma=0.12, power=1, lowest=5)


def multiple_angle(cosines: Tensor, margin: int) -> Tensor:
    """psi(theta) = (-1)^k cos(margin theta) - 2k, falling over all of 0..pi, with its true gradient.

    cos(m theta) is the Chebyshev polynomial T_m of the cosine, so no arccos is in the way of the gradient.
    """
    with torch.no_grad():
        k = (cosines.clamp(-1, 1).acos() * (margin / math.pi)).floor().clamp(0, margin - 1)
    before, now = torch.ones_like(cosines), cosines
    for _ in range(margin - 1):
        before, now = now, 2 * cosines * now - before
    return (1 - 2 * (k % 2)) * now - 2 * k


class Lambda(nn.Module):
    """The weight of the plain cosine in the own class's logit.

    Args:
        annealing: a number fixes it; "paper" or None follows the schedule.
        schedule: the weight at an iteration.

    Raises:
        ValueError: annealing that is neither.
    """

    iteration: Tensor

    def __init__(self, annealing: Annealing, schedule: Schedule) -> None:
        super().__init__()
        fixed = annealing is not None and annealing != "paper"
        self._fixed = check_number("annealing", annealing, 0) if fixed else None
        self._schedule = schedule
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))

    @property
    def value(self) -> float:
        """lambda as it is now."""
        return self._schedule(int(self.iteration)) if self._fixed is None else self._fixed

    def advance(self) -> None:
        """One more forward pass in training; counted before it is used, as in the papers' code."""
        if self._fixed is None:
            self.iteration += 1

    def extra_repr(self) -> str:
        """Fixed, or by the schedule."""
        return "fixed" if self._fixed is not None else "paper"

    def mix(self, hard: Tensor, plain: Tensor) -> Tensor:
        """(psi + lambda cos) / (1 + lambda)."""
        weight = self.value
        return (hard + weight * plain) / (1 + weight)


def check_multiple(margin: int) -> int:
    """The margin of `multiple_angle`; raises ValueError where it is no whole number of 1 to 4."""
    check_number("margin", margin, 1, 4)
    if int(margin) != margin:
        raise ValueError(f"margin must be a whole number of 1 to 4, not {margin!r}")
    return int(margin)
