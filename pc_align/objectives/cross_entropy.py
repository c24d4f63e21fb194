"""Cross entropy over classes with a linear head: the plain classifier beside the contrastive objective.

z = x W^T + b,  L = mean over rows of [ (1 - e) * (-ln softmax(z)_y) + e * mean over all K classes of -ln softmax(z)_j ]

Label smoothing as in arXiv 1512.00567 and in torch: the own class takes part in the uniform share.

Shapes: n rows on this rank, E embedding width, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.objectives._heads import ClassHead
from pc_align.objectives._rows import check_number


class CrossEntropyHead(ClassHead):
    """Linear classifier on the raw embeddings.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        label_smoothing: e in 0..1.
        prototypes: [K, E] frozen class weights; the bias is learned all the same.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = CrossEntropyHead(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self, embed_dim: int, num_classes: int, label_smoothing: float = 0.0, *, prototypes: Tensor | None = None
    ) -> None:
        super().__init__(embed_dim, num_classes, prototypes=prototypes)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, 0, 1)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def costs(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        logits = F.linear(x, w, self.bias.to(x.dtype))
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
