"""Objectives over labelled rows in one process: against slow references, by finite differences, on hard inputs."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CASES, HEADS, E, K, batch, value_and_grads

from pc_align.objectives import ArcFace, CenterLoss, CrossEntropyHead, TripletLoss


def assert_same(got: dict, wanted: dict, tolerance: float = 1e-9) -> None:
    assert got.keys() == wanted.keys()
    for name in got:
        torch.testing.assert_close(
            got[name], wanted[name], rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


def assert_equals_reference(name: str, x: torch.Tensor, labels: torch.Tensor) -> None:
    case = CASES[name]
    objective = case.objective()
    if "center" in name and hasattr(objective, "centers"):
        objective.centers.normal_(generator=torch.Generator().manual_seed(5))
    got = value_and_grads(objective(x, labels), x, objective)
    assert_same(got, value_and_grads(case.expected(objective, x, labels.tolist()), x, objective))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_equal_the_slow_reference(name, seed):
    assert_equals_reference(name, *batch(9, seed))


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(CASES)), rows=st.integers(1, 8), seed=st.integers(0, 10_000), present=st.integers(1, K)
)
def test_any_batch_equals_the_slow_reference(name, rows, seed, present):
    """With few classes present, one row, no positives, no negatives."""
    assert_equals_reference(name, *batch(rows, seed, present))


@pytest.mark.parametrize("name", [name for name in CASES if "atl" not in name])
def test_gradient_by_finite_differences(name):
    """Seeds are free of kinks: no margin, angle or hardest candidate changes within the step."""
    objective = CASES[name].objective().eval()
    x, labels = batch(6, seed=21)
    learned = [p.requires_grad_() for p in objective.parameters()]
    torch.autograd.gradcheck(lambda x, *_: objective(x, labels), (x, *learned), eps=1e-7, atol=1e-5)


# --- inputs that make formulas divide by zero, or take roots and arccos at their ends ---------------------------------


def hard_inputs() -> dict[str, torch.Tensor]:
    row = torch.tensor([0.6, -0.8, 0.0])
    own = CASES["AM-Softmax"].objective().weight.detach().float()
    return {
        "identical": row.repeat(6, 1),
        "opposite": torch.stack([row, -row] * 3),
        "zero": torch.zeros(6, E),
        "some zero": torch.cat([torch.zeros(3, E), torch.eye(3)]),
        "tiny": torch.full((6, E), 1e-30),
        "small": torch.randn(6, E) * 1e-5,
        "long": torch.randn(6, E) * 1e4,
        "on the class weights": own[[0, 1, 2, 3, 0, 1]],
        "against the class weights": -own[[0, 1, 2, 3, 0, 1]],
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["float32", "bf16 autocast", "bf16 inputs", "fp16 inputs"])
def test_loss_and_gradient_are_finite(name, kind):
    objective = CASES[name].objective().float()
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    inputs = hard_inputs()
    if kind == "fp16 inputs":  # the gradient of a row of norm 1e-5 is 1e5, more than fp16 holds
        inputs["small"] *= 1000
    for what, x in inputs.items():
        x = x.to({"bf16 inputs": torch.bfloat16, "fp16 inputs": torch.float16}.get(kind, torch.float32))
        x.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16 autocast"):
            loss = objective(x, labels)
        assert loss.dtype == torch.float32
        for part, value in value_and_grads(loss, x, objective).items():
            assert value.isfinite().all(), (what, part, value)


@pytest.mark.parametrize("name", CASES)
def test_autocast_changes_nothing(name):
    objective = CASES[name].objective().float().eval()
    x, labels = batch()
    x = x.detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(objective(x, labels), objective(x, labels))
        inside = objective(x, labels)
    assert torch.equal(inside, objective(x, labels))


@pytest.mark.parametrize("name", HEADS)
def test_a_class_absent_from_the_batch_takes_part_as_a_wrong_answer(name):
    objective = CASES[name].objective()
    x, labels = batch(7, seed=1, present=2)
    grads = value_and_grads(objective(x, labels), x, objective)
    assert all(value.isfinite().all() for value in grads.values())
    if "weight" in grads and "triplet" not in name and "contrastive" not in name:
        assert grads["weight"][K - 1].abs().sum() > 0


@pytest.mark.parametrize(
    "name", [name for name in CASES if "triplet, batch" in name or "semi" in name or "arccos" in name]
)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [2, 2, 2, 2]], ids=["no positives", "no negatives"])
def test_a_batch_without_triplets_is_zero_with_a_graph(name, labels):
    objective = CASES[name].objective()
    x = torch.randn(4, E, dtype=torch.float64, requires_grad=True)
    loss = objective(x, torch.tensor(labels))
    (grad,) = torch.autograd.grad(loss, x)
    assert loss == 0 and (grad == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_no_rows_is_zero_with_a_graph(name):
    objective = CASES[name].objective()
    x = torch.empty(0, E, dtype=torch.float64, requires_grad=True)
    values = value_and_grads(objective(x, torch.empty(0, dtype=torch.int64)), x, objective)
    assert all((value == 0).all() for value in values.values())


# --- frozen prototypes -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*largest feasible margin")
@pytest.mark.parametrize("name", HEADS)
def test_frozen_prototypes_are_used_and_never_learned(name):
    case = CASES[name]
    objective = case.objective(prototypes=torch.eye(K, E, dtype=torch.float64) + 0.1)
    x, labels = batch(8, seed=2)
    assert "weight" not in dict(objective.named_parameters()) and "weight" in objective.state_dict()
    assert_same(
        value_and_grads(objective(x, labels), x, objective),
        value_and_grads(case.expected(objective, x, labels.tolist()), x, objective),
    )
    objective.set_prototypes(2 * torch.eye(K, E, dtype=torch.float64) + 0.5)
    assert_same(
        value_and_grads(objective(x, labels), x, objective),
        value_and_grads(case.expected(objective, x, labels.tolist()), x, objective),
    )


def test_prototypes_of_a_learned_head_cannot_be_set():
    with pytest.raises(ValueError, match="prototypes"):
        ArcFace(E, K).set_prototypes(torch.randn(K, E))
    with pytest.raises(ValueError, match="prototypes"):
        CenterLoss(K, E).set_prototypes(torch.randn(K, E))


def close_prototypes(cosine: float) -> torch.Tensor:
    return torch.tensor([[0.0, 0, 1], [1.0, 0, 0], [0, -1.0, 0], [cosine, math.sqrt(1 - cosine**2), 0]])


@pytest.mark.parametrize(
    ("name", "arguments", "largest"),
    [
        ("ArcFace, monotone", {"margin": 0.5}, math.acos(0.95)),
        ("CosFace", {"margin": 0.35}, 0.05),
        ("AM-Softmax", {"margin": 0.05001}, 0.05),
        ("NormFace, triplet", {}, 0.1),
        ("NormFace, contrastive", {}, 0.1),
        ("angular triplet, center", {}, math.acos(0.95)),
    ],
)
def test_a_margin_without_room_names_the_closest_classes(name, arguments, largest):
    case = CASES[name]
    names = ["lamp", "cup", "bed", "mug"]
    with pytest.warns(UserWarning, match=rf"'cup' and 'mug'.*largest feasible margin is {largest:.3f}"):
        case.make(E, K, **{**case.arguments, **arguments}, prototypes=close_prototypes(0.95), class_names=names)
    with pytest.warns(UserWarning, match="class 1 and class 3"):
        case.make(E, K, **{**case.arguments, **arguments}, prototypes=close_prototypes(0.95))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = {**case.arguments, **arguments, "margin": 0.9 * largest}
        case.make(E, K, **small, prototypes=close_prototypes(0.95))
        case.make(E, K, **{**case.arguments, **arguments})


def test_no_embedding_meets_an_infeasible_margin():
    """What the warning is about: at the prototype itself, the best that there is, the own class still loses."""
    prototypes = close_prototypes(0.95).double()
    for margin, feasible in ((0.5, False), (0.3, True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = ArcFace(E, K, scale=1.0, margin=margin, prototypes=prototypes)
        logits = head.logits(prototypes, prototypes, torch.arange(K))
        assert bool((logits.argmax(dim=1) == torch.arange(K)).all()) == feasible


# --- the rest --------------------------------------------------------------------------------------------------------


def test_the_embedding_without_direction_has_no_gradient():
    x = torch.zeros(2, E, requires_grad=True)
    (grad,) = torch.autograd.grad(CASES["AM-Softmax"].objective().float()(x, torch.tensor([0, 1])), x)
    assert (grad == 0).all()


def test_integer_labels_of_any_width():
    x, labels = batch()
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32):
        for objective in (CrossEntropyHead(E, K).double(), TripletLoss(), CenterLoss(K, E).double()):
            assert torch.equal(objective(x, labels.to(dtype)), objective(x, labels))


def test_state_survives_saving():
    for name in ("angular triplet, atl", "center", "SphereFace, m 4, lambda 5.0", "vMF, per class"):
        one = CASES[name].objective()
        x, labels = batch()
        one(x, labels)
        if hasattr(one, "update"):
            one.update(x.detach(), labels)
        torch.manual_seed(99)
        other = CASES[name].make(embed_dim=E, num_classes=K, **CASES[name].arguments).double()
        other.load_state_dict(one.state_dict())
        assert torch.equal(one.eval()(x, labels), other.eval()(x, labels))
