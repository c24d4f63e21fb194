"""Ranks and collectives. In one process every function is the identity, so the same line runs everywhere.

Every collective here runs in process groups of its own with a timeout (`set_timeout`): a rank that never comes is a
`DistributedError` on the ranks that wait, never a hang. Bookkeeping has another group than the rows, so that ranks
which call objectives an unequal number of times meet a timeout, not the bytes of another operation.

Shapes: n_r = rows on this rank, N = rows on all ranks together, W = number of ranks.
"""

from __future__ import annotations

import atexit
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pc_align.errors import DistributedError, RankInputError

Fact = str | int | float | bool

_RECORD_BYTES = 2048
_PROBLEM_LETTERS = 300
# The name changed in torch 2.13; the old one warns there.
_gather_into = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


@dataclass
class _Groups:
    """The process groups of this module. `world` tells whether the default group is still the one they belong to."""

    timeout: float = 60.0
    world: Any = None
    records: Any = None
    rows: Any = None


_groups = _Groups()


@atexit.register
def _forget_groups() -> None:
    """Lets go of the groups while Python still runs: later, their threads abort a process that has ended well."""
    _groups.world = _groups.records = _groups.rows = None


def rank() -> int:
    """Index of this process, 0 in one process."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes, 1 without an initialised process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def set_timeout(seconds: float) -> None:
    """How long a collective of this module waits for the other ranks; 60 seconds until it is called.

    Every rank calls it, best right after the process group exists: the groups are made here.

    Raises:
        ValueError: seconds that are not positive.
        DistributedError: a rank did not call it in time.
    """
    if not seconds > 0:
        raise ValueError(f"the timeout must be above 0 seconds, not {seconds}")
    _groups.timeout, _groups.world = seconds, None
    if world_size() > 1:
        _own_groups("set_timeout")


def _own_groups(call: str) -> _Groups:
    """Our groups, made at the first use and again for another default group."""
    if _groups.world is not dist.group.WORLD:
        wait = timedelta(seconds=_groups.timeout)
        with _patience(call):
            # On the default group a timeout ends the process (gloo) or the device (NCCL). Records live on the CPU.
            _groups.records = dist.new_group(backend="gloo", timeout=wait)
            _groups.rows = dist.new_group(timeout=wait)
        _groups.world = dist.group.WORLD
    return _groups


@contextmanager
def _patience(call: str) -> Iterator[None]:
    """Turns what torch raises for a missing rank into one line."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).split("] ", 1)[-1].split(". This is")[0].splitlines()[0]
        raise DistributedError(
            f"rank {rank()} of {world_size()} waited in vain in {call}: another rank has stopped, or the ranks do not "
            f"make the same calls in the same order (timeout {_groups.timeout:g} s; {reason})"
        ) from error


def agree(call: str, rows: int, *, facts: Mapping[str, Fact] | None = None, problem: str | None = None) -> list[int]:
    """Tells the other ranks what this one is about to do, before any rows move: one small collective.

    Args:
        call: who asks, the same on every rank at the same time ("InfoNCE").
        rows: rows on this rank, 0 or more.
        facts: what must be equal on all ranks, by a name a user understands; floats may differ by a thousandth.
        problem: what is wrong with this rank's input, in one line; None if nothing is.

    Returns:
        Rows of every rank, in the order of ranks.

    Raises:
        ValueError: one process, and it has a problem.
        RankInputError: on every rank, if one of them has a problem (it is a ValueError and a DistributedError).
        DistributedError: on every rank, if calls or facts differ; after the timeout, if a rank does not come.
    """
    if world_size() == 1:
        if problem:
            raise ValueError(problem)
        return [rows]
    record: dict[str, Any] = {
        "call": call,
        "rows": rows,
        "facts": dict(facts or {}),
        "problem": (problem or "")[:_PROBLEM_LETTERS],
    }
    records = _exchange_records(call, record)
    for r, other in enumerate(records):
        if other["problem"]:
            raise RankInputError(f"rank {r}: {other['problem']}")
    _compare("call", [other["call"] for other in records])
    for name in record["facts"]:
        _compare(name, [other["facts"].get(name) for other in records])
    return [other["rows"] for other in records]


def _exchange_records(call: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    text = json.dumps(record).encode().ljust(_RECORD_BYTES)
    mine = torch.frombuffer(bytearray(text[:_RECORD_BYTES]), dtype=torch.uint8)
    everyone = torch.empty(world_size() * _RECORD_BYTES, dtype=torch.uint8)
    group = _own_groups(call).records
    with _patience(call):
        _gather_into(everyone, mine, group=group)
    return [json.loads(part.numpy().tobytes()) for part in everyone.chunk(world_size())]


def _compare(name: str, values: list[Any]) -> None:
    first = values[0]
    for r, value in enumerate(values):
        close = isinstance(value, float) and isinstance(first, float) and math.isclose(value, first, rel_tol=1e-3)
        if value != first and not close:
            raise DistributedError(f"the ranks disagree on the {name}: {first} on rank 0, {value} on rank {r}")


def row_counts(rows: int, device: torch.device | str = "cpu") -> list[int]:
    """Rows held by every rank, in the order of ranks.

    Args:
        rows: rows on this rank, 0 or more.
        device: not used any more; the counts travel on the CPU.
    """
    return agree("row_counts", rows)


def mean_weight(counts: list[int]) -> float:
    """W / N: a rank that returns this times its own sum makes the mean over ranks the mean over all N rows.

    Args:
        counts: rows of every rank; 0 rows in all count as 1.
    """
    return len(counts) / max(sum(counts), 1)


def share_of_mean(own_sum: Tensor, counts: list[int]) -> Tensor:
    """What a rank returns of a mean over the rows of all ranks; see `mean_weight`.

    Args:
        own_sum: scalar, the sum over this rank's rows; a zero tied to the inputs on a rank without rows.
        counts: rows of every rank.
    """
    return own_sum * mean_weight(counts)


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum of x over ranks, as a new tensor without gradient."""
    total = x.detach().clone()
    if world_size() > 1:
        group = _own_groups("all_reduce_sum").rows
        with _patience("all_reduce_sum"):
            dist.all_reduce(total, group=group)
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
    padded = x.detach().contiguous()
    if x.shape[0] < most:  # a collective wants equal sizes: pad to the longest rank, gather, cut
        padded = torch.cat([padded, x.new_zeros((most - x.shape[0], *x.shape[1:]))])
    gathered = x.new_empty((len(counts) * most, *x.shape[1:]))
    group = _own_groups("all_gather_rows").rows
    with _patience("all_gather_rows"):
        _gather_into(gathered, padded, group=group)
    if min(counts) == most:
        return gathered
    return torch.cat([gathered[r * most : r * most + count] for r, count in enumerate(counts)])


def rows_for_owner(x: Tensor, counts: list[int]) -> Tensor:
    """What every rank holds for this rank's rows, without gradient: the way back of `all_gather_rows`.

    Each rank receives only what concerns its rows, and adds it up itself, always in the order of ranks.

    Args:
        x: [N, ...], one row for every row of every rank.
        counts: rows of every rank.

    Returns:
        [W, n_r, ...].
    """
    if world_size() == 1:
        return x.detach()[None]
    own = counts[rank()]
    received = x.new_empty((len(counts) * own, *x.shape[1:]))
    group = _own_groups("rows_for_owner").rows
    with _patience("rows_for_owner"):
        dist.all_to_all_single(received, x.detach().contiguous(), [own] * len(counts), counts, group=group)
    return received.view(len(counts), own, *x.shape[1:])


class _AllGatherWithGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        return all_gather_rows(x, counts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # Every rank used every row: a row's gradient is the sum of what all ranks have for it. It is not divided
        # by W; dividing is what loses half of the loss in well-known code (see docs/distributed.md).
        return rows_for_owner(grad, ctx.counts).sum(dim=0), None


def all_gather_with_grad(x: Tensor, counts: list[int] | None = None) -> Tensor:
    """Rows of all ranks in the order of ranks, through which gradients flow back to the rank that owns the row.

    The backward pass sums the gradients of all ranks, undivided. With losses that follow the contract "the mean over
    ranks of what each returns is the loss of the global batch", DDP's averaging then gives the exact global gradient.

    Args:
        x: [n_r, ...]; n_r may differ from rank to rank and may be 0. Either all ranks want its gradient or none does.
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
