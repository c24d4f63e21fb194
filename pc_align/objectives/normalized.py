"""Softmax losses over normalised embeddings or class weights, without a margin, and NormFace's agents.

    NormFace (1704.06369)    s cos(x, w_j), s learned
    L2-Softmax (1703.09507)  alpha x/|x| . w_j + b_j
    COCO (1710.00870)        alpha cos(x, w_j)
    vMF mixture (1706.04264) posterior of the class in a mixture of von Mises-Fisher densities on the sphere:
                             ln pi_j + ln C_E(kappa_j) + kappa_j cos(x, w_j)

With one kappa and equal priors the mixture is NormFace with s = kappa, and COCO is NormFace with a fixed s: one
formula, three readings. Only the general mixture differs.

Shapes: n rows on this rank, E embedding width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.objectives._heads import AngularHead
from pc_align.objectives._rows import Reduction, check_number, unit_rows

Agent = Literal["softmax", "contrastive", "triplet"]
_SMALLEST_SCALE = 0.01  # a learned scale never falls below it; the bound of NormFace's training files
_AGENT_MARGINS = {"contrastive": 1.0, "triplet": 0.8}


class NormFace(AngularHead):
    """Softmax over s cos with a learned s; or the paper's metric losses, with class weights as agents of the classes.

    With d_j^2 = |x/|x| - w_j/|w_j||^2, summed over the classes j other than y, mean over rows:

        "contrastive"  d_y^2 + sum of max(0, m - d_j^2)
        "triplet"      sum of max(0, m + d_y^2 - d_j^2)

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        scale: s at the start, above 0; a parameter, which only "softmax" has.
        agent: "softmax", "contrastive" or "triplet".
        margin: m of the other two, 0 to 4; None is the paper's 1 and 0.8.
        prototypes: [K, E] frozen class weights; agents with a margin that they leave no room for give a warning.
        class_names: K names for that warning.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = NormFace(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        scale: float = 20.0,
        agent: Agent = "softmax",
        *,
        margin: float | None = None,
        prototypes: Tensor | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(embed_dim, num_classes, scale=1.0, prototypes=prototypes)
        if agent not in ("softmax", "contrastive", "triplet"):
            raise ValueError(f"agent must be 'softmax', 'contrastive' or 'triplet', not {agent!r}")
        self.agent = agent
        start = check_number("scale", scale, 0, above=True)
        if agent == "softmax":
            if margin is not None:
                raise ValueError("margin belongs to agent 'contrastive' or 'triplet'")
            self.scale = nn.Parameter(torch.tensor(start))
        else:
            self.margin = check_number("margin", _AGENT_MARGINS[agent] if margin is None else margin, 0, 4)
            self.warn_if_infeasible(self.margin, lambda angle: 2 - 2 * math.cos(angle), class_names)

    def lengths(self, x: Tensor, w: Tensor) -> Tensor | float:
        return self.scale.to(x.dtype).clamp_min(_SMALLEST_SCALE)

    def costs(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        if self.agent == "softmax":
            return super().costs(x, w, labels)
        squares = 2 - 2 * unit_rows(x) @ unit_rows(w).T  # [n, K]
        own = squares.gather(1, labels[:, None])
        gap = self.margin - squares + (own if self.agent == "triplet" else 0)
        others = gap.clamp_min(0).scatter(1, labels[:, None], 0).sum(dim=1)
        return others + own[:, 0] if self.agent == "contrastive" else others


class COCOLoss(AngularHead):
    """Congenerous cosine (arXiv 1710.00870): softmax over alpha cos with a fixed alpha.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        alpha: above 0.
        reduction: "mean", or the paper's "sum", over the rows of all ranks.
        prototypes: [K, E] frozen class weights.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = COCOLoss(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        alpha: float = 6.25,
        reduction: Reduction = "mean",
        *,
        prototypes: Tensor | None = None,
    ) -> None:
        scale = check_number("alpha", alpha, 0, above=True)
        super().__init__(embed_dim, num_classes, scale=scale, prototypes=prototypes, reduction=reduction)
        self.alpha = scale


class L2Softmax(AngularHead):
    """L2-constrained softmax (arXiv 1703.09507): embeddings have length alpha, class weights and biases are free.

    Args:
        embed_dim: E.
        num_classes: K, at least 2.
        alpha: above 0; fixed.
        prototypes: [K, E] frozen class weights; the bias is learned all the same.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = L2Softmax(64, 10)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    def __init__(
        self, embed_dim: int, num_classes: int, alpha: float = 16.0, *, prototypes: Tensor | None = None
    ) -> None:
        scale = check_number("alpha", alpha, 0, above=True)
        super().__init__(embed_dim, num_classes, scale=scale, unit_weight=False, prototypes=prototypes)
        self.alpha = scale
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def logits(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        return F.linear(self.alpha * unit_rows(x), w, self.bias.to(x.dtype))


class VMFSoftmax(AngularHead):
    """Posterior of the class in a mixture of von Mises-Fisher densities (arXiv 1706.04264).

    Args:
        embed_dim: E, at least 2.
        num_classes: K, at least 2.
        kappa: concentration at the start, above 0; a parameter.
        per_class: one concentration a class, [K]; then the densities' normalisers no longer cancel, and count.
        prior: [K] probabilities of the classes, above 0, with sum 1; None makes them equal, and they cancel.
        prototypes: [K, E] frozen mean directions.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = VMFSoftmax(64, 10, per_class=True)(torch.randn(8, 64), torch.randint(10, (8,)))
    """

    log_prior: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_classes: int,
        kappa: float = 16.0,
        per_class: bool = False,
        prior: Tensor | Sequence[float] | None = None,
        *,
        prototypes: Tensor | None = None,
    ) -> None:
        super().__init__(embed_dim, num_classes, scale=1.0, prototypes=prototypes)
        if embed_dim < 2:
            raise ValueError(f"embed_dim must be at least 2, the least that has a sphere, not {embed_dim}")
        start = torch.tensor(check_number("kappa", kappa, 0, above=True))
        self.per_class = bool(per_class)
        self.kappa = nn.Parameter(start.repeat(num_classes) if per_class else start)
        self.register_buffer("log_prior", None if prior is None else _log_prior(prior, num_classes))

    def logits(self, x: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        kappa = self.kappa.to(x.dtype).clamp_min(_SMALLEST_SCALE)
        logits = kappa * (unit_rows(x) @ unit_rows(w).T)
        if self.per_class:
            logits = logits + log_normaliser(kappa, self.embed_dim)
        return logits if self.log_prior is None else logits + self.log_prior.to(x.dtype)


def log_normaliser(kappa: Tensor, dim: int) -> Tensor:
    """ln of C_d(kappa) = kappa^(d/2 - 1) / ((2 pi)^(d/2) I_{d/2 - 1}(kappa)), of any shape, in float64 inside.

    The Bessel function is its power series, summed as logarithms: all terms are positive, so nothing cancels, and
    nothing underflows where a library's I_v is 0 (large d, small kappa). The gradient, -I_{d/2} / I_{d/2 - 1}, follows.
    """
    v, k64 = dim / 2 - 1, kappa.double()
    largest = float(kappa.detach().max())
    # The largest term is near kappa / 2 at most; its neighbours fall off within a few roots of that.
    k = torch.arange(int(largest / 2 + 12 * math.sqrt(largest)) + 40, dtype=torch.float64, device=kappa.device)
    terms = 2 * k * (k64[..., None] / 2).log() - torch.lgamma(k + 1) - torch.lgamma(k + v + 1)
    constant = v * math.log(2) - dim / 2 * math.log(2 * math.pi)
    return (constant - terms.logsumexp(dim=-1)).to(kappa.dtype)


def _log_prior(prior: Tensor | Sequence[float], num_classes: int) -> Tensor:
    values = torch.as_tensor(prior).detach()
    if not values.is_floating_point():
        raise ValueError(f"prior must be a floating point tensor, not {values.dtype}")
    if values.shape != (num_classes,):
        raise ValueError(f"prior must be [{num_classes}], one for each class, not {list(values.shape)}")
    if not bool((values > 0).all()) or abs(float(values.sum()) - 1) > 1e-3:
        raise ValueError("prior must be probabilities above 0 with sum 1")
    return values.log()
