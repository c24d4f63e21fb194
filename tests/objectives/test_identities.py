"""Closed forms, identities between the losses, and updates between steps."""

from __future__ import annotations

import math

import pytest
import reference_labels as slow
import torch
import torch.nn.functional as F
from labelled import CASES, E, K, batch, value_and_grads

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
    VMFSoftmax,
)
from pc_align.objectives._multiple_angle import LSOFTMAX_SCHEDULE, SPHEREFACE_SCHEDULE, multiple_angle
from pc_align.objectives.normalized import log_normaliser


def assert_equal_losses(one, other, tolerance=1e-12, rows=9):
    """Equal values, gradients of embeddings and, with equal weights, gradients of weights."""
    x, labels = batch(rows)
    one, other = one.double(), other.double()
    with torch.no_grad():
        one.weight.copy_(other.weight)
    a, b = (value_and_grads(head(x, labels), x, head) for head in (one, other))
    for name in ("loss", "x", "weight"):
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


# --- one loss is another --------------------------------------------------------------------------------------------

WITHOUT_MARGIN = {
    "AM-Softmax": lambda: AMSoftmax(E, K, scale=9.0, margin=0.0),
    "CosFace": lambda: CosFace(E, K, scale=9.0, margin=0.0),
    "ArcFace": lambda: ArcFace(E, K, scale=9.0, margin=0.0),
    "ArcFace, none": lambda: ArcFace(E, K, scale=9.0, margin=0.0, beyond_pi="none"),
    "ArcFace, easy": lambda: ArcFace(E, K, scale=9.0, margin=0.0, beyond_pi="easy"),
    "ArcFace, detached": lambda: ArcFace(E, K, scale=9.0, margin=0.0, gradient="detached"),
    "vMF": lambda: VMFSoftmax(E, K, kappa=9.0),
    "vMF, prior": lambda: VMFSoftmax(E, K, kappa=9.0, prior=torch.full((K,), 1 / K, dtype=torch.float64)),
    "vMF, per class": lambda: VMFSoftmax(E, K, kappa=9.0, per_class=True),
    "COCO": lambda: COCOLoss(E, K, alpha=9.0),
}


@pytest.mark.parametrize("name", WITHOUT_MARGIN)
def test_without_a_margin_all_are_normface(name):
    assert_equal_losses(WITHOUT_MARGIN[name](), NormFace(E, K, scale=9.0))


def test_am_softmax_is_cosface():
    assert_equal_losses(AMSoftmax(E, K, scale=20.0, margin=0.4), CosFace(E, K, scale=20.0, margin=0.4))


def test_l_softmax_without_margin_is_cross_entropy():
    assert_equal_losses(LSoftmax(E, K, margin=1), CrossEntropyHead(E, K))


def test_sphereface_without_margin_is_cross_entropy_on_unit_weights():
    head = SphereFace(E, K, margin=1, annealing=0.0).double()
    x, labels = batch()
    plain = F.cross_entropy(x @ F.normalize(head.weight, dim=1).T, labels)
    torch.testing.assert_close(head(x, labels), plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [LSoftmax, SphereFace])
def test_a_large_lambda_takes_the_margin_away(make):
    assert_equal_losses(make(E, K, margin=4, annealing=1e12), make(E, K, margin=1), tolerance=1e-9)


def test_l2_softmax_is_cross_entropy_of_rows_of_length_alpha():
    head, plain = L2Softmax(E, K, alpha=7.0).double(), CrossEntropyHead(E, K).double()
    with torch.no_grad():
        plain.weight.copy_(head.weight)
        plain.bias.copy_(head.bias.normal_())
    x, labels = batch()
    torch.testing.assert_close(head(x, labels), plain(7 * F.normalize(x, dim=1), labels), rtol=1e-12, atol=1e-12)


def test_atl_without_margin_has_sphereface_values_and_only_hard_gradients():
    atl, sphere = AngularTripletLoss(E, K).double(), SphereFace(E, K, margin=1).double()
    with torch.no_grad():
        atl.weight.copy_(sphere.weight)
    x, labels = batch(20)
    torch.testing.assert_close(atl(x, labels), sphere(x, labels), rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(head(x, labels), x)[0] for head in (atl, sphere))
    easy = (x @ atl.weight.T).argmax(dim=1) == labels
    assert easy.any() and not easy.all()
    assert (ours[easy] == 0).all() and torch.allclose(ours[~easy], theirs[~easy], rtol=1e-12)


def test_frozen_text_normface_is_zero_shot_cross_entropy():
    x, labels = batch()
    texts = torch.randn(K, E, dtype=torch.float64)
    head = NormFace(E, K, scale=14.0, prototypes=texts).double()
    wanted = F.cross_entropy(14.0 * F.normalize(x, dim=1) @ F.normalize(texts, dim=1).T, labels)
    torch.testing.assert_close(head(x, labels), wanted, rtol=1e-12, atol=1e-12)


def test_center_loss_with_unit_prototypes_is_one_minus_cosine():
    x, labels = batch()
    texts = F.normalize(torch.randn(K, E, dtype=torch.float64), dim=1)
    wanted = (1 - F.cosine_similarity(x, texts[labels])).mean()
    loss = CenterLoss(K, E, prototypes=texts)
    torch.testing.assert_close(loss(x, labels), wanted, rtol=1e-12, atol=1e-12)
    loss.update(x.detach(), labels)
    assert torch.equal(loss.centers, texts)


# --- the margins as functions of the angle --------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_multiple_angle_falls_from_one_to_its_lowest(m):
    cosines = torch.cos(torch.linspace(0, math.pi, 2001, dtype=torch.float64))
    psi = multiple_angle(cosines, m)
    assert (psi.diff() < 0).all() and (psi <= cosines + 1e-12).all()
    assert psi[0] == pytest.approx(1) and psi[-1] == pytest.approx(1 - 2 * m)


@pytest.mark.parametrize("beyond_pi", ["monotone", "none", "easy"])
def test_arcface_past_pi(beyond_pi):
    cosines = torch.cos(torch.linspace(0, math.pi, 2001, dtype=torch.float64))
    psi = ArcFace(E, K, margin=0.5, beyond_pi=beyond_pi).psi(cosines)
    assert bool((psi.diff() < 0).all()) == (beyond_pi == "monotone")
    last = {"monotone": -1 - 0.5 * math.sin(0.5), "none": math.cos(math.pi + 0.5), "easy": -1}[beyond_pi]
    assert psi[-1] == pytest.approx(last) and psi[0] == pytest.approx(math.cos(0.5), abs=1e-6)


def test_arcface_detached_has_another_gradient_for_the_same_value():
    true, detached = (ArcFace(E, K, scale=8.0, gradient=gradient) for gradient in ("true", "detached"))
    for head in (true, detached):
        head.double()
    with torch.no_grad():
        detached.weight.copy_(true.weight)
    x, labels = batch()
    a, b = (value_and_grads(head(x, labels), x, head) for head in (true, detached))
    assert a["loss"] == b["loss"] and not torch.allclose(a["x"], b["x"], rtol=0.01)
    # Straight through: what the softmax says of the own logit goes to the cosine as it is.
    cosines = (F.normalize(x, dim=1) @ F.normalize(detached.weight, dim=1).T).detach().requires_grad_()
    own = F.one_hot(labels, K)
    moved = torch.where(own.bool(), true.psi(cosines).detach() + cosines - cosines.detach(), cosines)
    (wanted,) = torch.autograd.grad(F.cross_entropy(8 * moved, labels), cosines)
    through = F.normalize(x, dim=1) @ F.normalize(detached.weight.detach(), dim=1).T
    torch.testing.assert_close(b["x"], torch.autograd.grad(through, x, wanted)[0], rtol=1e-10, atol=1e-12)


def test_lambda_follows_the_papers_schedules():
    """SphereFace's starts at iteration 1 and stops at 5; L-Softmax's falls to 0."""
    assert SPHEREFACE_SCHEDULE(1) == pytest.approx(1000 / 1.12)
    assert SPHEREFACE_SCHEDULE(100) == pytest.approx(1000 / 13) and SPHEREFACE_SCHEDULE(10**6) == 5
    assert LSOFTMAX_SCHEDULE(1000) == pytest.approx(1000 * 1.025**-35) and LSOFTMAX_SCHEDULE(10**9) < 1e-100
    head = SphereFace(E, K)
    x, labels = torch.randn(4, E), torch.arange(4)
    for iteration in (1, 2, 3):
        head(x, labels)
        assert head.lambda_.value == pytest.approx(1000 / (1 + 0.12 * iteration))
    head.eval()(x, labels)
    assert head.lambda_.iteration == 3
    fixed = SphereFace(E, K, annealing=2.5)
    fixed(x, labels)
    assert fixed.lambda_.value == 2.5 and AngularTripletLoss(E, K).lambda_.value == 0


@pytest.mark.parametrize("dim", [2, 3, 4, 5, 64, 384, 512])
@pytest.mark.parametrize("kappa", [0.01, 0.5, 16.0, 300.0])
def test_normaliser_of_the_von_mises_fisher_density(dim, kappa):
    special = pytest.importorskip("scipy.special")
    value = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
    log_c = log_normaliser(value, dim)
    (slope,) = torch.autograd.grad(log_c, value)
    v = dim / 2 - 1
    bessel = special.ive(v, kappa)
    if bessel > 1e-280:
        wanted = v * math.log(kappa) - dim / 2 * math.log(2 * math.pi) - math.log(bessel) - kappa
        assert log_c.item() == pytest.approx(wanted, rel=1e-11, abs=1e-9)
        assert slope.item() == pytest.approx(-special.ive(v + 1, kappa) / bessel, rel=1e-9)
    else:  # where I_v underflows: C is 1 / area of the sphere, and I_{v+1} / I_v is kappa / d
        area = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
        assert log_c.item() == pytest.approx(-area, abs=kappa**2)
        assert slope.item() == pytest.approx(-kappa / dim, rel=0.01)


def test_general_mixture_prefers_the_class_with_the_larger_prior():
    prior = torch.tensor([0.7, 0.1, 0.1, 0.1])
    head = VMFSoftmax(E, K, prior=prior, prototypes=torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    probability = head.logits(torch.tensor([[1.0, 0, 0]]), head.weight, torch.tensor([0])).softmax(dim=1)[0]
    assert (probability[0] / probability[1]).item() == pytest.approx(7, rel=1e-5)


# --- what happens between steps -------------------------------------------------------------------------------------


def test_centers_follow_the_papers_rule():
    loss, x, labels = CenterLoss(K, E, alpha=0.3).double(), *batch(9, present=3)
    assert (loss.centers == 0).all() and not list(loss.parameters())
    for seed in range(3):
        x, labels = batch(9, seed, present=3)
        wanted = slow.center_update(x.detach(), loss.centers, labels.tolist(), 0.3)
        loss.update(x.detach(), labels)
        torch.testing.assert_close(loss.centers, wanted, rtol=1e-12, atol=1e-12)
    assert (loss.centers[3] == 0).all() and (loss.centers[0] != 0).all()


def test_center_of_normalised_embeddings():
    loss, (x, labels) = CenterLoss(K, E, normalize=True).double(), batch(9)
    plain = CenterLoss(K, E).double()
    for one, rows in ((loss, x), (plain, F.normalize(x, dim=1))):
        one.update(rows.detach(), labels)
    torch.testing.assert_close(loss.centers, plain.centers, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss(x, labels), plain(F.normalize(x, dim=1), labels), rtol=1e-12, atol=1e-12)


def test_atl_takes_unit_means_for_half_of_the_classes_it_sees():
    loss, (x, labels) = AngularTripletLoss(E, K).double(), batch(12, present=3)
    assert not list(loss.parameters())
    means = torch.stack([x.detach()[labels == j].mean(dim=0) for j in range(3)])
    changes = torch.zeros(K)
    for _ in range(200):
        before = loss.weight.clone()
        loss.weight.normal_()
        noise = loss.weight.clone()
        loss.update(x.detach(), labels)
        changed = (loss.weight != noise).any(dim=1)
        changes += changed
        torch.testing.assert_close(loss.weight[changed], F.normalize(means, dim=1)[changed[:3]], rtol=1e-9, atol=1e-9)
        assert before.shape == loss.weight.shape
    assert changes[3] == 0 and ((changes[:3] > 70) & (changes[:3] < 130)).all()


@pytest.mark.parametrize("mode", ["arccos", "center"])
def test_only_atl_updates_its_weights(mode):
    loss, (x, labels) = AngularTripletLoss(E, K, mode=mode).double(), batch()
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss.update(x.detach(), labels)
    assert all(torch.equal(before[name], value) for name, value in loss.state_dict().items())


@pytest.mark.parametrize("make", [lambda: CenterLoss(K, E), lambda: AngularTripletLoss(E, K)])
def test_update_refuses_bad_rows(make):
    loss, x = make(), torch.randn(4, E)
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.3, but one is 7"):
        loss.update(x, torch.tensor([0, 1, 2, 7]))
    with pytest.raises(ValueError, match="embeddings hold NaN"):
        loss.update(x * torch.nan, torch.arange(4))


def test_every_listed_case_has_a_reference():
    assert all(case.reference is not None for case in CASES.values())
