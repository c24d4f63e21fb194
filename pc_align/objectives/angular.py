"""Softmax losses with a margin on the angle to the own class.

With theta_j the angle between x and w_j, each replaces cos(theta_y) by psi(theta_y) in a softmax over the classes:

    L-Softmax (1612.02295)            |x| |w_j| cos,  psi = (-1)^k cos(m theta) - 2k  for theta in [k pi/m, (k+1) pi/m]
    SphereFace, A-Softmax (1704.08063)  |x| cos,      the same psi
    AM-Softmax (1801.05599), CosFace (1801.09414)  s cos,  psi = cos(theta) - m
    ArcFace (1801.07698)              s cos,          psi = cos(theta + m)

The first two mix in the plain cosine: (psi + lambda cos) / (1 + lambda), with a lambda that falls during training.

Shapes: n rows on this rank, E embedding width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pc_align.objectives._heads import AngularHead
from pc_align.objectives._multiple_angle import (
    LSOFTMAX_SCHEDULE,
    SPHEREFACE_SCHEDULE,
    Annealing,
    Lambda,
    Schedule,
    check_multiple,
    multiple_angle,
)
from pc_align.objectives._rows import check_number

BeyondPi = Literal["monotone", "none", "easy"]


class MultiplicativeMargin(AngularHead):
    """psi(m theta), mixed with the plain cosine by lambda: what L-Softmax and SphereFace share.

    Args:
        margin: m, a whole number of 1 to 4; 1 is no margin.
        annealing: a number fixes lambda; "paper" or None follows the schedule.
        schedule: lambda of an iteration; every forward pass in training mode is one.
        **rest: as `AngularHead`.
    """

    def __init__(
        self, embed_dim: int, num_classes: int, margin: int, annealing: Annealing, schedule: Schedule, **rest: Any
    ) -> None:
        super().__init__(embed_dim, num_classes, scale=None, **rest)
        self.margin = check_multiple(margin)
        self.annealing = "paper" if annealing is None else annealing
        self.lambda_ = Lambda(annealing, schedule)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """As `ClassHead.forward`; in training mode it advances lambda."""
        if self.training:
            self.lambda_.advance()
        return super().forward(embeddings, labels)

    def psi(self, cosines: Tensor) -> Tensor:
        return self.lambda_.mix(multiple_angle(cosines, self.margin), cosines)


class LSoftmax(MultiplicativeMargin):
    """Large-margin softmax (arXiv 1612.02295): lengths of embeddings and class weights count, no bias.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        margin: m, a whole number of 1 to 4; 1 is softmax cross entropy.
        annealing: a number fixes lambda; "paper" falls from 1000 to 0 as in its MNIST training.
        prototypes: [K, E] frozen class weights.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = LSoftmax(64, 10, margin=2, annealing=5.0)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        margin: int = 4,
        annealing: Annealing = "paper",
        *,
        prototypes: Tensor | None = None,
    ) -> None:
        super().__init__(
            embed_dim, num_classes, margin, annealing, LSOFTMAX_SCHEDULE, unit_weight=False, prototypes=prototypes
        )


class SphereFace(MultiplicativeMargin):
    """A-Softmax (arXiv 1704.08063): class weights have length 1, the embedding's length counts, no bias.

    The gradient is that of the formula; the authors' code rescales it, and leaves parts of it out.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        margin: m, a whole number of 1 to 4.
        annealing: a number fixes lambda; "paper" falls from 1000 to 5, so that psi never weighs more than 1/6.
        prototypes: [K, E] frozen class weights.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = SphereFace(64, 10, annealing=5.0)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        margin: int = 4,
        annealing: Annealing = "paper",
        *,
        prototypes: Tensor | None = None,
    ) -> None:
        super().__init__(embed_dim, num_classes, margin, annealing, SPHEREFACE_SCHEDULE, prototypes=prototypes)


class AMSoftmax(AngularHead):
    """Additive margin softmax (arXiv 1801.05599): s (cos - m) for the own class, s cos for the others.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        scale: s, above 0.
        margin: m in cosine, 0 to 2.
        prototypes: [K, E] frozen class weights; a margin of 1 - cos of their smallest angle or more gives a warning.
        class_names: K names for that warning.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = AMSoftmax(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        scale: float = 30.0,
        margin: float = 0.35,
        *,
        prototypes: Tensor | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self_scale = check_number("scale", scale, 0, above=True)
        super().__init__(embed_dim, num_classes, scale=self_scale, prototypes=prototypes)
        self.scale, self.margin = self_scale, check_number("margin", margin, 0, 2)
        self.warn_if_infeasible(self.margin, lambda angle: 1 - math.cos(angle), class_names)

    def psi(self, cosines: Tensor) -> Tensor:
        return cosines - self.margin


class CosFace(AMSoftmax):
    """Large margin cosine loss (arXiv 1801.09414): the formula of AM-Softmax, found independently, with scale 64.

    Args:
        embed_dim, num_classes, scale, margin, prototypes, class_names: as `AMSoftmax`.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = CosFace(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        scale: float = 64.0,
        margin: float = 0.35,
        *,
        prototypes: Tensor | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(embed_dim, num_classes, scale, margin, prototypes=prototypes, class_names=class_names)


class ArcFace(AngularHead):
    """Additive angular margin (arXiv 1801.07698): s cos(theta + m) for the own class, s cos(theta) for the others.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        scale: s, above 0.
        margin: m in radians, 0 to pi/2.
        beyond_pi: where theta + m passes pi, cos(theta + m) would rise again. "monotone" takes cos(theta) - m sin(m)
            there; "none" leaves the paper's formula; "easy" has a margin only where cos(theta) > 0.
        gradient: "true", or "detached": the margin counts in the value, while d psi / d cos is 1, as in insightface's
            current code. It is not the gradient of the loss.
        prototypes: [K, E] frozen class weights; a margin of their smallest angle or more gives a warning.
        class_names: K names for that warning.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = ArcFace(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        scale: float = 64.0,
        margin: float = 0.5,
        beyond_pi: BeyondPi = "monotone",
        gradient: Literal["true", "detached"] = "true",
        *,
        prototypes: Tensor | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self_scale = check_number("scale", scale, 0, above=True)
        super().__init__(embed_dim, num_classes, scale=self_scale, prototypes=prototypes)
        self.scale, self.margin = self_scale, check_number("margin", margin, 0, math.pi / 2)
        if beyond_pi not in ("monotone", "none", "easy"):
            raise ValueError(f"beyond_pi must be 'monotone', 'none' or 'easy', not {beyond_pi!r}")
        if gradient not in ("true", "detached"):
            raise ValueError(f"gradient must be 'true' or 'detached', not {gradient!r}")
        self.beyond_pi, self.gradient = beyond_pi, gradient
        self.warn_if_infeasible(self.margin, lambda angle: angle, class_names)

    def psi(self, cosines: Tensor) -> Tensor:
        moved = self._moved(cosines)
        return cosines + (moved - cosines).detach() if self.gradient == "detached" else moved

    def _moved(self, cosines: Tensor) -> Tensor:
        m = self.margin
        # (1 - c)(1 + c) keeps the digits that 1 - c^2 loses; the root's slope at 0 is infinite, so it ends before.
        square = (1 - cosines) * (1 + cosines)
        inside = square > torch.finfo(cosines.dtype).eps
        sines = torch.where(inside, torch.where(inside, square, 1).sqrt(), 0)
        moved = cosines * math.cos(m) - sines * math.sin(m)
        if self.beyond_pi == "easy":
            return torch.where(cosines > 0, moved, cosines)
        if self.beyond_pi == "monotone":
            return torch.where(cosines > -math.cos(m), moved, cosines - m * math.sin(m))
        return moved
