"""InfoNCE in stripes of the logits, with a backward pass that computes each stripe again.

A rank holds its own n rows of points, and the texts of all ranks. One stripe [c, N] of logits serves both directions:
its rows are complete, its columns are parts that an online log-sum-exp adds up over stripes and then over ranks. The
gradient of a text is the sum of what all ranks have for it. Nothing of size n x N is stored, except for batches so
small that it costs less than computing it twice. Tiled softmax: arXiv 2112.05682; over ranks: arXiv 2410.17243.

Shapes: n rows on this rank, N rows on all ranks, E embedding width, c rows in a stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pc_align.distributed import all_gather_rows, mean_weight
from pc_align.distributed import rows_for_owner as _way_back
from pc_align.objectives._pairs import Pairs, rows_per_stripe, stripes, through_normalisation

Duplicates = Literal["ignore", "mask", "positive"]
_KEEP = 1 << 21  # logits that are kept for the backward pass: 8 MiB in float32
_NEVER = -1e30  # logit of a pair that is left out: its probability is 0, and -1e30 - -1e30 is no NaN


@dataclass(frozen=True)
class Options:
    """What `InfoNCE` was made with."""

    duplicates: Duplicates
    chunk_size: int | None
    label_smoothing: float
    margin: float


@dataclass
class _Sums:
    """Statistics of rows or columns, each [n] or [N]; `positive` and `mean` are None where they are not needed.

    Attributes:
        lse: log-sum-exp of the candidates.
        positive: log-sum-exp of the pairs with an equal caption.
        mean, count: mean logit and number of the candidates.
    """

    lse: Tensor
    positive: Tensor | None
    mean: Tensor | None
    count: Tensor | None


class _OnlineLse:
    """Log-sum-exp of columns that arrive stripe by stripe, with a shift for each column: [N]."""

    def __init__(self, columns: int, like: Tensor) -> None:
        self.shift = like.new_full((columns,), _NEVER)
        self.total = like.new_zeros(columns)

    def add(self, logits: Tensor, work: Tensor) -> None:
        shift = torch.maximum(self.shift, logits.amax(dim=0))
        fresh = torch.sub(logits, shift, out=work).exp_().sum(dim=0)
        self.total.mul_((self.shift - shift).exp_()).add_(fresh)
        self.shift = shift


class Stripes:
    """The logits of this rank's rows against all columns, a stripe at a time.

    Args:
        pairs: checked inputs.
        texts: [N, E] unit rows of all ranks; overwritten: their mean is taken off (see `centre`).
        options: what the loss was made with.
        own_ids: [n], all_ids: [N]; None if no two captions are equal or nobody asks.
    """

    def __init__(
        self, pairs: Pairs, texts: Tensor, options: Options, own_ids: Tensor | None, all_ids: Tensor | None
    ) -> None:
        self.pairs, self.options = pairs, options
        # Embeddings of one batch often lie in a narrow cone. Products are made of what differs between the rows, and
        # their mean is added apart: else a candidate that all rows pull at gets a sum of B nearly equal vectors,
        # whose rounding in float32 is larger than the gradients of the others.
        self.centre = texts.mean(dim=0) if pairs.total else texts.new_zeros(texts.shape[1])
        self.texts = texts.sub_(self.centre)
        self.own_ids, self.all_ids = own_ids, all_ids
        rows = pairs.points.shape[0]
        self.keeps = options.chunk_size is None and rows * pairs.total <= _KEEP
        self.height = max(rows, 1) if self.keeps else rows_per_stripe(rows, pairs.total, options.chunk_size)
        self.height = min(self.height, max(rows, 1))

    def buffer(self) -> Tensor:
        """[height, N] of anything."""
        return self.texts.new_empty((self.height, self.pairs.total))

    def same(self, rows: slice) -> Tensor | None:
        """[c, N] which pairs have equal captions, the own pair included."""
        if self.own_ids is None or self.all_ids is None:
            return None
        return self.own_ids[rows, None] == self.all_ids

    def own(self, matrix: Tensor, rows: slice) -> Tensor:
        """[c] view of the own pair of each row."""
        return matrix.diagonal(self.pairs.offset + rows.start)[: matrix.shape[0]]

    def left_out(self, rows: slice, same: Tensor | None) -> Tensor | None:
        """[c, N] pairs that are no candidates."""
        if same is None or self.options.duplicates != "mask":
            return None
        others = same.clone()
        self.own(others, rows).fill_(False)
        return others

    def logits(self, rows: slice, unit: Tensor, same: Tensor | None, buffer: Tensor) -> Tensor:
        """[c, N] scaled cosines, less the margin at positives; written into the buffer."""
        out = buffer[: unit.shape[0]]
        to_centre = torch.mv(unit, self.centre)[:, None]
        torch.addmm(to_centre, unit, self.texts.T, beta=self.pairs.scale, alpha=self.pairs.scale, out=out)
        margin = self.options.margin * self.pairs.scale
        if margin and same is not None and self.options.duplicates == "positive":
            out.sub_(same.to(out.dtype), alpha=margin)
        elif margin:
            self.own(out, rows).sub_(margin)
        return out

    def row_lse(self, logits: Tensor, rows: slice, work: Tensor) -> Tensor:
        """[c] log-sum-exp of each row, by one fused kernel: every kernel makes the threads wait for each other."""
        log_share = torch.log_softmax(logits, dim=1, out=work)
        return self.own(logits, rows) - self.own(log_share, rows)


def forward_pass(stripes_: Stripes) -> tuple[Tensor, _Sums, _Sums, Tensor | None]:
    """Loss terms of this rank's rows.

    Returns:
        [n] sum of both directions' costs, statistics of the n rows, of the N columns, and the logits if they are kept.
    """
    pairs, options, e = stripes_.pairs, stripes_.options, stripes_.options.label_smoothing
    n, N = pairs.points.shape[0], pairs.total
    new = stripes_.texts.new_zeros
    many = stripes_.own_ids is not None and options.duplicates == "positive"
    rows_ = _Sums(new(n), new(n) if many else None, new(n) if e else None, new(n) if e else None)
    columns, column_positives = _OnlineLse(N, stripes_.texts), _OnlineLse(N, stripes_.texts)
    column_mean, own_logit = new((N, 2)), new(n)
    tile, work = stripes_.buffer(), stripes_.buffer()
    for rows in stripes(n, stripes_.height):
        same = stripes_.same(rows)
        logits = stripes_.logits(rows, pairs.unit_points(rows), same, tile)
        room = work[: logits.shape[0]]
        left_out = stripes_.left_out(rows, same)
        if rows_.mean is not None and rows_.count is not None:
            kept = logits if left_out is None else logits.masked_fill(left_out, 0)
            counted = torch.ones_like(logits) if left_out is None else (~left_out).to(logits.dtype)
            rows_.mean[rows], rows_.count[rows] = kept.sum(dim=1), counted.sum(dim=1)
            column_mean += torch.stack([kept.sum(dim=0), counted.sum(dim=0)], dim=1)
        if left_out is not None:
            logits.masked_fill_(left_out, _NEVER)
        own_logit[rows] = stripes_.own(logits, rows)
        rows_.lse[rows] = stripes_.row_lse(logits, rows, room)
        columns.add(logits, room)
        if rows_.positive is not None and same is not None:
            positives = logits.masked_fill(~same, _NEVER)
            rows_.positive[rows] = stripes_.row_lse(positives, rows, room)
            column_positives.add(positives, room)
    if rows_.mean is not None and rows_.count is not None:
        rows_.mean /= rows_.count
    columns_ = _over_ranks(pairs, columns, column_positives if many else None, column_mean if e else None)
    mine = slice(pairs.offset, pairs.offset + n)
    terms = _costs(rows_, own_logit, slice(0, n), e) + _costs(columns_, own_logit, mine, e)
    return terms, rows_, columns_, tile if stripes_.keeps else None


def _costs(sums: _Sums, own_logit: Tensor, mine: slice, smoothing: float) -> Tensor:
    """[n] (1 - e)(-log P_positive) + e * mean over the candidates of -log p."""
    positive = own_logit if sums.positive is None else sums.positive[mine]
    costs = sums.lse[mine] - positive
    if sums.mean is not None:
        costs = costs + smoothing * (positive - sums.mean[mine])
    return costs


def _over_ranks(pairs: Pairs, lse: _OnlineLse, positive: _OnlineLse | None, mean: Tensor | None) -> _Sums:
    """Statistics of all N columns from every rank's part: two collectives of a few numbers a column."""
    online = [lse] if positive is None else [lse, positive]
    parts = [x for one in online for x in (one.shift, one.total)] + ([] if mean is None else list(mean.unbind(dim=1)))
    received = _way_back(torch.stack(parts, dim=1), pairs.counts)  # [W, n, parts]
    merged = []
    for first in range(0, 2 * len(online), 2):
        shifts, totals = received[..., first], received[..., first + 1]
        shift = shifts.amax(dim=0)
        merged.append((totals * (shifts - shift).exp()).sum(dim=0).log() + shift)
    if mean is not None:
        total, count = received[..., -2].sum(dim=0), received[..., -1].sum(dim=0)
        merged += [total / count, count]
    everyone = list(all_gather_rows(torch.stack(merged, dim=1), pairs.counts).unbind(dim=1))
    # Stacked columns are strided: copies are read fast by every stripe of the backward pass.
    everyone = [column.contiguous() for column in everyone]
    tail = everyone[-2:] if mean is not None else [None, None]
    return _Sums(everyone[0], everyone[1] if positive is not None else None, tail[0], tail[1])


def _grad_of_logits(
    stripes_: Stripes, rows: slice, logits: Tensor, same: Tensor | None, sums: tuple[_Sums, _Sums], out: Tensor
) -> Tensor:
    """[c, N] gradient of the sum of all costs; `logits` are overwritten unless they are kept."""
    by_row, by_column = sums
    e = stripes_.options.label_smoothing
    left_out = stripes_.left_out(rows, same)
    if left_out is not None and not stripes_.keeps:  # kept logits have it already
        logits.masked_fill_(left_out, _NEVER)
    grad = torch.softmax(logits, dim=1, out=out[: logits.shape[0]])
    if by_row.positive is not None and by_column.positive is not None and same is not None:
        share = (logits - by_row.positive[rows, None]).exp_() + (logits - by_column.positive).exp_()
        grad.sub_(share.masked_fill_(~same, 0), alpha=1 - e)
    else:
        stripes_.own(grad, rows).sub_(2 * (1 - e))
    grad.add_(torch.sub(logits, by_column.lse, out=None if stripes_.keeps else logits).exp_())
    if by_row.count is not None and by_column.count is not None:
        grad.sub_(e / by_row.count[rows, None]).sub_(e / by_column.count)
        if left_out is not None:
            grad.masked_fill_(left_out, 0)
    return grad


def _margin_sum(stripes_: Stripes, rows: slice, grad: Tensor, same: Tensor | None) -> Tensor:
    """Sum of the gradient where a margin was subtracted."""
    if same is not None and stripes_.options.duplicates == "positive":
        return grad.masked_fill(~same, 0).sum()
    return stripes_.own(grad, rows).sum()


def backward_pass(
    stripes_: Stripes, sums: tuple[_Sums, _Sums], kept: Tensor | None, factor: Tensor, wants_texts: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Gradients of factor * (sum of all costs) for raw points, raw texts and the logit scale.

    Returns:
        [n, E], [n, E] (None if nobody wants it) and a scalar; a text's is summed over ranks.
    """
    pairs, margin = stripes_.pairs, stripes_.options.margin
    n = pairs.points.shape[0]
    grad_points = stripes_.texts.new_empty((n, pairs.points.shape[1]))
    grad_texts = torch.zeros_like(stripes_.texts) if wants_texts else None
    grad_scale, anchor = stripes_.texts.new_zeros(()), pairs.unit_points(slice(0, stripes_.height)).mean(dim=0)
    column_sums = stripes_.texts.new_zeros(pairs.total)
    tile, work = stripes_.buffer() if kept is None else kept, stripes_.buffer()
    for rows in stripes(n, stripes_.height):
        unit, same = pairs.unit_points(rows), stripes_.same(rows)
        logits = stripes_.logits(rows, unit, same, tile) if kept is None else kept
        grad = _grad_of_logits(stripes_, rows, logits, same, sums, work)
        out = torch.mm(grad, stripes_.texts, out=grad_points[rows]).addr_(grad.sum(dim=1), stripes_.centre)
        if grad_texts is not None:
            grad_texts.addmm_(grad.T, unit - anchor)
            column_sums += grad.sum(dim=0)
        if margin:
            grad_scale -= margin * _margin_sum(stripes_, rows, grad, same)
        # d logit / d scale is the cosine less the margin; the sum of grad * cosine over a row is what this returns.
        grad_scale += through_normalisation(out, unit, pairs.point_inverse[rows], factor * pairs.scale).sum()
    if grad_texts is not None:
        grad_texts = grad_texts.addr_(column_sums, anchor) if n else grad_texts
        grad_texts = _way_back(grad_texts, pairs.counts).sum(dim=0) if len(pairs.counts) > 1 else grad_texts
        for rows in stripes(n, stripes_.height):
            unit = pairs.unit_texts(rows)
            through_normalisation(grad_texts[rows], unit, pairs.text_inverse[rows], factor * pairs.scale)
    return grad_points, grad_texts, grad_scale * factor


class TiledInfoNCE(torch.autograd.Function):
    """Sum of this rank's costs times W / (2 N), as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, texts: Tensor, logit_scale: Tensor, stripes_: Stripes) -> Tensor:
        terms, *sums, kept = forward_pass(stripes_)
        ctx.stripes, ctx.sums = stripes_, sums
        ctx.share = mean_weight(stripes_.pairs.counts) / 2
        ctx.save_for_backward(points, texts, logit_scale, *([] if kept is None else [kept]))
        return terms.sum() * ctx.share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        points, texts, logit_scale, *kept = ctx.saved_tensors
        # The stripes must come out as they did in the forward pass, or the probabilities do not sum to one.
        with torch.autocast(points.device.type, enabled=False):
            grads = backward_pass(
                ctx.stripes,
                ctx.sums,
                kept[0] if kept else None,
                float(grad_output) * ctx.share,
                ctx.needs_input_grad[1],
            )
        grad_points, grad_texts, grad_scale = grads
        return (
            grad_points.to(points.dtype),
            None if grad_texts is None else grad_texts.to(texts.dtype),
            grad_scale.to(logit_scale.dtype).reshape(logit_scale.shape),
            None,
        )
