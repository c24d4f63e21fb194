"""Sigmoid loss: every pair of a point cloud and a caption is a yes-or-no question of its own.

SigLIP (arXiv 2303.15343). With s_ij = scale * cos(p_i, t_j) + bias, and z_ij = 1 where captions are equal, else -1:

    L = 1/N * sum over i, j of -log sigmoid(z_ij * s_ij)

Shapes: n rows on this rank (B in one process), N rows on all ranks, E embedding width, c rows in a stripe.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pc_align.distributed import all_gather_rows, mean_weight, rows_for_owner
from pc_align.objectives._pairs import Pairs, check_pairs, rows_per_stripe, stripes, through_normalisation

_LINEAR_ABOVE = 80.0  # softplus(x) = x above it: exp(80) still fits float32, and log1p(exp(-80)) is 0 in float64


class SigmoidLoss(nn.Module):
    """Pairwise sigmoid loss over the global batch, in memory that grows with B, not with B x B.

    Unlike InfoNCE it needs no sum over a row, so several positives need no special treatment, and the gradient is made
    in the forward pass. The contract across ranks is that of `InfoNCE`.

    Args:
        chunk_size: rows of the similarity matrix that are held at once; None chooses.

    Raises:
        ValueError: a chunk size below 1.

    Example:
        >>> scale, bias = torch.tensor(10.0), torch.tensor(-10.0)  # the paper's start; the model owns and trains both
        >>> loss = SigmoidLoss()(torch.randn(8, 64), torch.randn(8, 64), scale, bias)
    """

    def __init__(self, *, chunk_size: int | None = None) -> None:
        super().__init__()
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        self.chunk_size = chunk_size

    def forward(
        self,
        points: Tensor,
        texts: Tensor,
        logit_scale: Tensor,
        logit_bias: Tensor,
        caption_ids: Tensor | None = None,
    ) -> Tensor:
        """Loss of this rank's rows; the mean over ranks is the loss of the global batch.

        Args:
            points: [n, E], normalised inside; a row of norm below 1e-6 has cosine 0 and gradient 0.
            texts: [n, E], normalised inside.
            logit_scale: positive scalar, the multiplier of the cosines (already exponentiated).
            logit_bias: scalar, added to every logit.
            caption_ids: [n] int64, equal for equal captions, on all ranks; without them only own pairs are positive.

        Returns:
            Scalar in float32 (float64 for float64 inputs), also under autocast.

        Raises:
            ValueError: shapes that differ, a scale that is not positive, NaN, integers; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        pairs = check_pairs("SigmoidLoss", points, texts, logit_scale, caption_ids, scalars={"logit bias": logit_bias})
        with torch.autocast(points.device.type, enabled=False):
            ids = None if caption_ids is None else all_gather_rows(caption_ids.to(points.device), pairs.counts)
            scale, bias = (torch.as_tensor(value, device=points.device) for value in (logit_scale, logit_bias))
            grads_wanted = torch.is_grad_enabled()
            loss: Tensor = _TiledSigmoid.apply(points, texts, scale, bias, pairs, ids, self.chunk_size, grads_wanted)
        return loss


def _stripe(pairs: Pairs, logits: Tensor, rows: slice, ids: Tensor | None, grads_wanted: bool) -> Tensor:
    """Sum of the costs of a stripe; its logits become the gradients with respect to them. [c, N] -> scalar."""
    first = pairs.offset + rows.start
    if ids is None:
        positive = torch.zeros_like(logits, dtype=torch.bool)
        positive.diagonal(first)[: logits.shape[0]].fill_(True)
    else:
        positive = ids[first : first + logits.shape[0], None] == ids
    sign = torch.where(positive, -1.0, 1.0).to(logits.dtype)
    logits.mul_(sign)
    cost = F.softplus(logits, threshold=_LINEAR_ABOVE).sum()
    if grads_wanted:
        logits.sigmoid_().mul_(sign)
    return cost


class _TiledSigmoid(torch.autograd.Function):
    """W / N times the sum of the costs of this rank's rows. No cost needs another, so gradients are made on the way."""

    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        texts: Tensor,
        scale: Tensor,
        bias: Tensor,
        pairs: Pairs,
        ids: Tensor | None,
        chunk_size: int | None,
        grads_wanted: bool,
    ) -> Tensor:
        own = pairs.unit_texts()
        everyone = all_gather_rows(own, pairs.counts)
        n, share = points.shape[0], mean_weight(pairs.counts)
        height = min(rows_per_stripe(n, pairs.total, chunk_size), max(n, 1))
        tile = everyone.new_empty((height, pairs.total))
        loss, grad_bias, grad_scale = (everyone.new_zeros(()) for _ in range(3))
        grad_points, grad_texts = torch.empty_like(own), torch.zeros_like(everyone)
        for rows in stripes(n, height):
            unit = pairs.unit_points(rows)
            logits = tile[: unit.shape[0]].copy_(bias)
            torch.addmm(logits, unit, everyone.T, alpha=pairs.scale, out=logits)
            loss += _stripe(pairs, logits, rows, ids, grads_wanted)
            if grads_wanted:
                out = torch.mm(logits, everyone, out=grad_points[rows])
                grad_texts.addmm_(logits.T, unit)
                grad_bias += logits.sum()
                along = through_normalisation(out, unit, pairs.point_inverse[rows], share * pairs.scale)
                grad_scale += along.sum()
        if grads_wanted:
            grad_texts = rows_for_owner(grad_texts, pairs.counts).sum(dim=0)
            through_normalisation(grad_texts, own, pairs.text_inverse, share * pairs.scale)
            ctx.save_for_backward(grad_points, grad_texts, grad_scale * share, grad_bias * share)
            ctx.likes = [(x.dtype, x.shape) for x in (points, texts, scale, bias)]
        return loss * share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        saved = zip(ctx.saved_tensors, ctx.likes, strict=True)
        grads = [(grad * grad_output).to(dtype).reshape(shape) for grad, (dtype, shape) in saved]
        return (*grads, None, None, None, None)
