"""The two dataclasses that flow from the data set to the objectives.

Shapes: B clouds in a batch, N points a cloud, C channels, D width of the text transformer, E shared embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class PointTextBatch:
    """B clouds, each with one caption.

    Attributes:
        points: [B, N, C] float32; xyz first, in the frame and scale that the model expects.
        text_features: [B, D] float32, the frozen transformer's embedding of each caption.
        caption_ids: [B] int64, equal for equal captions, on all ranks.
        labels: [B] int64 class index, -1 where there is none.
    """

    points: Tensor
    text_features: Tensor
    caption_ids: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> PointTextBatch:
        """The same batch on another device."""
        return replace(self, **{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})

    def __len__(self) -> int:
        return self.points.shape[0]


@dataclass(frozen=True)
class Embeddings:
    """A batch in the shared space.

    Attributes:
        points: [B, E] projected point features, not normalised.
        texts: [B, E] projected text features, not normalised.
        logit_scale: scalar multiplier of the cosines (already exponentiated), in 1..100.
        logit_bias: scalar that the sigmoid loss adds to its logits; None in a model without one.
        regularization: scalar cost of the encoder itself, a mean over these B clouds; None without one.
    """

    points: Tensor
    texts: Tensor
    logit_scale: Tensor
    logit_bias: Tensor | None = None
    regularization: Tensor | None = None
