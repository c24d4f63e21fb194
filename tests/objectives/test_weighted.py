"""Weighted sums and their schedules, objectives over both towers, and the way from a config to a training step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pc_align.alignment import Alignment, apply_objective
from pc_align.batch import Embeddings, PointTextBatch
from pc_align.build import OBJECTIVES, ClassTexts, build_objectives
from pc_align.errors import ConfigError
from pc_align.objectives import (
    ArcFace,
    CenterLoss,
    CrossEntropyHead,
    InfoNCE,
    PointsAndTexts,
    TripletLoss,
    WeightedSum,
    WeightSchedule,
)

K, E = 4, 6
CLASSES = ClassTexts(["a", "b", "c", "d"], torch.eye(K, E), torch.eye(K, E).roll(1, dims=1))


def rows(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(count, E, requires_grad=True), torch.arange(count) % K


# --- weights ---


@pytest.mark.parametrize(
    ("schedule", "weights"),
    [
        ("constant", [0.2, 0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.2, 0.3, 0.4, 0.6, 0.6]),
        ("cosine", [0.2, 0.2 + 0.4 * 0.5 * (1 - 2**-0.5), 0.4, 0.6, 0.6]),
    ],
)
def test_schedules(schedule, weights):
    weight = WeightSchedule(0.2, 0.6, steps=8, schedule=schedule)
    assert [weight(step) for step in (0, 2, 4, 8, 800)] == pytest.approx(weights)


def test_the_sum_follows_its_weights_and_keeps_its_terms():
    arc, center = ArcFace(E, K), CenterLoss(K, E)
    loss_of = WeightedSum({"arc": (WeightSchedule(0.0, 1.0, steps=2), arc), "center": (0.5, center)})
    x, labels = rows()
    for weight in (0.0, 0.5, 1.0, 1.0):
        loss, terms = loss_of(x, labels)
        assert loss_of.current_weights() == {"arc": weight, "center": 0.5}
        torch.testing.assert_close(loss, weight * arc(x, labels) + 0.5 * center(x, labels))
        torch.testing.assert_close(terms, {"arc": arc(x, labels).detach(), "center": center(x, labels).detach()})
        (grad,) = torch.autograd.grad(loss, arc.weight)  # also at weight 0
        assert bool((grad == 0).all()) == (weight == 0)
        before = center.centers.clone()
        loss_of.update(x.detach(), labels)
        assert not torch.equal(before, center.centers)
    assert loss_of.state_dict()["step"] == 4


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: WeightedSum({}), "at least one"),
        (lambda: WeightedSum({"arc": (-1.0, ArcFace(E, K))}), "weight of arc"),
        (lambda: WeightedSum({"arc": ("big", ArcFace(E, K))}), "weight of arc"),
        (lambda: WeightSchedule(-1.0), "start"),
        (lambda: WeightSchedule(1.0, end=-1.0), "end"),
        (lambda: WeightSchedule(1.0, steps=0), "steps"),
        (lambda: WeightSchedule(1.0, schedule="step"), "schedule"),
    ],
)
def test_bad_weights_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()


# --- both towers ---


def test_heads_see_points_and_texts_triplets_go_between_them():
    (points, labels), (texts, _) = rows(), rows()
    both, twice = torch.cat([points, texts]), torch.cat([labels, labels])
    for objective in (ArcFace(E, K), CenterLoss(K, E), CrossEntropyHead(E, K)):
        assert torch.equal(PointsAndTexts(objective)(points, texts, labels), objective(both, twice))
    assert torch.equal(PointsAndTexts(TripletLoss())(points, texts, labels), TripletLoss()(points, labels, texts))
    center = CenterLoss(K, E)
    PointsAndTexts(center).update(points.detach(), texts.detach(), labels)
    wanted = CenterLoss(K, E)
    wanted.update(both.detach(), twice)
    assert torch.equal(center.centers, wanted.centers)
    PointsAndTexts(TripletLoss()).update(points.detach(), texts.detach(), labels)  # has none of its own


# --- from settings to objectives ---


def test_every_objective_can_be_asked_for_by_name():
    built = build_objectives({name: {"weight": 0.5} for name in OBJECTIVES}, E, CLASSES)
    assert {name: type(objective) for name, (_, objective) in built.items()} == OBJECTIVES
    x, labels = rows()
    for name, (weight, objective) in built.items():
        assert weight == 0.5
        if name not in ("infonce", "sigmoid"):
            loss = objective(x, labels)
            assert loss.isfinite() and loss.requires_grad, name


def test_settings_of_an_objective():
    settings = {
        "infonce": None,
        "arcface": {"weight": 0.1, "margin": 0.3, "prototypes": "text"},
        "raw": {"kind": "cosface", "prototypes": "text_features", "margin": 0.2},
        "center": {"weight": {"start": 0.0, "end": 0.01, "steps": 50, "schedule": "cosine"}},
        "triplet": {"across": True, "mining": "semi_hard"},
    }
    built = build_objectives(settings, E, CLASSES)
    assert built["infonce"][0] == 1.0 and isinstance(built["infonce"][1], InfoNCE)
    arc, raw = built["arcface"][1], built["raw"][1]
    assert arc.margin == 0.3 and torch.equal(arc.weight, CLASSES.projected) and not list(arc.parameters())
    assert type(raw).__name__ == "CosFace" and torch.equal(raw.weight, CLASSES.features)
    assert built["center"][0] == WeightSchedule(0.0, 0.01, 50, "cosine")
    assert isinstance(built["triplet"][1], PointsAndTexts)


def test_prototypes_that_are_too_close_are_named():
    close = ClassTexts(["cup", "bed", "mug"], torch.eye(3), torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.96, 0, 0.28]]))
    with pytest.warns(UserWarning, match="'cup' and 'mug'"):
        build_objectives({"arcface": {"prototypes": "text"}}, 3, close)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"arcface": {"margin": 28.6}}, r"objectives\.arcface: margin"),
        ({"arcface": {"prototypes": "images"}}, r"objectives\.arcface: prototypes"),
        ({"arcface": {"angle": 1}}, r"objectives\.arcface: .*angle"),
        ({"arcface": {"weight": {"start": 1.0, "stepz": 3}}}, r"objectives\.arcface\.weight: .*stepz"),
        ({"arcface": {"weight": -1}}, r"objectives\.arcface\.weight"),
        ({"infonce": {"across": True}}, r"objectives\.infonce: across"),
        ({"x": {"kind": "arcfase"}}, "arcfase"),
    ],
)
def test_wrong_settings_name_the_place(settings, word):
    with pytest.raises(ConfigError, match=word):
        build_objectives(settings, E, CLASSES)
    if "arcface" in settings:
        with pytest.raises(ConfigError):
            build_objectives({"arcface": {}}, E, None)


# --- in Alignment ---


class Model(nn.Module):
    """What Alignment needs of a model."""

    def __init__(self, projection: nn.Module) -> None:
        super().__init__()
        self.encoder, self.text_projection = nn.Linear(3, E), projection

    def forward(self, points: torch.Tensor, text_features: torch.Tensor) -> Embeddings:
        points = self.encoder(points.mean(dim=1))
        return Embeddings(points, self.text_projection(text_features), torch.tensor(10.0))


def batch(labels: list[int]) -> PointTextBatch:
    n = len(labels)
    return PointTextBatch(torch.randn(n, 5, 3), torch.randn(n, E), torch.arange(n), torch.tensor(labels))


def test_shapes_without_a_class_take_no_part():
    head = CrossEntropyHead(E, K)
    data, model = batch([0, -1, 2, -1, 1]), Model(nn.Identity())
    embeddings = model(data.points, data.text_features)
    keep = data.labels >= 0
    assert torch.equal(apply_objective(head, embeddings, data), head(embeddings.points[keep], data.labels[keep]))
    nobody = batch([-1, -1])
    assert apply_objective(head, model(nobody.points, nobody.text_features), nobody) == 0
    across = PointsAndTexts(TripletLoss())
    wanted = across(embeddings.points[keep], embeddings.texts[keep], data.labels[keep])
    assert torch.equal(apply_objective(across, embeddings, data), wanted)


def test_centers_move_once_by_the_rows_of_all_micro_batches():
    center = CenterLoss(K, E)
    alignment = Alignment(Model(nn.Identity()), {"infonce": (1.0, InfoNCE()), "center": (0.1, center)})
    parts = [batch([0, 1, 2]), batch([2, -1, 1])]
    for part in parts:
        alignment(part)[0].backward()
        assert (center.centers == 0).all()
    alignment.update()
    wanted = CenterLoss(K, E)
    with torch.no_grad():
        x = torch.cat([alignment.embed(part).points for part in parts])
    labels = torch.cat([part.labels for part in parts])
    wanted.update(x[labels >= 0], labels[labels >= 0])
    torch.testing.assert_close(center.centers, wanted.centers)
    before = center.centers.clone()
    with torch.no_grad():
        alignment.eval()(parts[0])
    alignment.train()
    alignment(parts[0])
    alignment.update()
    assert not torch.equal(center.centers, before) and not alignment._seen
    wanted.update(alignment.embed(parts[0]).points.detach(), parts[0].labels)
    torch.testing.assert_close(center.centers, wanted.centers)


def test_anchored_prototypes_follow_the_text_projection():
    projection = nn.Linear(E, E)
    head = ArcFace(E, K, prototypes=torch.eye(K, E), margin=0.1)
    objectives = {"arcface": (1.0, head), "both": (1.0, PointsAndTexts(CenterLoss(K, E, prototypes=torch.eye(K, E))))}
    features = torch.randn(K, E)
    alignment = Alignment(Model(projection), objectives, class_features=features, anchored=["arcface", "both"])
    for _ in range(2):
        loss, _ = alignment(batch([0, 1, 2, 3]))
        torch.testing.assert_close(head.weight, F.normalize(projection(features), dim=1).detach())
        torch.testing.assert_close(alignment.objectives.objectives["both"].objective.centers, head.weight)
        loss.backward()
        with torch.no_grad():
            projection.weight.normal_()
    assert not head.weight.requires_grad and "class_features" not in alignment.state_dict()
