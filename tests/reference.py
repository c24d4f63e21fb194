"""Slow, obvious loops of each loss: float64 tensors of one number each, so that autograd gives the gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of two vectors; 0 if one of them is shorter than 1e-6."""
    if a.norm() < 1e-6 or b.norm() < 1e-6:
        return 0.0 * (a.sum() + b.sum())
    return (a * b).sum() / (a.norm() * b.norm())


def info_nce(
    points: Tensor,
    texts: Tensor,
    scale: Tensor,
    ids: list[int] | None = None,
    *,
    duplicates: str = "mask",
    smoothing: float = 0.0,
    margin: float = 0.0,
) -> Tensor:
    """Mean over both directions and all rows."""
    B = len(points)
    ids = list(range(B)) if ids is None else ids

    def positive(i: int, j: int) -> bool:
        return i == j or (duplicates == "positive" and ids[i] == ids[j])

    def candidate(i: int, j: int) -> bool:
        return i == j or duplicates != "mask" or ids[i] != ids[j]

    logits = [
        [scale * (cosine(points[i], texts[j]) - (margin if positive(i, j) else 0.0)) for j in range(B)]
        for i in range(B)
    ]
    total = 0.0 * (points.sum() + texts.sum() + scale)
    for i in range(B):
        for pairs in ([(i, j) for j in range(B)], [(j, i) for j in range(B)]):
            everything = torch.stack([logits[a][b] for a, b in pairs if candidate(a, b)]).logsumexp(0)
            right = torch.stack([logits[a][b] for a, b in pairs if positive(a, b)]).logsumexp(0)
            costs = [everything - logits[a][b] for a, b in pairs if candidate(a, b)]
            total = total + (1 - smoothing) * (everything - right) + smoothing * sum(costs) / len(costs)
    return total / (2 * B)


def sigmoid(points: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, ids: list[int] | None = None) -> Tensor:
    """Sum over all pairs, divided by the number of rows."""
    B = len(points)
    ids = list(range(B)) if ids is None else ids
    total = 0.0 * (points.sum() + texts.sum() + scale + bias)
    for i in range(B):
        for j in range(B):
            z = 1.0 if ids[i] == ids[j] else -1.0
            logit = z * (scale * cosine(points[i], texts[j]) + bias)
            total = total + torch.log1p(torch.exp(-logit)) if logit > -30 else total - logit
    return total / B


def nce(positive: Tensor, noise: Tensor, positive_log_q: Tensor, noise_log_q: Tensor) -> list[Tensor]:
    """Cost of each row."""
    k = noise.shape[1]
    costs = []
    for i in range(len(positive)):
        p_data = 1 / (1 + k * torch.exp(positive_log_q[i] - positive[i]))  # e^s / (e^s + k q)
        cost = -torch.log(p_data)
        for j in range(k):
            q = k * torch.exp(noise_log_q[i, j])
            cost = cost - torch.log(q / (torch.exp(noise[i, j]) + q))
        costs.append(cost)
    return costs


def dense_info_nce(points: Tensor, texts: Tensor, scale: float) -> Tensor:
    """Plain CLIP by whole matrices in float64, for batches too large for loops."""
    p, t = (x / x.norm(dim=1, keepdim=True) for x in (points, texts))
    logits = scale * p @ t.T
    return ((logits.logsumexp(0) + logits.logsumexp(1)) / 2 - logits.diagonal()).mean()


def random_pairs(n: int, width: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Points and texts [n, width] and a scale, all wanting gradients."""
    generator = torch.Generator().manual_seed(seed)
    points, texts = (torch.randn(n, width, generator=generator, dtype=dtype) for _ in range(2))
    scale = torch.tensor(math.exp(1.5), dtype=dtype)
    return points.requires_grad_(), texts.requires_grad_(), scale.requires_grad_()


def value_and_grads(loss: Tensor, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The loss and its gradients, detached."""
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]
