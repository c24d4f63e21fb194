"""Noise-contrastive estimation: tell the true candidate from k samples of a known noise distribution.

Gutmann and Hyvärinen (JMLR 13, 2012), for language models Mnih and Teh (arXiv 1206.6426). With scores s that stand for
the unnormalised log-probability, noise drawn from q, and ln Z held at 0:

    u(c) = s(c) - ln k - ln q(c)
    L = mean over rows of [ -ln sigmoid(u(positive)) - sum over the k noise candidates of ln sigmoid(-u(noise)) ]

It is not InfoNCE, which is a softmax over the candidates of a batch; docs/objectives.md compares them.

Shapes: n rows on this rank (B in one process), N rows on all ranks, k noise candidates a row.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.distributed import agree, share_of_mean, world_size

Reduction = Literal["mean", "sum"]


class NCELoss(nn.Module):
    """Binary noise-contrastive estimation; the noise is summed, and accidental hits (noise = positive) stay.

    Args:
        reduction: "mean" over the rows of all ranks, or "sum". The mean over ranks of what each returns is that figure
            for the global batch.

    Raises:
        ValueError: another reduction.

    Example:
        >>> log_q = torch.full((8,), -4.6)  # uniform noise over 100 captions
        >>> loss = NCELoss()(torch.randn(8), torch.randn(8, 5), log_q, log_q[:, None].expand(8, 5))
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be 'mean' or 'sum', not {reduction!r}")
        self.reduction = reduction

    def forward(
        self, positive_scores: Tensor, noise_scores: Tensor, positive_log_q: Tensor, noise_log_q: Tensor
    ) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            positive_scores: [n] score of the true candidate of each row.
            noise_scores: [n, k] scores of its noise candidates, k at least 1.
            positive_log_q: [n] ln q of the true candidate (the loss adds ln k itself).
            noise_log_q: [n, k] ln q of the noise candidates.

        Returns:
            Scalar in float32 (float64 for float64 inputs), also under autocast.

        Raises:
            ValueError: shapes that differ, NaN, integers; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        inputs = (positive_scores, noise_scores, positive_log_q, noise_log_q)
        problem = _problem(*inputs)
        facts = {} if problem else {"number of noise candidates": noise_scores.shape[1], "reduction": self.reduction}
        rows = 0 if problem else positive_scores.shape[0]
        counts = agree("NCELoss", rows, facts=facts, problem=problem and f"NCELoss: {problem}")
        with torch.autocast(positive_scores.device.type, enabled=False):
            dtype = torch.promote_types(positive_scores.dtype, torch.float32)
            positive, noise, positive_q, noise_q = (x.to(dtype) for x in inputs)
            ln_k = math.log(noise.shape[1])
            own_sum = -F.logsigmoid(positive - positive_q - ln_k).sum() - F.logsigmoid(noise_q + ln_k - noise).sum()
        return own_sum * world_size() if self.reduction == "sum" else share_of_mean(own_sum, counts)


def _problem(positive: Tensor, noise: Tensor, positive_log_q: Tensor, noise_log_q: Tensor) -> str | None:
    named = {
        "positive scores": positive,
        "noise scores": noise,
        "positive log q": positive_log_q,
        "noise log q": noise_log_q,
    }
    for name, x in named.items():
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            return f"{name} must be a floating point tensor, not {what}"
        if not bool(x.isfinite().all()):
            return f"{name} hold NaN or infinity"
    if positive.ndim != 1 or noise.ndim != 2 or noise.shape[0] != positive.shape[0] or noise.shape[1] < 1:
        return f"scores must be [B] and [B, k] with k at least 1, not {list(positive.shape)} and {list(noise.shape)}"
    if positive_log_q.shape != positive.shape or noise_log_q.shape != noise.shape:
        shapes = f"{list(positive_log_q.shape)} and {list(noise_log_q.shape)}"
        return f"log q must have the shapes of the scores, {list(positive.shape)} and {list(noise.shape)}, not {shapes}"
    return None
