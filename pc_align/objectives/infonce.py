"""InfoNCE between point clouds and captions, with the rows of all ranks as negatives.

CPC (arXiv 1807.03748) gave the loss its name, CLIP (arXiv 2103.00020) its symmetric form. For row i with scores
s_ij = scale * cos(p_i, t_j):  L = mean_i [ -log softmax_j(s_ij)[i] - log softmax_j(s_ji)[i] ] / 2.

Shapes: n rows on this rank, N rows on all ranks, E embedding width.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.distributed import all_gather_rows, all_gather_with_grad, rank, row_counts, world_size

Duplicates = Literal["ignore", "mask", "positive"]


class InfoNCE(nn.Module):
    """Symmetric contrastive loss over the global batch.

    Args:
        duplicates: what to do with pairs that have the same caption id, also on other ranks: "ignore" treats them as
            negatives (plain CLIP), "mask" leaves them out, "positive" sums their probability inside the logarithm.

    Example:
        >>> loss = InfoNCE()(torch.randn(8, 64), torch.randn(8, 64), torch.tensor(14.3))
    """

    def __init__(self, *, duplicates: Duplicates = "mask") -> None:
        super().__init__()
        if duplicates not in ("ignore", "mask", "positive"):
            raise ValueError(f"duplicates must be 'ignore', 'mask' or 'positive', not {duplicates!r}")
        self.duplicates = duplicates

    def forward(
        self, point_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, caption_ids: Tensor | None = None
    ) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            point_embeddings: [n, E], normalised inside.
            text_embeddings: [n, E], normalised inside.
            logit_scale: positive scalar, the multiplier of the cosines.
            caption_ids: [n] int64; without them every pair has a caption of its own.

        Returns:
            Scalar in float32 (float64 for float64 inputs), also under autocast.
        """
        with torch.autocast(point_embeddings.device.type, enabled=False):
            dtype = torch.promote_types(point_embeddings.dtype, torch.float32)
            points = F.normalize(point_embeddings.to(dtype), dim=-1)
            texts = F.normalize(text_embeddings.to(dtype), dim=-1)
            counts = row_counts(points.shape[0], points.device)
            offset, total = sum(counts[: rank()]), sum(counts)
            own = offset + torch.arange(points.shape[0], device=points.device)
            same = None
            if caption_ids is not None and self.duplicates != "ignore":
                same = caption_ids[:, None] == all_gather_rows(caption_ids, counts)[None, :]  # [n, N]
            terms = self._direction(points, all_gather_with_grad(texts, counts), logit_scale, own, same)
            terms = terms + self._direction(texts, all_gather_with_grad(points, counts), logit_scale, own, same)
            return terms.sum() * (world_size() / (2 * total))

    def _direction(
        self, anchors: Tensor, candidates: Tensor, scale: Tensor, own: Tensor, same: Tensor | None
    ) -> Tensor:
        """-log probability of the positive of each anchor: [n]."""
        logits = scale * anchors @ candidates.T  # [n, N]
        if same is None:
            return F.cross_entropy(logits, own, reduction="none")
        if self.duplicates == "positive":
            positives = logits.masked_fill(~same, -torch.inf)
            return logits.logsumexp(dim=1) - positives.logsumexp(dim=1)
        own_pair = F.one_hot(own, logits.shape[1]).bool()
        return F.cross_entropy(logits.masked_fill(same & ~own_pair, -torch.inf), own, reduction="none")
