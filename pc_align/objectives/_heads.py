"""What all objectives with one weight vector a class share, and the core of the angular family.

A head of that family is four choices: whether the embedding's length counts or a scale takes its place, whether the
class weights' lengths count, what that scale is, and psi, which turns the cosine with the own class into a smaller one.

Shapes: n rows on this rank, E embedding width, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.distributed import Fact
from pc_align.objectives._pairs import SMALLEST_NORM
from pc_align.objectives._rows import Reduction, angles, check_reduction, check_rows, compute_dtype, reduced, unit_rows


class ClassHead(nn.Module):
    """An objective over class weights: checks, float32, reduction. A subclass says what a row costs.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        prototypes: [K, E] frozen class weights, such as text embeddings of the class names; None learns them.
        reduction: "mean" or "sum" over the rows of all ranks.

    Attributes:
        weight: [K, E], a parameter, or a buffer where prototypes are given.
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        *,
        prototypes: Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_sizes(embed_dim, num_classes)
        check_reduction(reduction)
        self.embed_dim, self.num_classes, self.reduction = embed_dim, num_classes, reduction
        self.weight: Tensor
        if prototypes is None:
            self.weight = nn.Parameter(F.normalize(torch.randn(num_classes, embed_dim), dim=1))
        else:
            self.register_buffer("weight", check_prototypes(prototypes, num_classes, embed_dim))

    @torch.no_grad()
    def set_prototypes(self, prototypes: Tensor) -> None:
        """Replaces frozen class weights, for prototypes that pass through a projection that is still learned.

        Args:
            prototypes: [K, E].

        Raises:
            ValueError: the class weights are learned.
        """
        if isinstance(self.weight, nn.Parameter):
            raise ValueError("prototypes can be set only where the head was made with prototypes")
        self.weight.copy_(prototypes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            embeddings: [n, E] raw, not normalised.
            labels: [n] integers in 0..K-1.

        Returns:
            Scalar in float32 (float64 for float64 inputs or weights), also under autocast.

        Raises:
            ValueError: wrong shapes, labels out of range or not integers, NaN; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        counts = check_rows(
            type(self).__name__,
            {"embeddings": embeddings},
            labels,
            embed_dim=self.embed_dim,
            num_classes=self.num_classes,
            facts=self.facts(),
        )
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = compute_dtype(embeddings, self.weight)
            costs = self.costs(embeddings.to(dtype), self.weight.to(dtype), labels.long())
            return reduced(costs.sum(), counts, self.reduction)

    def costs(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        """Cost of each row: x [n, E], w [K, E], labels [n] -> [n]."""
        return F.cross_entropy(self.logits(x, w, labels), labels, reduction="none")

    def logits(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        """What the softmax takes: x [n, E], w [K, E], labels [n] -> [n, K]."""
        raise NotImplementedError

    def facts(self) -> dict[str, Fact]:
        """What must be equal on all ranks, by name: the plain numbers and words that the head was made with."""
        return {name: value for name, value in vars(self).items() if _is_argument(name, value)}

    def extra_repr(self) -> str:
        """The arguments, for print(model)."""
        return ", ".join(f"{name}={value!r}" for name, value in self.facts().items())


def _is_argument(name: str, value: Any) -> bool:
    return not name.startswith("_") and name != "training" and isinstance(value, (str, int, float))


class AngularHead(ClassHead):
    """The core of the family: logit_j = length * cos(x, w_j), the own class with psi(cos) in the cosine's place.

    Args:
        scale: takes the place of |x|; None keeps |x|.
        unit_weight: whether the lengths of the class weights are left out.
        **rest: as `ClassHead`.
    """

    def __init__(
        self, embed_dim: int, num_classes: int, *, scale: float | None, unit_weight: bool = True, **rest: Any
    ) -> None:
        super().__init__(embed_dim, num_classes, **rest)
        self._scale, self._unit_weight = scale, unit_weight

    def logits(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        cosines = unit_rows(x) @ unit_rows(w).T
        own = labels[:, None]
        return self.lengths(x, w) * cosines.scatter(1, own, self.psi(cosines.gather(1, own)))

    def lengths(self, x: Tensor, w: Tensor) -> Tensor | float:
        """What multiplies the cosines; broadcasts to [n, K]."""
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True) if self._scale is None else self._scale
        return length if self._unit_weight else length * torch.linalg.vector_norm(w, dim=1)

    def psi(self, cosines: Tensor) -> Tensor:
        """The cosine with the own class, made harder by the margin; never above `cosines`."""
        return cosines

    def warn_if_infeasible(
        self, margin: float, largest: Callable[[float], float], class_names: Sequence[str] | None
    ) -> None:
        """Warns where frozen prototypes lie so close that no embedding at all can meet the margin.

        Args:
            margin: of the head.
            largest: from the angle of two prototypes to the largest margin that they leave room for.
            class_names: K names for the message.
        """
        if isinstance(self.weight, nn.Parameter):
            return
        i, j, angle = closest_pair(self.weight)
        if margin >= largest(angle):
            first, second = (repr(class_names[c]) if class_names else f"class {c}" for c in (i, j))
            warnings.warn(
                f"{type(self).__name__}: margin {margin:g} cannot be met by the prototypes of {first} and {second}, "
                f"which are {angle:.3f} rad apart; the largest feasible margin is {largest(angle):.3f}",
                stacklevel=3,
            )


@torch.no_grad()
def closest_pair(prototypes: Tensor) -> tuple[int, int, float]:
    """The two rows of [K, E] with the smallest angle, and that angle in radians."""
    unit = unit_rows(prototypes.double())
    cosines = unit @ unit.T
    cosines.fill_diagonal_(-torch.inf)
    i, j = divmod(int(cosines.argmax()), cosines.shape[1])
    return min(i, j), max(i, j), float(angles(cosines[i, j]))


def check_sizes(embed_dim: int, num_classes: int) -> None:
    """Raises ValueError for sizes that no head can have."""
    for name, value, least in (("embed_dim", embed_dim, 1), ("num_classes", num_classes, 2)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            reason = "; with one class there is nothing to tell apart" if name == "num_classes" else ""
            raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}{reason}")


def check_prototypes(prototypes: Tensor, num_classes: int, embed_dim: int) -> Tensor:
    """A copy without graph; raises ValueError for another shape, NaN, or a row without direction."""
    if not isinstance(prototypes, Tensor) or not prototypes.is_floating_point():
        kind = getattr(prototypes, "dtype", type(prototypes).__name__)
        raise ValueError(f"prototypes must be a floating point tensor, not {kind}")
    if prototypes.shape != (num_classes, embed_dim):
        raise ValueError(
            f"prototypes must be [{num_classes}, {embed_dim}] (num_classes, embed_dim), not {list(prototypes.shape)}"
        )
    norms = torch.linalg.vector_norm(prototypes.detach(), dim=1, dtype=compute_dtype(prototypes))
    if not bool(norms.isfinite().all()):
        raise ValueError("prototypes hold NaN or infinity")
    if bool((norms < SMALLEST_NORM).any()):
        raise ValueError(f"prototypes must have a direction, but row {int(norms.argmin())} is zero")
    return prototypes.detach().clone()
