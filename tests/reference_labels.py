"""Slow, obvious loops of the losses over labelled rows, from the papers' formulas, one number at a time in float64.

Angles are angles here (arccos, then cos of whatever the paper says), so nothing is shared with the package's algebra.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def angle(a: Tensor, b: Tensor) -> Tensor:
    return torch.acos((a * b).sum() / (a.norm() * b.norm()))


def softmax_cost(logits: list[Tensor], y: int) -> Tensor:
    return -torch.log(torch.exp(logits[y]) / sum(torch.exp(z) for z in logits))


def mean(costs: list[Tensor]) -> Tensor:
    return sum(costs) / len(costs)


def cross_entropy(x: Tensor, w: Tensor, b: Tensor, labels: list[int], smoothing: float = 0.0) -> Tensor:
    costs = []
    for i, y in enumerate(labels):
        logits = [(x[i] * w[j]).sum() + b[j] for j in range(len(w))]
        uniform = mean([softmax_cost(logits, j) for j in range(len(w))])
        costs.append((1 - smoothing) * softmax_cost(logits, y) + smoothing * uniform)
    return mean(costs)


def angular(
    x: Tensor,
    w: Tensor,
    labels: list[int],
    psi: Callable[[Tensor], Tensor],
    length: Callable[[Tensor, Tensor], Tensor | float],
) -> list[Tensor]:
    """Cost of each row: a softmax over length(x_i, w_j) cos(theta_j), with psi(theta_y) for the own class."""
    costs = []
    for i, y in enumerate(labels):
        logits = []
        for j in range(len(w)):
            theta = angle(x[i], w[j])
            logits.append(length(x[i], w[j]) * (psi(theta) if j == y else torch.cos(theta)))
        costs.append(softmax_cost(logits, y))
    return costs


def multiple(m: int, plain: float) -> Callable[[Tensor], Tensor]:
    """(psi(theta) + lambda cos(theta)) / (1 + lambda) with psi of L-Softmax and SphereFace."""

    def psi(theta: Tensor) -> Tensor:
        k = next(k for k in range(m) if k * math.pi / m <= theta.item() <= (k + 1) * math.pi / m)
        return ((-1) ** k * torch.cos(m * theta) - 2 * k + plain * torch.cos(theta)) / (1 + plain)

    return psi


def added(m: float, beyond_pi: str) -> Callable[[Tensor], Tensor]:
    """psi of ArcFace with its three ways past pi."""

    def psi(theta: Tensor) -> Tensor:
        if beyond_pi == "easy" and theta >= math.pi / 2:
            return torch.cos(theta)
        if beyond_pi == "monotone" and theta + m >= math.pi:
            return torch.cos(theta) - m * math.sin(m)
        return torch.cos(theta + m)

    return psi


def agents(x: Tensor, w: Tensor, labels: list[int], kind: str, margin: float) -> Tensor:
    """NormFace's metric losses on squared distances of unit vectors."""
    costs = []
    for i, y in enumerate(labels):
        d = [(x[i] / x[i].norm() - w[j] / w[j].norm()).square().sum() for j in range(len(w))]
        others = [j for j in range(len(w)) if j != y]
        if kind == "contrastive":
            costs.append(d[y] + sum(torch.clamp(margin - d[j], min=0) for j in others))
        else:
            costs.append(sum(torch.clamp(margin + d[y] - d[j], min=0) for j in others))
    return mean(costs)


def vmf(x: Tensor, w: Tensor, labels: list[int], kappa: list[Tensor], prior: list[float], log_c: Callable) -> Tensor:
    """-ln of pi_y p(x|y) / sum over j of pi_j p(x|j), with densities C(kappa_j) exp(kappa_j cos)."""
    costs = []
    for i, y in enumerate(labels):
        joint = [prior[j] * torch.exp(log_c(kappa[j]) + kappa[j] * torch.cos(angle(x[i], w[j]))) for j in range(len(w))]
        costs.append(-torch.log(joint[y] / sum(joint)))
    return mean(costs)


def center(x: Tensor, centers: Tensor, labels: list[int]) -> list[Tensor]:
    return [0.5 * sum((x[i, e] - centers[y, e]) ** 2 for e in range(x.shape[1])) for i, y in enumerate(labels)]


def center_update(x: Tensor, centers: Tensor, labels: list[int], alpha: float) -> Tensor:
    new = centers.clone()
    for j in range(len(centers)):
        rows = [i for i, y in enumerate(labels) if y == j]
        delta = sum((centers[j] - x[i] for i in rows), torch.zeros_like(centers[j])) / (1 + len(rows))
        new[j] = centers[j] - alpha * delta
    return new


def distance(a: Tensor, b: Tensor, kind: str) -> Tensor:
    if kind == "cosine":
        return 1 - (a * b).sum() / (a.norm() * b.norm())
    if kind == "angle":
        return angle(a, b)
    squared = (a - b).square().sum()
    return squared if kind == "squared" else squared.sqrt()


def triplets(
    x: Tensor,
    labels: list[int],
    *,
    mining: str,
    margin: float = 0.2,
    kind: str = "euclidean",
    normalize: bool = True,
    soft: bool = False,
    other: Tensor | None = None,
) -> Tensor:
    """Mean over the triplets that the mining chooses; 0 without any."""
    if other is not None:
        rest = {"mining": mining, "margin": margin, "kind": kind, "normalize": normalize, "soft": soft}
        return (_one_way(x, other, labels, itself=False, **rest) + _one_way(other, x, labels, itself=False, **rest)) / 2
    return _one_way(x, x, labels, True, mining, margin, kind, normalize, soft)


def _one_way(a, c, labels, itself, mining, margin, kind, normalize, soft) -> Tensor:
    if normalize:
        a, c = ([row / row.norm() for row in rows] for rows in (a, c))
    B = len(labels)
    d = [[None if itself and i == j else distance(a[i], c[j], kind) for j in range(B)] for i in range(B)]

    def cost(i: int, p: int, n: int) -> Tensor:
        gap = d[i][p] - d[i][n]
        return torch.log(1 + torch.exp(gap)) if soft else torch.clamp(gap + margin, min=0)

    costs = []
    for i in range(B):
        positive = [j for j in range(B) if labels[j] == labels[i] and not (itself and i == j)]
        negative = [j for j in range(B) if labels[j] != labels[i]]
        if mining == "batch_hard" and positive and negative:
            hardest = max(positive, key=lambda j: d[i][j].item()), min(negative, key=lambda j: d[i][j].item())
            costs.append(cost(i, *hardest))
        for p in positive if mining != "batch_hard" else []:
            for n in negative:
                if mining == "semi_hard" and not d[i][p] < d[i][n] < d[i][p] + margin:
                    continue
                if mining == "batch_all" and not soft and cost(i, p, n) <= 0:
                    continue
                costs.append(cost(i, p, n))
    return mean(costs) if costs else 0.0 * sum(row.sum() for row in [*a, *c])


def atl(x: Tensor, w: Tensor, labels: list[int], m: int, plain: float) -> Tensor:
    """SphereFace's softmax on fixed w; rows that may not learn are constants."""
    psi, costs = multiple(m, plain), []
    for i, y in enumerate(labels):
        cosines = [torch.cos(angle(x[i], w[j])) for j in range(len(w))]
        logits = [x[i].norm() * (psi(angle(x[i], w[j])) if j == y else cosines[j]) for j in range(len(w))]
        cost = softmax_cost(logits, y)
        easy = max(range(len(w)), key=lambda j: logits[j].item()) == y
        hard = m > 1 and max(range(len(w)), key=lambda j: cosines[j].item()) != y
        costs.append(cost.detach() + 0 * cost if easy or hard else cost)
    return mean(costs)


def triplet_center(x: Tensor, w: Tensor, labels: list[int], margin: float) -> Tensor:
    costs = []
    for i, y in enumerate(labels):
        theta = [angle(x[i], w[j]) for j in range(len(w))]
        nearest = min((theta[j] for j in range(len(w)) if j != y), key=lambda t: t.item())
        costs.append(torch.clamp(theta[y] + margin - nearest, min=0))
    return mean(costs)
