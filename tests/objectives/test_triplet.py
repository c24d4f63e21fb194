"""Triplets: given ones, those between points and texts, precision and memory."""

from __future__ import annotations

import math

import pytest
import reference_labels as slow
import torch
from labelled import E, batch, value_and_grads

from pc_align.objectives import TripletLoss, triplet_loss


@pytest.mark.parametrize("distance", ["euclidean", "squared", "cosine"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_offline_triplets_equal_the_formula(distance, reduction):
    generator = torch.Generator().manual_seed(1)
    a, p, n = (torch.randn(6, E, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3))
    loss = triplet_loss(a, p, n, margin=0.4, distance=distance, reduction=reduction)
    costs = [
        torch.clamp(slow.distance(a[i], p[i], distance) - slow.distance(a[i], n[i], distance) + 0.4, min=0)
        for i in range(6)
    ]
    assert 0 < sum(cost.item() > 0 for cost in costs) < 6
    wanted = sum(costs) if reduction == "sum" else slow.mean(costs)
    for one, other in zip(
        (loss, *torch.autograd.grad(loss, (a, p, n))), (wanted, *torch.autograd.grad(wanted, (a, p, n))), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    options = {"margin": 0.4, "distance": distance, "reduction": reduction}
    assert torch.autograd.gradcheck(lambda *rows: triplet_loss(*rows, **options), (a, p, n))


def test_offline_triplets_on_hard_input():
    for x in (torch.zeros(3, E), torch.ones(3, E), torch.full((3, E), 1e-30)):
        for distance in ("euclidean", "squared", "cosine"):
            a = x.clone().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16):
                loss = triplet_loss(a, x, -x, distance=distance, margin=5.0)
            (grad,) = torch.autograd.grad(loss, a)
            assert loss.isfinite() and grad.isfinite().all() and loss.dtype == torch.float32
    empty = torch.empty(0, E, requires_grad=True)
    loss = triplet_loss(empty, empty, empty)
    assert loss == 0 and loss.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": -1.0}, "margin must be at least 0"),
        ({"distance": "l1"}, "distance must be"),
        ({"reduction": "none"}, "reduction must be"),
        ({"positive": torch.randn(3, E)}, r"positive must be \[4, 3\], not \[3, 3\]"),
        ({"negative": torch.randn(4, E) / 0}, "negative hold NaN or infinity"),
        ({"anchor": torch.zeros(4, E, dtype=torch.int64)}, "anchor must be a floating point tensor"),
    ],
)
def test_offline_triplets_name_the_bad_argument(arguments, message):
    rows = {name: torch.randn(4, E) for name in ("anchor", "positive", "negative")}
    with pytest.raises(ValueError, match=message):
        triplet_loss(**{**rows, **arguments})


@pytest.mark.parametrize("mining", ["batch_all", "batch_hard", "semi_hard"])
@pytest.mark.parametrize("distance", ["euclidean", "squared", "cosine"])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 4, 5], [1, 1, 1, 1, 1, 1]], ids=str)
def test_triplets_between_points_and_texts(mining, distance, labels):
    """With every label once the own text is the only positive; with one label there is no negative."""
    generator = torch.Generator().manual_seed(4)
    points, texts = (torch.randn(6, E, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    loss = TripletLoss(mining=mining, distance=distance)(points, torch.tensor(labels), texts)
    wanted = slow.triplets(points, labels, mining=mining, kind=distance, other=texts)
    assert (wanted > 0) == (len(set(labels)) > 1)
    grads = (torch.autograd.grad(value, (points, texts)) for value in (loss, wanted))
    for one, other in zip((loss, *next(grads)), (wanted, *next(grads)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_texts_may_be_frozen_and_tied():
    """Equal captions have equal embeddings, which tie as hardest candidates: the loss is that of either."""
    points = torch.randn(4, E, requires_grad=True)
    texts = torch.eye(E)[[0, 0, 1, 2]]
    loss = TripletLoss()(points, torch.tensor([0, 0, 1, 2]), texts)
    (grad,) = torch.autograd.grad(loss, points)
    assert loss.isfinite() and grad.isfinite().all()
    with pytest.raises(ValueError, match="other must be"):
        TripletLoss()(points, torch.tensor([0, 0, 1, 2]), texts[:3])


def test_near_points_keep_their_distance():
    """|a|^2 + |b|^2 - 2ab would leave nothing of a distance of 1e-4 in float32."""
    x = torch.tensor([[1.0, 0, 0], [1.0, 1e-4, 0], [0, 1.0, 0]])
    loss = TripletLoss(normalize=False, margin=2.0)(x, torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(2 + 1e-4 - (math.sqrt(2) * 1 + math.dist((1, 1e-4), (0, 1))) / 2, abs=2e-6)


def test_memory_does_not_grow_with_the_number_of_triplets(monkeypatch):
    """Triplets are looked at a few anchors at a time; the result does not depend on how many."""
    from pc_align.objectives import _mining

    x, labels = batch(12)
    for mining in ("batch_all", "semi_hard"):
        whole = value_and_grads(TripletLoss(mining=mining)(x, labels), x, TripletLoss())
        monkeypatch.setattr(_mining, "_TRIPLETS_AT_ONCE", 12 * 12 * 5)
        parts = value_and_grads(TripletLoss(mining=mining)(x, labels), x, TripletLoss())
        torch.testing.assert_close(whole, parts, rtol=1e-12, atol=1e-12)
        monkeypatch.undo()
