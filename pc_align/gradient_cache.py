"""Gradient caching: the gradient of a large contrastive batch with the activations of a small one.

Gao et al. (arXiv 2101.06983). The embeddings of all micro-batches are made without a graph; the loss of the whole batch
gives the gradient of every embedding; then each micro-batch is embedded again, with the same random numbers, and its
embeddings' gradients flow on into the parameters. It costs one more forward pass of the encoders.

Shapes: n rows on this rank, K micro-batches on this rank, E embedding width.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pc_align.batch import Embeddings, PointTextBatch

Backward = Callable[[Tensor], Any]


def cached_step(
    alignment: nn.Module, batch: PointTextBatch, microbatch_size: int, backward: Backward = torch.Tensor.backward
) -> tuple[Tensor, dict[str, Tensor]]:
    """Forward and backward of one batch in micro-batches: adds to `.grad` what the plain step adds.

    BatchNorm in training mode normalises each micro-batch by its own statistics, as any micro-batching does, so the
    result is the exact gradient of that function, and not the plain step's; its running statistics see every
    micro-batch once. In eval mode, and with any other normalisation, the step equals the plain one.

    Across ranks all must call it or none; the numbers of micro-batches may differ. Gradients are averaged by DDP in the
    last micro-batch only.

    Args:
        alignment: `Alignment`, possibly inside DistributedDataParallel: its forward takes `embed_only`, and `losses`
            takes the embeddings of the whole batch.
        batch: n rows of this rank.
        microbatch_size: most rows that are embedded with a graph at once, at least 1. The rows are split evenly, so
            that from 3 up no micro-batch is left with a single row, which BatchNorm cannot take.
        backward: what runs the backward pass of the loss (`accelerator.backward`).

    Returns:
        Loss and its terms, detached.

    Raises:
        ValueError: a micro-batch size below 1, or SyncBatchNorm in training mode, whose collectives would have to be
            equal in number on all ranks.
    """
    module = alignment.module if isinstance(alignment, DistributedDataParallel) else alignment
    _check(module, microbatch_size)
    parts = _split(batch, microbatch_size)
    states, values = _embed_without_graph(module, parts)
    leaves = [_detached(value) for value in values]
    shares = [len(part) / len(batch) if len(batch) else 1.0 for part in parts]
    # DDP must not average yet: gradients that arrive before the last micro-batch only add up on this rank.
    with alignment.no_sync() if isinstance(alignment, DistributedDataParallel) else nullcontext():
        loss, terms = module.losses(_joined(leaves, shares), batch)  # type: ignore[operator]
        backward(loss)
        after = _random_state(batch.points.device)
        for part, state, leaf in zip(parts[:-1], states, leaves, strict=False):
            _replay(module, part, state, leaf)
    # Only this call passes through DDP: every rank makes it once, so its broadcasts and reductions stay in step.
    _replay(alignment, parts[-1], states[-1], leaves[-1])
    _set_random_state(after, batch.points.device)
    return loss.detach(), terms


def _check(module: nn.Module, microbatch_size: int) -> None:
    if microbatch_size < 1:
        raise ValueError(f"microbatch_size must be at least 1, not {microbatch_size}")
    for name, child in module.named_modules():
        if isinstance(child, nn.SyncBatchNorm) and child.training:
            raise ValueError(
                f"gradient caching cannot run SyncBatchNorm ({name}) in training mode: ranks may have different "
                "numbers of micro-batches; use BatchNorm, or another normalisation"
            )


def _split(batch: PointTextBatch, microbatch_size: int) -> list[PointTextBatch]:
    """K micro-batches of nearly equal size; one, without rows, for a rank without rows."""
    count = max(1, -(-len(batch) // microbatch_size))
    pieces = {name: value.tensor_split(count) for name, value in vars(batch).items()}
    return [replace(batch, **{name: piece[k] for name, piece in pieces.items()}) for k in range(count)]


def _embed_without_graph(
    module: nn.Module, parts: list[PointTextBatch]
) -> tuple[list[dict[str, Tensor]], list[Embeddings]]:
    """The random state before each micro-batch, and its embeddings. Buffers are left as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    states, values = [], []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state(part.points.device))
            values.append(module(part, embed_only=True))
        # The replay updates running statistics; without this they would see every micro-batch twice.
        for buffer, before in buffers:
            buffer.copy_(before)
    return states, values


def _detached(embeddings: Embeddings) -> Embeddings:
    """Leaves that collect a gradient; a field that is None stays None."""
    values = {name: value.detach().requires_grad_() for name, value in vars(embeddings).items() if value is not None}
    return replace(embeddings, **values)


def _joined(leaves: list[Embeddings], shares: list[float]) -> Embeddings:
    """The embeddings of the whole batch: rows one below the other; a scalar is the mean over rows of all parts."""
    joined: dict[str, Tensor] = {}
    for field in fields(leaves[0]):
        parts = [getattr(leaf, field.name) for leaf in leaves]
        if parts[0] is None:
            continue
        if parts[0].ndim:
            joined[field.name] = torch.cat(parts)
        else:
            joined[field.name] = torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum()
    return replace(leaves[0], **joined)


def _replay(alignment: nn.Module, part: PointTextBatch, state: dict[str, Tensor], leaves: Embeddings) -> None:
    """Embeds a micro-batch with the random numbers of the first time, and passes its embeddings' gradients on."""
    _set_random_state(state, part.points.device)
    embeddings = alignment(part, embed_only=True)
    outputs, grads = [], []
    for name, leaf in vars(leaves).items():
        output = getattr(embeddings, name)
        if output is not None and output.requires_grad:
            outputs.append(output)
            grads.append(torch.zeros_like(output) if leaf.grad is None else leaf.grad)
    # Their gradients carry the factors of `backward` (loss scale, accumulation) already.
    torch.autograd.backward(outputs, grads)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(states: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
