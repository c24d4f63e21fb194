"""Center loss: pulls embeddings towards the mean of their class.

Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition" (ECCV 2016; no arXiv number):

    L = 1/2 |x - c_y|^2, its gradient x - c_y
    after the step, for each class with n > 0 rows: c <- c - alpha * sum(c - x) / (1 + n)

The paper sums L over the batch; its reference code averages, which is the default here. Centers are no parameters: the
rule has another step size than any optimizer, and depends on counts over all ranks.

Shapes: n rows on this rank, E embedding width, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pc_align.distributed import all_reduce_sum
from pc_align.objectives._heads import check_prototypes, check_sizes
from pc_align.objectives._rows import (
    Reduction,
    check_number,
    check_reduction,
    check_rows,
    compute_dtype,
    reduced,
    unit_rows,
)


class CenterLoss(nn.Module):
    """Half the squared distance to the center of the own class.

    Args:
        num_classes: K, at least 2.
        embed_dim: E.
        alpha: share of the way that a center goes at an update, in 0..1.
        reduction: "mean" or "sum" over the rows of all ranks.
        prototypes: [K, E] frozen centers, such as text embeddings of the class names; `update` then does nothing.
        normalize: whether embeddings are brought to length 1. None: no for learned centers, as in the paper; yes for
            prototypes, where the loss is then 1 - cosine for prototypes of length 1.

    Attributes:
        centers: [K, E], a buffer; 0 at the start.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss_of = CenterLoss(10, 64)
        >>> x, labels = torch.randn(8, 64, requires_grad=True), torch.randint(10, (8,))
        >>> loss_of(x, labels).backward()
        >>> loss_of.update(x.detach(), labels)  # once after the optimizer's step, on every rank
    """

    centers: Tensor

    def __init__(
        self,
        num_classes: int,
        embed_dim: int,
        alpha: float = 0.5,
        reduction: Reduction = "mean",
        *,
        prototypes: Tensor | None = None,
        normalize: bool | None = None,
    ) -> None:
        super().__init__()
        check_sizes(embed_dim, num_classes)
        check_reduction(reduction)
        self.num_classes, self.embed_dim, self.reduction = num_classes, embed_dim, reduction
        self.alpha = check_number("alpha", alpha, 0, 1)
        self.frozen = prototypes is not None
        self.normalize = self.frozen if normalize is None else bool(normalize)
        start = torch.zeros(num_classes, embed_dim)
        self.register_buffer(
            "centers", start if prototypes is None else check_prototypes(prototypes, num_classes, embed_dim)
        )

    @torch.no_grad()
    def set_prototypes(self, prototypes: Tensor) -> None:
        """Replaces frozen centers [K, E]; raises ValueError where they are learned."""
        if not self.frozen:
            raise ValueError("prototypes can be set only where the loss was made with prototypes")
        self.centers.copy_(prototypes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            embeddings: [n, E] raw, not normalised.
            labels: [n] integers in 0..K-1.

        Returns:
            Scalar in float32 (float64 for float64 inputs or centers), also under autocast.

        Raises:
            ValueError: wrong shapes, labels out of range or not integers, NaN; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        counts = self._check("CenterLoss", embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            x = self._prepared(embeddings)
            own_sum = 0.5 * (x - self.centers.to(x.dtype)[labels.long()]).square().sum()
            return reduced(own_sum, counts, self.reduction)

    @torch.no_grad()
    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Moves the centers of the classes in the global batch; the same on all ranks.

        Every rank calls it once after the optimizer's step, with the embeddings of that step's forward (of all its
        micro-batches together).

        Args:
            embeddings: [n, E], without graph.
            labels: [n] integers in 0..K-1.

        Raises:
            ValueError: as `forward`.
        """
        if self.frozen:
            return
        self._check("CenterLoss.update", embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            x = self._prepared(embeddings)
            # [K, E + 1]: sum of c - x over the rows of each class, and their number, in one collective.
            moves = torch.cat([self.centers.to(x.dtype)[labels.long()] - x, x.new_ones(len(x), 1)], dim=1)
            total = all_reduce_sum(x.new_zeros(self.num_classes, moves.shape[1]).index_add_(0, labels.long(), moves))
            self.centers -= (self.alpha * total[:, :-1] / (1 + total[:, -1:])).to(self.centers.dtype)

    def _check(self, call: str, embeddings: Tensor, labels: Tensor) -> list[int]:
        facts = {"alpha": self.alpha, "reduction": self.reduction, "number of classes": self.num_classes}
        named = {"embeddings": embeddings}
        return check_rows(call, named, labels, embed_dim=self.embed_dim, num_classes=self.num_classes, facts=facts)

    def _prepared(self, embeddings: Tensor) -> Tensor:
        x = embeddings.to(compute_dtype(embeddings, self.centers))
        return unit_rows(x) if self.normalize else x

    def extra_repr(self) -> str:
        """The arguments, for print(model)."""
        kind = "frozen" if self.frozen else f"alpha={self.alpha}"
        return f"num_classes={self.num_classes}, embed_dim={self.embed_dim}, {kind}, normalize={self.normalize}"
