"""SigmoidLoss in one process: value and gradient against the slow reference, closed forms, stability, bad input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import random_pairs, sigmoid, value_and_grads

from pc_align.objectives import SigmoidLoss


def leaf(value: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype, requires_grad=True)


@settings(max_examples=50, deadline=None)
@given(
    B=st.integers(1, 7),
    E=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100),
    bias=st.floats(-30, 30),
    chunk_size=st.one_of(st.none(), st.integers(1, 8)),
    data=st.data(),
)
def test_any_batch_equals_the_slow_reference(B, E, seed, scale, bias, chunk_size, data):
    points, texts, _ = random_pairs(B, E, seed)
    ids = data.draw(st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=B, max_size=B)))
    inputs = (points, texts, leaf(scale), leaf(bias))
    wanted = value_and_grads(sigmoid(*inputs, ids), inputs)
    given_ids = None if ids is None else torch.tensor(ids)
    got = value_and_grads(SigmoidLoss(chunk_size=chunk_size)(*inputs, given_ids), inputs)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_the_start_of_training_has_its_closed_form():
    eye = torch.eye(4, dtype=torch.float64)
    loss = SigmoidLoss()(eye, eye, torch.tensor(10.0), torch.tensor(-10.0))
    wanted = math.log(2) + 3 * math.log1p(math.exp(-10))  # positives at logit 0, three negatives a row at -10
    assert loss.item() == pytest.approx(wanted, abs=1e-12)


def test_the_sum_is_divided_by_rows_and_not_by_pairs():
    points, texts, scale = random_pairs(6, 4, seed=1)
    twice = SigmoidLoss()(points.repeat(2, 1), texts.repeat(2, 1), scale, leaf(-3.0), torch.arange(6).repeat(2))
    torch.testing.assert_close(twice, 2 * SigmoidLoss()(points, texts, scale, leaf(-3.0)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("solved", [False, True])
def test_float32_agrees_with_float64(scale, solved):
    points, texts, _ = random_pairs(200, 32, seed=2, dtype=torch.float32)
    texts = points.detach().clone().requires_grad_() if solved else texts
    single, double = [], []
    for dtype, out in ((torch.float32, single), (torch.float64, double)):
        inputs = tuple(x.detach().to(dtype).requires_grad_() for x in (points, texts))
        out += value_and_grads(SigmoidLoss()(*inputs, leaf(scale, dtype), leaf(-10.0, dtype)), inputs)
    assert abs(single[0] - double[0]) <= 2e-5 * max(1, double[0])
    for x, one, other in zip((points, texts), single[1:], double[1:], strict=True):
        assert ((one - other).abs() <= 2e-5 * scale / x.detach().norm(dim=1, keepdim=True)).all()


def test_autocast_changes_nothing():
    points, texts, scale = random_pairs(16, 8, seed=3, dtype=torch.float32)
    inputs = (points, texts, scale, leaf(-5.0, torch.float32))
    plain = value_and_grads(SigmoidLoss()(*inputs), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        loss = SigmoidLoss()(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(plain, value_and_grads(loss, inputs), strict=True))


def test_without_gradients_the_value_is_the_same():
    points, texts, scale = random_pairs(6, 4, seed=4)
    wanted = SigmoidLoss()(points, texts, scale, leaf(-3.0))
    with torch.no_grad():
        assert SigmoidLoss()(points, texts, scale, leaf(-3.0)) == wanted


def test_a_row_without_direction_has_gradient_zero():
    points, texts, scale = random_pairs(5, 3, seed=5)
    points.data[2] = 0
    inputs = (points, texts, scale, leaf(-1.0))
    got, wanted = (value_and_grads(f(*inputs), inputs) for f in (SigmoidLoss(), sigmoid))
    assert (got[1][2] == 0).all()
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": torch.tensor(float("nan"))}, "SigmoidLoss: the logit bias must be finite"),
        ({"bias": torch.zeros(2)}, "SigmoidLoss: the logit bias must be one real number"),
        ({"scale": torch.tensor(0.0)}, "SigmoidLoss: the logit scale must be positive"),
        ({"points": torch.ones(4, 3, dtype=torch.int32)}, "SigmoidLoss: point embeddings must be a floating point"),
        ({"ids": torch.arange(5)}, r"SigmoidLoss: caption ids must be \[4\]"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"points": torch.randn(4, 3), "texts": torch.randn(4, 3), "scale": torch.tensor(10.0)}
    given |= {"bias": torch.tensor(-10.0), "ids": torch.arange(4), **change}
    with pytest.raises(ValueError, match=message):
        SigmoidLoss()(given["points"], given["texts"], given["scale"], given["bias"], given["ids"])
    with pytest.raises(ValueError, match="chunk_size"):
        SigmoidLoss(chunk_size=0)
