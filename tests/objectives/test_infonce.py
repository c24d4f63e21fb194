"""InfoNCE in one process: value and gradient against the slow reference, stability, memory, and bad input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import dense_info_nce, info_nce, random_pairs, value_and_grads
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pc_align.objectives import InfoNCE

MODES = ["ignore", "mask", "positive"]


def assert_equals_reference(points: Tensor, texts: Tensor, scale: Tensor, ids: list[int] | None, **options) -> None:
    loss_options = {key: value for key, value in options.items() if key != "chunk_size"}
    loss_options["smoothing"] = loss_options.pop("label_smoothing", 0.0)
    inputs = (points, texts, scale)
    wanted = value_and_grads(info_nce(points, texts, scale, ids, **loss_options), inputs)
    given_ids = None if ids is None else torch.tensor(ids)
    got = value_and_grads(InfoNCE(**options)(points, texts, scale, given_ids), inputs)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("duplicates", MODES)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("margin", [0.0, 0.2])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_value_and_gradient_equal_the_slow_reference(duplicates, label_smoothing, margin, chunk_size):
    points, texts, scale = random_pairs(7, 5, seed=1)
    assert_equals_reference(
        points,
        texts,
        scale,
        [3, 1, 3, 3, 0, 1, 9],
        duplicates=duplicates,
        label_smoothing=label_smoothing,
        margin=margin,
        chunk_size=chunk_size,
    )


@settings(max_examples=60, deadline=None)
@given(
    B=st.integers(1, 7),
    E=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    duplicates=st.sampled_from(MODES),
    scale=st.floats(0.01, 100),
    chunk_size=st.one_of(st.none(), st.integers(1, 8)),
    label_smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    margin=st.sampled_from([0.0, 0.4]),
    data=st.data(),
)
def test_any_batch_equals_the_slow_reference(B, E, seed, duplicates, scale, chunk_size, label_smoothing, margin, data):
    points, texts, _ = random_pairs(B, E, seed)
    ids = data.draw(st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=B, max_size=B)))
    multiplier = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    options = {"duplicates": duplicates, "chunk_size": chunk_size, "label_smoothing": label_smoothing, "margin": margin}
    assert_equals_reference(points, texts, multiplier, ids, **options)


def test_orthogonal_batch_has_its_closed_form():
    eye = torch.eye(5, dtype=torch.float64)
    scale = 3.0
    wanted = math.log(math.exp(scale) + 4) - scale
    assert InfoNCE()(eye, eye, torch.tensor(scale)).item() == pytest.approx(wanted, abs=1e-12)


def test_a_batch_of_one_pair_costs_nothing():
    points, texts, scale = random_pairs(1, 4, seed=0)
    loss, *grads = value_and_grads(InfoNCE()(points, texts, scale), (points, texts, scale))
    assert loss == 0 and all((grad == 0).all() for grad in grads)


def test_equal_captions_everywhere():
    points, texts, scale = random_pairs(6, 4, seed=0)
    ids = torch.zeros(6, dtype=torch.int64)
    assert InfoNCE(duplicates="mask")(points, texts, scale, ids) == 0
    assert InfoNCE(duplicates="positive")(points, texts, scale, ids).abs() < 1e-12
    assert InfoNCE(duplicates="ignore")(points, texts, scale, ids) == InfoNCE()(points, texts, scale)


def test_both_directions_count_alike():
    points, texts, scale = random_pairs(9, 4, seed=3)
    torch.testing.assert_close(InfoNCE()(points, texts, scale), InfoNCE()(texts, points, scale), rtol=1e-12, atol=0)


@pytest.mark.parametrize("row", ["zero", "tiny", "just above"])
def test_a_row_without_direction_has_cosine_and_gradient_zero(row):
    points, texts, scale = random_pairs(5, 3, seed=2)
    length = {"zero": 0.0, "tiny": 9e-7, "just above": 1.1e-6}[row]
    for x, i in ((points, 1), (texts, 3)):
        x.data[i] *= length / x.data[i].norm()
    got = value_and_grads(InfoNCE(chunk_size=2)(points, texts, scale), (points, texts, scale))
    wanted = value_and_grads(info_nce(points, texts, scale), (points, texts, scale))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)
    is_zero = row != "just above"
    assert bool((got[1][1] == 0).all()) == is_zero and bool((got[2][3] == 0).all()) == is_zero


def hard_batch(kind: str, B: int, E: int) -> tuple[Tensor, Tensor]:
    """Float32 embeddings: random; solved (positives at cosine 1); opposite (every cosine near -1); mixed."""
    generator = torch.Generator().manual_seed(B)
    points = torch.randn(B, E, generator=generator)
    if kind == "random":
        return points, torch.randn(B, E, generator=generator)
    if kind == "solved":
        return points, 3 * points
    direction = torch.randn(1, E, generator=generator)
    points = direction + 0.05 * points
    texts = -direction + 0.05 * torch.randn(B, E, generator=generator)
    if kind == "mixed":
        texts[0] = points[0]
    return points, texts


@pytest.mark.parametrize("kind", ["random", "solved", "opposite", "mixed"])
@pytest.mark.parametrize("scale", [1.0, 14.3, 50.0, 100.0])
@pytest.mark.parametrize("chunk_size", [None, 40])
def test_float32_agrees_with_float64(kind, scale, chunk_size):
    B, E = 300, 64
    points, texts = hard_batch(kind, B, E)
    exact = [x.double().requires_grad_() for x in (points, texts)]
    wanted = value_and_grads(dense_info_nce(*exact, scale), tuple(exact))
    leaves = [x.clone().requires_grad_() for x in (points, texts)]
    loss = InfoNCE(chunk_size=chunk_size)(*leaves, torch.tensor(scale))
    got = value_and_grads(loss, tuple(leaves))
    assert abs(got[0].item() - wanted[0].item()) <= 2e-5 * max(1, wanted[0].item())
    for x, one, other in zip((points, texts), got[1:], wanted[1:], strict=True):
        limit = 2e-5 * scale / (B * x.double().norm(dim=1, keepdim=True))
        assert ((one.double() - other).abs() <= limit).all()


def test_a_candidate_that_all_rows_pull_at_keeps_its_gradient_in_float32():
    # The gradient of text 0 is a sum of B nearly equal vectors, of which its direction takes nearly all away.
    points, texts = hard_batch("mixed", 1024, 64)
    exact = [x.double().requires_grad_() for x in (points, texts)]
    wanted = torch.autograd.grad(dense_info_nce(*exact, 100.0), exact)
    leaves = [x.clone().requires_grad_() for x in (points, texts)]
    got = torch.autograd.grad(InfoNCE()(*leaves, torch.tensor(100.0)), leaves)
    for x, one, other in zip((points, texts), got, wanted, strict=True):
        limit = 2e-5 * 100 / (1024 * x.double().norm(dim=1, keepdim=True))
        assert ((one.double() - other).abs() <= limit).all()


def test_one_shift_for_a_tile_would_not_be_enough():
    points, texts = hard_batch("mixed", 300, 64)
    p, t = (x / x.norm(dim=1, keepdim=True) for x in (points, texts))
    logits = 100 * p @ t.T
    shared = ((logits - logits.max()).exp().sum(0).log() + logits.max() - logits.diagonal()).mean()
    assert not shared.isfinite()  # so the batches above do ask for a shift for each row and column


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation returns."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, tuple | list) else [out]:
            self.numel = max(
                self.numel, x.untyped_storage().nbytes() // x.element_size() if isinstance(x, Tensor) else 0
            )
        return out


@pytest.mark.parametrize(("chunk_size", "B"), [(16, 256), (None, 2100)])
@pytest.mark.parametrize("duplicates", MODES)
def test_the_matrix_of_all_pairs_is_never_stored(chunk_size, B, duplicates):
    points, texts, scale = random_pairs(B, 8, seed=0, dtype=torch.float32)
    ids = torch.arange(B) // 2
    with Largest() as largest:
        loss = InfoNCE(duplicates=duplicates, chunk_size=chunk_size, margin=0.1)(points, texts, scale, ids)
        with largest:
            loss.backward()
    assert B * 8 <= largest.numel <= B * B // 2


@pytest.mark.parametrize("chunk_size", [None, 8])
def test_backward_computes_as_forward_whatever_the_autocast_state(chunk_size):
    points, texts, scale = random_pairs(32, 16, seed=4, dtype=torch.float32)
    inputs = (points, texts, scale)
    plain = value_and_grads(InfoNCE(chunk_size=chunk_size)(*inputs), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        loss = InfoNCE(chunk_size=chunk_size)(*inputs)
        inside = torch.autograd.grad(loss, inputs, retain_graph=True)
    outside = torch.autograd.grad(loss, inputs)
    assert loss.dtype == torch.float32 and loss == plain[0]
    for a, b, c in zip(inside, outside, plain[1:], strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_are_computed_in_float32(dtype):
    points, texts, scale = random_pairs(16, 8, seed=5, dtype=torch.float32)
    half = [x.detach().to(dtype).requires_grad_() for x in (points, texts)]
    full = [x.detach().float().requires_grad_() for x in half]
    got = value_and_grads(InfoNCE()(*half, scale), tuple(half))
    wanted = value_and_grads(InfoNCE()(*full, scale), tuple(full))
    assert got[0] == wanted[0] and got[1].dtype == dtype
    assert torch.equal(got[1], wanted[1].to(dtype))


@pytest.mark.parametrize("duplicates", MODES)
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_a_graph_that_is_kept_gives_the_same_gradient_twice(duplicates, chunk_size):
    points, texts, scale = random_pairs(8, 4, seed=6)
    loss = InfoNCE(duplicates=duplicates, chunk_size=chunk_size)(points, texts, scale, torch.arange(8) // 2)
    first = torch.autograd.grad(loss, (points, texts, scale), retain_graph=True)
    second = torch.autograd.grad(loss, (points, texts, scale))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_frozen_texts_get_no_gradient_and_change_nothing():
    points, texts, scale = random_pairs(6, 4, seed=7)
    wanted = torch.autograd.grad(InfoNCE()(points, texts, scale), points)[0]
    got = torch.autograd.grad(InfoNCE()(points, texts.detach(), scale), points)[0]
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-14)


def test_an_empty_batch_is_a_zero_tied_to_its_inputs():
    points, texts = (torch.zeros(0, 4, requires_grad=True) for _ in range(2))
    scale = torch.tensor(5.0, requires_grad=True)
    loss, *grads = value_and_grads(InfoNCE()(points, texts, scale), (points, texts, scale))
    assert loss == 0 and [grad.shape for grad in grads] == [points.shape, texts.shape, scale.shape]


GOOD = {"points": torch.randn(4, 3), "texts": torch.randn(4, 3), "scale": torch.tensor(10.0), "ids": torch.arange(4)}
BAD = {
    "texts of another width": ({"texts": torch.randn(4, 2)}, r"\[4, 3\] and \[4, 2\]"),
    "fewer texts": ({"texts": torch.randn(3, 3)}, r"\[4, 3\] and \[3, 3\]"),
    "one dimension": ({"points": torch.randn(4), "texts": torch.randn(4)}, r"\[B, E\]"),
    "integers": ({"points": torch.ones(4, 3, dtype=torch.int64)}, "floating point.*int64"),
    "NaN": ({"texts": torch.full((4, 3), float("nan"))}, "text embeddings hold NaN"),
    "infinity": ({"points": torch.full((4, 3), float("inf"))}, "point embeddings hold"),
    "scale 0": ({"scale": torch.tensor(0.0)}, "scale must be positive, not 0.0"),
    "negative scale": ({"scale": torch.tensor(-1.0)}, "scale must be positive"),
    "scale NaN": ({"scale": torch.tensor(float("nan"))}, "scale must be finite"),
    "two scales": ({"scale": torch.ones(2)}, "one real number"),
    "too few ids": ({"ids": torch.arange(3)}, r"caption ids must be \[4\]"),
    "float ids": ({"ids": torch.ones(4)}, "caption ids must be an integer tensor"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_in_one_line(case):
    change, message = BAD[case]
    given = {**GOOD, **change}
    with pytest.raises(ValueError, match=message) as caught:
        InfoNCE()(given["points"], given["texts"], given["scale"], given["ids"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [{"duplicates": "drop"}, {"chunk_size": 0}, {"label_smoothing": 1.5}, {"margin": -0.1}]
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        InfoNCE(**arguments)
