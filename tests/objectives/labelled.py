"""Every objective over labelled rows with its slow reference: the list that the tests of this folder go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import reference_labels as slow
import torch
from torch import Tensor, nn

from pc_align.objectives import (
    AMSoftmax,
    AngularTripletLoss,
    ArcFace,
    CenterLoss,
    COCOLoss,
    CosFace,
    CrossEntropyHead,
    L2Softmax,
    LSoftmax,
    NormFace,
    SphereFace,
    TripletLoss,
    VMFSoftmax,
)

K, E = 4, 3


@dataclass(frozen=True)
class Case:
    """An objective, how it is made, and what it must equal: (objective, x, labels, w) -> scalar."""

    make: Callable[..., nn.Module]
    arguments: dict[str, Any] = field(default_factory=dict)
    reference: Callable[[nn.Module, Tensor, list[int], Tensor], Tensor] = None
    sizes: bool = True

    def objective(self, **more: Any) -> nn.Module:
        """With weights that are the same in every process, in float64."""
        torch.manual_seed(11)
        sizes = {"embed_dim": E, "num_classes": K} if self.sizes else {}
        return self.make(**sizes, **self.arguments, **more).double()

    def expected(self, objective: nn.Module, x: Tensor, labels: list[int]) -> Tensor:
        return self.reference(objective, x, labels, getattr(objective, "weight", None))


def _scaled(psi: Callable[[Any], Callable], length: Callable[[nn.Module], Callable]) -> Callable:
    return lambda h, x, y, w: slow.mean(slow.angular(x, w, y, psi(h), length(h)))


def _multiple(length: Callable) -> Callable:
    return _scaled(lambda h: slow.multiple(h.margin, h.annealing), lambda h: length)


def _triplet(kind: str = "euclidean", **options: Any) -> Case:
    def reference(h: nn.Module, x: Tensor, y: list[int], w: None) -> Tensor:
        names = {"soft_margin": "soft"}
        rest = {names.get(key, key): value for key, value in options.items()}
        return slow.triplets(x, y, kind=kind, **rest)

    return Case(TripletLoss, {"distance": kind, **options}, reference, sizes=False)


def _arcface(**options: Any) -> Case:
    psi = lambda h: slow.added(h.margin, h.beyond_pi)  # noqa: E731
    return Case(ArcFace, options, _scaled(psi, lambda h: lambda x, w: h.scale))


def _vmf(h: nn.Module, x: Tensor, y: list[int], w: Tensor) -> Tensor:
    kappa = list(h.kappa) if h.per_class else [h.kappa] * K
    prior = [0.25] * K if h.log_prior is None else h.log_prior.exp().tolist()
    return slow.vmf(x, w, y, kappa, prior, log_c_of_three)


def log_c_of_three(kappa: Tensor) -> Tensor:
    """ln C_3, which is elementary: kappa / (4 pi sinh kappa)."""
    return torch.log(kappa / (4 * torch.pi * torch.sinh(kappa)))


def _same(theta: Tensor) -> Tensor:
    return torch.cos(theta)


PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)

CASES: dict[str, Case] = {
    "cross entropy": Case(CrossEntropyHead, {}, lambda h, x, y, w: slow.cross_entropy(x, w, h.bias, y)),
    "cross entropy, smoothed": Case(
        CrossEntropyHead, {"label_smoothing": 0.2}, lambda h, x, y, w: slow.cross_entropy(x, w, h.bias, y, 0.2)
    ),
    **{
        f"L-Softmax, m {m}, lambda {a}": Case(
            LSoftmax, {"margin": m, "annealing": a}, _multiple(lambda x, w: x.norm() * w.norm())
        )
        for m, a in [(1, 0.0), (2, 0.0), (3, 1.5), (4, 0.0)]
    },
    **{
        f"SphereFace, m {m}, lambda {a}": Case(
            SphereFace, {"margin": m, "annealing": a}, _multiple(lambda x, w: x.norm())
        )
        for m, a in [(2, 0.0), (3, 0.0), (4, 5.0)]
    },
    "AM-Softmax": Case(
        AMSoftmax,
        {},
        _scaled(lambda h: lambda theta: torch.cos(theta) - h.margin, lambda h: lambda x, w: h.scale),
    ),
    "CosFace": Case(
        CosFace,
        {"scale": 9.0},
        _scaled(lambda h: lambda theta: torch.cos(theta) - h.margin, lambda h: lambda x, w: h.scale),
    ),
    **{f"ArcFace, {beyond}": _arcface(beyond_pi=beyond, scale=7.0) for beyond in ("monotone", "none", "easy")},
    "ArcFace, large margin": _arcface(margin=1.2, scale=5.0),
    "NormFace": Case(NormFace, {}, _scaled(lambda h: _same, lambda h: lambda x, w: h.scale)),
    "NormFace, contrastive": Case(
        NormFace, {"agent": "contrastive"}, lambda h, x, y, w: slow.agents(x, w, y, "contrastive", 1.0)
    ),
    "NormFace, triplet": Case(NormFace, {"agent": "triplet"}, lambda h, x, y, w: slow.agents(x, w, y, "triplet", 0.8)),
    "L2-Softmax": Case(
        L2Softmax,
        {"alpha": 5.0},
        lambda h, x, y, w: slow.cross_entropy(torch.stack([5.0 * row / row.norm() for row in x]), w, h.bias, y),
    ),
    "vMF": Case(VMFSoftmax, {"kappa": 6.0}, _vmf),
    "vMF, prior": Case(VMFSoftmax, {"kappa": 6.0, "prior": PRIOR}, _vmf),
    "vMF, per class": Case(VMFSoftmax, {"kappa": 6.0, "per_class": True, "prior": PRIOR}, _vmf),
    "COCO": Case(COCOLoss, {}, _scaled(lambda h: _same, lambda h: lambda x, w: h.alpha)),
    "COCO, sum": Case(
        COCOLoss,
        {"reduction": "sum"},
        lambda h, x, y, w: sum(slow.angular(x, w, y, _same, lambda x, w: h.alpha)),
    ),
    "center": Case(CenterLoss, {}, lambda h, x, y, w: slow.mean(slow.center(x, h.centers, y))),
    "center, sum": Case(CenterLoss, {"reduction": "sum"}, lambda h, x, y, w: sum(slow.center(x, h.centers, y))),
    **{
        f"triplet, {mining}, {kind}": _triplet(kind, mining=mining)
        for mining in ("batch_all", "batch_hard", "semi_hard")
        for kind in ("euclidean", "squared", "cosine")
    },
    **{
        f"triplet, {mining}, soft, raw": _triplet(mining=mining, soft_margin=True, normalize=False, margin=1.0)
        for mining in ("batch_all", "batch_hard", "semi_hard")
    },
    "angular triplet, atl": Case(
        AngularTripletLoss, {}, lambda h, x, y, w: slow.atl(x, w, y, h.margin, h.lambda_.value)
    ),
    "angular triplet, atl, m 2": Case(
        AngularTripletLoss,
        {"margin": 2, "annealing": 3.0},
        lambda h, x, y, w: slow.atl(x, w, y, h.margin, h.lambda_.value),
    ),
    "angular triplet, arccos": Case(
        AngularTripletLoss,
        {"mode": "arccos"},
        lambda h, x, y, w: slow.triplets(x, y, mining="batch_hard", margin=0.35, kind="angle"),
    ),
    "angular triplet, center": Case(
        AngularTripletLoss, {"mode": "center"}, lambda h, x, y, w: slow.triplet_center(x, w, y, 1.0)
    ),
}
HEADS = [name for name, case in CASES.items() if case.sizes and case.make is not CenterLoss and "arccos" not in name]


def batch(rows: int = 9, seed: int = 3, present: int = K) -> tuple[Tensor, Tensor]:
    """Embeddings [rows, E] that want gradients, and labels of the first `present` classes, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, E, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), torch.randint(0, present, (rows,), generator=generator)


def value_and_grads(loss: Tensor, x: Tensor, objective: nn.Module) -> dict[str, Tensor]:
    """The loss and the gradient of everything that learns, by name."""
    learned = dict(objective.named_parameters())
    grads = torch.autograd.grad(loss, [x, *learned.values()])
    return {"loss": loss.detach(), **dict(zip(["x", *learned], grads, strict=True))}
