"""InfoNCE between point clouds and captions, with the rows of all ranks as negatives.

CPC (arXiv 1807.03748) gave the loss its name, CLIP (arXiv 2103.00020) its symmetric form. With
s_ij = scale * cos(p_i, t_j):

    L = mean_i [ -log softmax_j(s_ij)[i] - log softmax_j(s_ji)[i] ] / 2

Shapes: n rows on this rank (B in one process), N rows on all ranks, E embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pc_align.distributed import all_gather_rows
from pc_align.objectives._pairs import Pairs, check_pairs
from pc_align.objectives._tiled_infonce import Duplicates, Options, Stripes, TiledInfoNCE


class InfoNCE(nn.Module):
    """Symmetric contrastive loss over the global batch, in memory that grows with B, not with B x B.

    Across ranks the mean of what each returns is the loss of the global batch, and the gradient after DDP's averaging
    is its gradient, also for uneven rows and for a rank with none. Second derivatives are not provided.

    Args:
        duplicates: what to do with pairs that have the same caption id, also on other ranks: "ignore" treats them as
            negatives (plain CLIP), "mask" leaves them out, "positive" sums their probability inside the logarithm.
        chunk_size: rows of the similarity matrix that are held at once; None chooses, and keeps the logits of small
            batches (up to two million) instead of computing them twice.
        label_smoothing: e in 0..1. Row i costs (1 - e)(-log P_positive) + e * the mean over its candidates of
            -log p_ij; columns likewise. Left-out pairs are no candidates.
        margin: in cosine, subtracted from every positive pair (additive margin, arXiv 1902.08564), 0 or more. Pairs
            are positive on the diagonal; with "positive" wherever captions are equal.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = InfoNCE()(torch.randn(8, 64), torch.randn(8, 64), torch.tensor(14.3))
    """

    def __init__(
        self,
        *,
        duplicates: Duplicates = "mask",
        chunk_size: int | None = None,
        label_smoothing: float = 0.0,
        margin: float = 0.0,
    ) -> None:
        super().__init__()
        if duplicates not in ("ignore", "mask", "positive"):
            raise ValueError(f"duplicates must be 'ignore', 'mask' or 'positive', not {duplicates!r}")
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be in 0..1, not {label_smoothing}")
        if not 0 <= margin < float("inf"):
            raise ValueError(f"margin must be 0 or more, not {margin}")
        self.options = Options(duplicates, chunk_size, label_smoothing, margin)

    def forward(
        self, point_embeddings: Tensor, text_embeddings: Tensor, logit_scale: Tensor, caption_ids: Tensor | None = None
    ) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            point_embeddings: [n, E], normalised inside; a row of norm below 1e-6 has cosine 0 and gradient 0.
            text_embeddings: [n, E], normalised inside.
            logit_scale: positive scalar, the multiplier of the cosines (already exponentiated).
            caption_ids: [n] int64; without them every pair has a caption of its own.

        Returns:
            Scalar in float32 (float64 for float64 inputs), also under autocast.

        Raises:
            ValueError: shapes that differ, a scale that is not positive, NaN, integers; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        facts = {"duplicates": self.options.duplicates, "margin": float(self.options.margin)}
        pairs = check_pairs("InfoNCE", point_embeddings, text_embeddings, logit_scale, caption_ids, facts=facts)
        with torch.autocast(point_embeddings.device.type, enabled=False):
            with torch.no_grad():
                texts = all_gather_rows(pairs.unit_texts(), pairs.counts)
                own_ids, all_ids = self._captions(pairs, caption_ids)
            stripes = Stripes(pairs, texts, self.options, own_ids, all_ids)
            scale = torch.as_tensor(logit_scale, device=texts.device)
            loss: Tensor = TiledInfoNCE.apply(point_embeddings, text_embeddings, scale, stripes)
        return loss

    def _captions(self, pairs: Pairs, caption_ids: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Caption ids of the own rows and of all; None where no two are equal, since nothing depends on them then."""
        if caption_ids is None or self.options.duplicates == "ignore":
            return None, None
        everyone = all_gather_rows(caption_ids.to(pairs.points.device), pairs.counts)
        different, index = everyone.unique(return_inverse=True)
        if different.numel() == everyone.numel():
            return None, None
        index = index.to(torch.int32)  # half the bytes of the comparisons in every stripe
        return index[pairs.offset : pairs.offset + caption_ids.shape[0]], index

    def extra_repr(self) -> str:
        """The arguments, for print(model)."""
        return ", ".join(f"{name}={value!r}" for name, value in vars(self.options).items())
