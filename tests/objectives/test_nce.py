"""NCELoss in one process: against the slow reference, its identities, and whether it estimates a density."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import nce, value_and_grads

from pc_align.objectives import NCELoss


def random_inputs(n: int, k: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((n,), (n, k), (n,), (n, k))
    scores = [2 * torch.randn(*shape, generator=generator, dtype=dtype) for shape in shapes]
    return scores[0].requires_grad_(), scores[1].requires_grad_(), scores[2] - 4, scores[3] - 4


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 6), k=st.integers(1, 6), seed=st.integers(0, 10_000), reduction=st.sampled_from(["mean", "sum"])
)
def test_any_batch_equals_the_slow_reference(n, k, seed, reduction):
    inputs = random_inputs(n, k, seed)
    costs = torch.stack(nce(*inputs))
    wanted = value_and_grads(getattr(costs, reduction)(), inputs[:2])
    got = value_and_grads(NCELoss(reduction=reduction)(*inputs), inputs[:2])
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_a_model_equal_to_the_noise_guesses_by_counting():
    k = 4
    log_q, noise_log_q = torch.full((3,), -2.0), torch.full((3, k), -2.0)
    loss = NCELoss()(log_q, noise_log_q, log_q, noise_log_q)
    wanted = math.log(1 + k) + k * math.log((1 + k) / k)  # P(data) = 1 / (1 + k)
    assert loss.item() == pytest.approx(wanted, rel=1e-6)


def test_it_is_negative_sampling_where_k_times_q_is_one():
    positive, noise, _, _ = random_inputs(5, 3, seed=1)
    log_q, noise_log_q = torch.full((5,), -math.log(3)).double(), torch.full((5, 3), -math.log(3)).double()
    wanted = -(F.logsigmoid(positive) + F.logsigmoid(-noise).sum(dim=1)).mean()
    torch.testing.assert_close(NCELoss()(positive, noise, log_q, noise_log_q), wanted, rtol=1e-6, atol=1e-6)


def test_its_minimum_is_the_true_distribution_normalised_by_itself():
    # Expected loss over all outcomes, with the noise weighted by q: no sampling, so the test is exact.
    p, q = torch.tensor([0.5, 0.3, 0.15, 0.05]), torch.tensor([0.25, 0.25, 0.4, 0.1])
    k, scores = 5, torch.zeros(4, dtype=torch.float64, requires_grad=True)
    outcomes = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    log_q = q.double().log()
    optimizer = torch.optim.LBFGS([scores], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.zeros((), dtype=torch.float64)
        for data, noise in outcomes.tolist():
            noise_scores, noise_q = scores[noise].expand(1, k), log_q[noise].expand(1, k)
            loss = loss + p[data] * q[noise] * NCELoss()(scores[data][None], noise_scores, log_q[data][None], noise_q)
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(scores.detach().exp(), p.double(), rtol=1e-5, atol=1e-5)


def test_extreme_scores_stay_finite_in_float32():
    positive, noise = torch.tensor([-500.0, 500.0]), torch.tensor([[500.0], [-500.0]])
    loss = NCELoss(reduction="sum")(positive, noise, torch.zeros(2), torch.zeros(2, 1))
    assert loss.item() == pytest.approx(1000.0)


def test_half_precision_is_computed_in_float32():
    inputs = [x.detach().bfloat16() for x in random_inputs(4, 3, seed=2)]
    loss = NCELoss()(*inputs)
    assert loss.dtype == torch.float32 and loss == NCELoss()(*(x.float() for x in inputs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(3)}, r"scores must be \[B\] and \[B, k\]"),
        ({1: torch.zeros(4, 0)}, "k at least 1"),
        ({2: torch.zeros(4, 1)}, "log q must have the shapes of the scores"),
        ({3: torch.zeros(4, 3)}, "log q must have the shapes of the scores"),
        ({0: torch.zeros(4, dtype=torch.int64)}, "positive scores must be a floating point tensor"),
        ({1: torch.full((4, 2), float("nan"))}, "noise scores hold NaN"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {0: torch.zeros(4), 1: torch.zeros(4, 2), 2: torch.zeros(4), 3: torch.zeros(4, 2), **change}
    with pytest.raises(ValueError, match=message):
        NCELoss()(*(given[i] for i in range(4)))
    with pytest.raises(ValueError, match="reduction"):
        NCELoss(reduction="none")
