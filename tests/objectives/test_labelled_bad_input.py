"""Bad rows, sizes, prototypes and arguments of objectives over labelled rows: a ValueError that names the argument."""

from __future__ import annotations

import math

import pytest
import torch
from labelled import CASES, HEADS, E, K, batch


@pytest.mark.parametrize("name", CASES)
def test_bad_rows_name_the_argument(name):
    case = CASES[name]
    objective, x, labels = case.objective(), *batch(4)
    bad = {
        "labels must be an integer tensor, not torch.float32": (x, labels.float()),
        "labels must be an integer tensor, not torch.bool": (x, labels > 0),
        "labels must be an integer tensor, not list": (x, labels.tolist()),
        r"labels must be \[4\]": (x, labels[:3]),
        "embeddings must be a floating point tensor": (x.long(), labels),
        "embeddings hold NaN": (x * torch.nan, labels),
        "embeddings hold NaN or infinity": (x / 0, labels),
        r"embeddings must be \[B, ": (x[None], labels),
    }
    if case.sizes:
        bad[rf"embeddings must be \[B, {E}\]"] = (x[:, :2], labels)
        bad["labels must be in 0..3, but one is 4"] = (x, labels.clone().fill_(4))
        bad["labels must be in 0..3, but one is -1"] = (x, labels.clone().fill_(-1))
    for message, arguments in bad.items():
        with pytest.raises(ValueError, match=message):
            objective(*arguments)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.sizes])
def test_bad_sizes_name_the_argument(name):
    case = CASES[name]
    arguments = {key: value for key, value in case.arguments.items() if key != "prior"}
    with pytest.raises(ValueError, match="num_classes must be an integer of at least 2, not 1"):
        case.make(embed_dim=E, num_classes=1, **arguments)
    with pytest.raises(ValueError, match="embed_dim must be an integer of at least 1, not 0"):
        case.make(embed_dim=0, num_classes=K, **arguments)


@pytest.mark.parametrize("name", [*HEADS, "center"])
def test_bad_prototypes_name_the_argument(name):
    case = CASES[name]
    good = torch.randn(K, E)
    bad = {
        r"prototypes must be \[4, 3\] \(num_classes, embed_dim\), not \[3, 3\]": good[:3],
        r"prototypes must be \[4, 3\] .*not \[4, 2\]": good[:, :2],
        "prototypes hold NaN": good.clone().fill_(torch.nan),
        "prototypes must have a direction, but row 1 is zero": good * torch.tensor([1.0, 0, 1, 1])[:, None],
        "prototypes must be a floating point tensor, not torch.int64": good.long(),
        "prototypes must be a floating point tensor, not list": good.tolist(),
    }
    for message, prototypes in bad.items():
        with pytest.raises(ValueError, match=message):
            case.objective(prototypes=prototypes)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("L-Softmax, m 1, lambda 0.0", {"margin": 0}, "margin must be at least 1, at most 4, not 0"),
        ("L-Softmax, m 1, lambda 0.0", {"margin": 2.5}, "margin must be a whole number"),
        ("SphereFace, m 2, lambda 0.0", {"margin": 5}, "margin"),
        ("SphereFace, m 2, lambda 0.0", {"annealing": -1.0}, "annealing"),
        ("SphereFace, m 2, lambda 0.0", {"annealing": "slow"}, "annealing"),
        ("AM-Softmax", {"margin": -0.1}, "margin must be at least 0, at most 2, not -0.1"),
        ("AM-Softmax", {"margin": math.nan}, "margin"),
        ("AM-Softmax", {"scale": 0.0}, "scale must be above 0, not 0.0"),
        ("CosFace", {"margin": 2.5}, "margin"),
        ("ArcFace, monotone", {"margin": 28.6}, "margin must be at least 0, at most 1.5708, not 28.6"),
        ("ArcFace, monotone", {"scale": math.inf}, "scale"),
        ("ArcFace, monotone", {"beyond_pi": "hard"}, "beyond_pi"),
        ("ArcFace, monotone", {"gradient": "wrong"}, "gradient"),
        ("NormFace", {"agent": "pair"}, "agent"),
        ("NormFace", {"scale": -1.0}, "scale"),
        ("NormFace", {"margin": 1.0}, "margin"),
        ("NormFace, triplet", {"margin": 9.0}, "margin"),
        ("L2-Softmax", {"alpha": 0.0}, "alpha"),
        ("COCO", {"alpha": "big"}, "alpha"),
        ("COCO", {"reduction": "none"}, "reduction"),
        ("vMF", {"kappa": 0.0}, "kappa"),
        ("vMF", {"prior": [0.5, 0.5]}, r"prior must be \[4\]"),
        ("vMF", {"prior": [0.5, 0.5, 0.5, 0.5]}, "prior must be probabilities"),
        ("vMF", {"prior": [0.0, 0.5, 0.25, 0.25]}, "prior must be probabilities"),
        ("cross entropy", {"label_smoothing": 1.5}, "label_smoothing"),
        ("center", {"alpha": 1.5}, "alpha"),
        ("center", {"reduction": "none"}, "reduction"),
        ("angular triplet, atl", {"mode": "cosine"}, "mode"),
        ("angular triplet, atl", {"margin": 0.5}, "margin"),
        ("angular triplet, arccos", {"margin": 4.0}, "margin"),
        ("angular triplet, arccos", {"prototypes": torch.randn(K, E)}, "prototypes"),
        ("triplet, batch_hard, cosine", {"margin": -0.2}, "margin"),
        ("triplet, batch_hard, cosine", {"mining": "easy"}, "mining"),
        ("triplet, batch_hard, cosine", {"distance": "manhattan"}, "distance"),
    ],
)
def test_bad_arguments_are_named(name, arguments, message):
    case = CASES[name]
    sizes = {"embed_dim": E, "num_classes": K} if case.sizes else {}
    with pytest.raises(ValueError, match=message):
        case.make(**sizes, **{**case.arguments, **arguments})
