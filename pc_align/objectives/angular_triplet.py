"""Angular triplet loss: three different losses share this name.

- "atl", in the repository KaleidoZhouYN/Angular-Triplet-Loss (code only, no paper): SphereFace's softmax whose class
  weights are no parameters but embeddings of the class that were seen lately, and which learns only from rows that are
  not easy (and, with a margin, not hard). "Normalise p and n; update only a."
- "arccos", in insightface: the triplet loss with angles as distances, max(0, theta_ap - theta_an + 0.35).
- "center", angular triplet-center loss for 3D shape retrieval (arXiv 1811.08622):
  max(0, angle(x, c_y) + 1 - min over j != y of angle(x, c_j)).

Shapes: n rows on this rank, N rows on all ranks, E embedding width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pc_align.distributed import all_gather_with_grad, all_reduce_sum
from pc_align.objectives._heads import AngularHead
from pc_align.objectives._mining import Rule
from pc_align.objectives._multiple_angle import SPHEREFACE_SCHEDULE, Annealing, Lambda, check_multiple, multiple_angle
from pc_align.objectives._pairs import SMALLEST_NORM
from pc_align.objectives._rows import angles, check_number, check_rows, compute_dtype, unit_rows
from pc_align.objectives.triplet import mean_over_mined

Mode = Literal["atl", "arccos", "center"]
_MARGINS = {"atl": 1, "arccos": 0.35, "center": 1.0}
_SEED = 20170408  # of the draws in `update`: the same on all ranks, whatever their own random state


class AngularTripletLoss(AngularHead):
    """The three losses that are called angular triplet loss; see the top of this file.

    "atl": logits |x| cos with psi(m theta) for the own class; the mean is over all rows, but rows that are right under
    the margin have no gradient, nor, with m above 1, rows that are wrong without it. `update` sets a class's weight to
    the unit mean of its rows in the global batch, with probability 1/2.
    "arccos": each anchor with its farthest positive and nearest negative; the mean over the anchors that have both.
    "center": class weights are learned; the mean is over all rows.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        mode: which of the three.
        margin: "atl": a whole number of 1 to 4; "arccos", "center": radians, 0 to pi. None is 1, 0.35 and 1.
        annealing: lambda of "atl", as in `SphereFace`: a number fixes it, "paper" follows SphereFace's schedule.
        prototypes: [K, E] frozen class weights of "atl" and "center"; `update` then does nothing.
        class_names: K names, for the warning about prototypes closer than the margin of "center".

    Attributes:
        weight: [K, E], a buffer for "atl"; None for "arccos".

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss_of = AngularTripletLoss(64, 10)
        >>> x, labels = torch.randn(8, 64, requires_grad=True), torch.randint(10, (8,))
        >>> loss_of(x, labels).backward()
        >>> loss_of.update(x.detach(), labels)  # once after the optimizer's step, on every rank
    """

    updates: Tensor

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        mode: Mode = "atl",
        margin: float | None = None,
        annealing: Annealing = 0.0,
        *,
        prototypes: Tensor | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        if mode not in _MARGINS:
            raise ValueError(f"mode must be 'atl', 'arccos' or 'center', not {mode!r}")
        if mode == "arccos" and prototypes is not None:
            raise ValueError("prototypes: mode 'arccos' compares embeddings with each other and takes none")
        super().__init__(embed_dim, num_classes, scale=None, prototypes=prototypes)
        self.mode, self.frozen = mode, prototypes is not None
        given = _MARGINS[mode] if margin is None else margin
        self.margin = check_multiple(given) if mode == "atl" else check_number("margin", given, 0, math.pi)  # type: ignore[arg-type]
        self.lambda_ = Lambda(annealing, SPHEREFACE_SCHEDULE)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        if mode != "center" and not self.frozen:  # no parameter that an optimizer or DDP would wait for
            start = self.weight.detach()
            del self.weight
            self.register_buffer("weight", start if mode == "atl" else None)
        if mode == "center":
            self.warn_if_infeasible(self.margin, lambda angle: angle, class_names)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """As `ClassHead.forward`; in training mode it advances lambda."""
        if self.training:
            self.lambda_.advance()
        return self._between_rows(embeddings, labels) if self.mode == "arccos" else super().forward(embeddings, labels)

    def _between_rows(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        counts = self._check("AngularTripletLoss", embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            unit = unit_rows(embeddings.to(compute_dtype(embeddings)))
            theta = angles(unit @ all_gather_with_grad(unit, counts).T)
            return mean_over_mined(theta, labels, counts, Rule("batch_hard", self.margin), itself=True)

    def costs(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        own = labels[:, None]
        if self.mode == "center":
            theta = angles(unit_rows(x) @ unit_rows(w).T)
            nearest_other = theta.scatter(1, own, torch.inf).amin(dim=1)
            return (theta.gather(1, own)[:, 0] + self.margin - nearest_other).clamp_min(0)
        logits = self.logits(x, w, labels)
        costs = F.cross_entropy(logits, labels, reduction="none")
        learns = logits.argmax(dim=1) != labels
        if self.margin > 1:
            learns &= (x.detach() @ unit_rows(w).T).argmax(dim=1) == labels
        return torch.where(learns, costs, costs.detach())

    def psi(self, cosines: Tensor) -> Tensor:
        return self.lambda_.mix(multiple_angle(cosines, int(self.margin)), cosines)

    @torch.no_grad()
    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Mode "atl": takes new class weights from the global batch; the same on all ranks. Else it does nothing.

        Every rank calls it once after the optimizer's step, with the embeddings of that step's forward (of all its
        micro-batches together).

        Args:
            embeddings: [n, E], without graph.
            labels: [n] integers in 0..K-1.

        Raises:
            ValueError: as `forward`.
        """
        if self.mode != "atl" or self.frozen:
            return
        self._check("AngularTripletLoss.update", embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(compute_dtype(embeddings, self.weight))
            totals = all_reduce_sum(x.new_zeros(self.num_classes, x.shape[1]).index_add_(0, labels.long(), x))
            present = all_reduce_sum(torch.bincount(labels.long(), minlength=self.num_classes))
            means = totals / present.clamp_min(1)[:, None]
            generator = torch.Generator().manual_seed(_SEED + int(self.updates))
            drawn = torch.rand(self.num_classes, generator=generator).to(x.device) < 0.5
            usable = (present > 0) & (torch.linalg.vector_norm(means, dim=1) >= SMALLEST_NORM)
            new = torch.where((drawn & usable)[:, None], unit_rows(means), self.weight.to(x.dtype))
            self.weight.copy_(new)
            self.updates += 1

    def _check(self, call: str, embeddings: Tensor, labels: Tensor) -> list[int]:
        named = {"embeddings": embeddings}
        dims = {"embed_dim": self.embed_dim, "num_classes": self.num_classes}
        return check_rows(call, named, labels, **dims, facts=self.facts())
