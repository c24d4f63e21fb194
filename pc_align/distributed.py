"""Ranks and collectives. In one process every function is the identity, so the same line runs everywhere.

Shapes: n_r = rows on this rank, N = rows on all ranks together, W = number of ranks.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def rank() -> int:
    """Index of this process, 0 in one process."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes, 1 without an initialised process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def row_counts(rows: int, device: torch.device | str = "cpu") -> list[int]:
    """Rows held by every rank, in the order of ranks.

    Args:
        rows: rows on this rank, 0 or more.
        device: where the collective runs (a CUDA device under NCCL).
    """
    if world_size() == 1:
        return [rows]
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    dist.all_gather_into_tensor(counts, torch.tensor([rows], dtype=torch.int64, device=device))
    return [int(count) for count in counts.tolist()]


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum of x over ranks, as a new tensor without gradient."""
    total = x.detach().clone()
    if world_size() > 1:
        dist.all_reduce(total)
    return total


def all_gather_rows(x: Tensor, counts: list[int] | None = None) -> Tensor:
    """Rows of all ranks in the order of ranks, without gradient.

    Args:
        x: [n_r, ...]; n_r may differ from rank to rank and may be 0.
        counts: what `row_counts` returned for x, to save one collective.

    Returns:
        [N, ...].
    """
    if world_size() == 1:
        return x.detach()
    counts = counts or row_counts(x.shape[0], x.device)
    most = max(counts)
    # A collective wants equal sizes: pad to the longest rank, gather, cut.
    padded = x.new_zeros((most, *x.shape[1:]))
    padded[: x.shape[0]] = x.detach()
    gathered = x.new_empty((world_size() * most, *x.shape[1:]))
    dist.all_gather_into_tensor(gathered, padded)
    return torch.cat([gathered[r * most : r * most + count] for r, count in enumerate(counts)])


class _AllGatherWithGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        return all_gather_rows(x, counts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # Every rank used every row: a row's gradient is the sum of what all ranks have for it. It is not divided
        # by W; dividing is what loses half of the loss in well-known code (see docs/distributed.md).
        total = all_reduce_sum(grad.contiguous())
        start = sum(ctx.counts[: rank()])
        return total[start : start + ctx.counts[rank()]], None


def all_gather_with_grad(x: Tensor, counts: list[int] | None = None) -> Tensor:
    """Rows of all ranks in the order of ranks, through which gradients flow back to the rank that owns the row.

    The backward pass sums the gradients of all ranks, undivided. With losses that follow the contract "the mean over
    ranks of what each returns is the loss of the global batch", DDP's averaging then gives the exact global gradient.

    Args:
        x: [n_r, ...]; n_r may differ from rank to rank and may be 0.
        counts: what `row_counts` returned for x, to save one collective.

    Returns:
        [N, ...]; x itself in one process.
    """
    if world_size() == 1:
        return x
    gathered: Tensor = _AllGatherWithGrad.apply(x, counts or row_counts(x.shape[0], x.device))
    return gathered


def broadcast_buffers(module: nn.Module) -> None:
    """Give every rank the buffers of rank 0. BatchNorm's running statistics drift apart within a step of DDP."""
    if world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)
