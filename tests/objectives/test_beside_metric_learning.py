"""Agreement with pytorch-metric-learning, where it follows the papers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from labelled import E, K, batch

from pc_align.objectives import ArcFace, COCOLoss, CosFace, LSoftmax, SphereFace, TripletLoss


def _with_columns(theirs, weight):
    with torch.no_grad():
        theirs.W.data = weight.detach().T.clone()
    return theirs


def assert_agrees(ours, theirs):
    x, labels = batch(12)
    theirs = _with_columns(theirs.double(), ours.double().weight)
    a, b = ours(x, labels), theirs(x, labels)
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    for one, other in zip(torch.autograd.grad(a, x), torch.autograd.grad(b, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_agrees_with_pytorch_metric_learning_on_multiplied_angles(m):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    assert_agrees(LSoftmax(E, K, margin=m, annealing=0.0), losses.LargeMarginSoftmaxLoss(K, E, margin=m, scale=1))
    assert_agrees(SphereFace(E, K, margin=m, annealing=0.0), losses.SphereFaceLoss(K, E, margin=m, scale=1))


def test_agrees_with_pytorch_metric_learning_on_added_margins():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    assert_agrees(ArcFace(E, K), losses.ArcFaceLoss(K, E, margin=math.degrees(0.5), scale=64))  # theirs in degrees
    assert_agrees(CosFace(E, K), losses.CosFaceLoss(K, E, margin=0.35, scale=64))
    head = COCOLoss(E, K, alpha=20.0).double()
    theirs = _with_columns(losses.NormalizedSoftmaxLoss(K, E, temperature=0.05).double(), head.weight)
    x, labels = batch()  # theirs normalises only the weights
    torch.testing.assert_close(head(x, labels), theirs(F.normalize(x, dim=1), labels), rtol=1e-9, atol=1e-9)


def test_agrees_with_pytorch_metric_learning_on_triplets():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    x, labels = batch(14)
    theirs = losses.TripletMarginLoss(margin=0.2)(x, labels)
    torch.testing.assert_close(TripletLoss(mining="batch_all")(x, labels), theirs, rtol=1e-9, atol=1e-9)
    for mining, miner in [
        ("batch_hard", miners.BatchHardMiner()),
        ("semi_hard", miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")),
    ]:
        # Their default leaves zero costs out of the mean; the papers' "batch hard" does not.
        theirs = losses.TripletMarginLoss(margin=0.2, reducer=reducers.MeanReducer())(x, labels, miner(x, labels))
        torch.testing.assert_close(TripletLoss(mining=mining)(x, labels), theirs, rtol=1e-9, atol=1e-9)
