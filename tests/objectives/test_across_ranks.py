"""The contract across ranks: objectives on 1, 2 and 4 real gloo ranks equal the slow reference on the whole batch.

The mean over ranks of what each returns is the loss of the global batch, and the gradient of every parameter after
DDP's averaging is its gradient: encoder, both projections, logit scale and bias, learned class weights.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from ranks import RankError, ranks
from reference import info_nce, nce, sigmoid
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import pc_align.distributed as distributed
from pc_align.distributed import all_gather_with_grad, all_reduce_sum, rank, row_counts, share_of_mean, world_size
from pc_align.objectives import InfoNCE, NCELoss, SigmoidLoss, _pairs, _tiled_infonce
from pc_align.objectives import sigmoid as sigmoid_module

# Rows of each rank: even, uneven, one rank with none, one with all.
COUNTS = {1: [[6]], 2: [[3, 3], [5, 2], [0, 4]], 4: [[2, 2, 2, 2], [5, 4, 4, 3], [3, 0, 1, 2], [0, 0, 7, 0]]}
CASES = [counts for of_size in COUNTS.values() for counts in of_size]


class Tiny(nn.Module):
    """Everything that a gradient must reach, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.encoder = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
        self.point_projection, self.text_projection = nn.Linear(6, 5), nn.Linear(4, 5)
        self.log_scale, self.bias = nn.Parameter(torch.tensor(1.3)), nn.Parameter(torch.tensor(-2.0))
        self.class_weight = nn.Parameter(torch.randn(3, 5))
        self.double()

    def forward(self, kind: str, data: dict[str, Tensor], options: dict, reference: bool = False) -> Tensor:
        points = self.point_projection(self.encoder(data["points"]))
        texts = self.text_projection(data["texts"])
        loss = globals()[f"_{kind}"](self, points, texts, data, options, reference)
        # DDP wants every parameter to take part, whichever the objective.
        return loss + 0 * (self.bias + self.class_weight.sum() + self.log_scale + points.sum() + texts.sum())


def _info_nce(model, points, texts, data, options, reference):
    scale = model.log_scale.exp()
    if reference:
        names = {key.replace("label_smoothing", "smoothing"): v for key, v in options.items() if key != "chunk_size"}
        return info_nce(points, texts, scale, data["ids"].tolist(), **names)
    return InfoNCE(**options)(points, texts, scale, data["ids"])


def _sigmoid(model, points, texts, data, options, reference):
    if reference:
        return sigmoid(points, texts, model.log_scale.exp(), model.bias, data["ids"].tolist())
    return SigmoidLoss(**options)(points, texts, model.log_scale.exp(), model.bias, data["ids"])


def _nce(model, points, texts, data, options, reference):
    positive, noise = (points * texts).sum(1), points @ model.class_weight.T
    arguments = (positive, noise, data["positive_log_q"], data["noise_log_q"])
    if not reference:
        return NCELoss(**options)(*arguments)
    costs = torch.stack(nce(*arguments))
    return costs.sum() if options.get("reduction") == "sum" else costs.mean()


def _class_head(model, points, texts, data, options, reference):
    """How an objective with learned class weights keeps the contract: its sum, weighted by rows."""
    own_sum = F.cross_entropy(F.linear(points, model.class_weight), data["labels"], reduction="sum")
    return own_sum / len(points) if reference else share_of_mean(own_sum, row_counts(len(points)))


def _gathered(model, points, texts, data, options, reference):
    """An objective that needs all rows at once: their gradients come back from every rank."""
    if reference:
        return (points @ texts.T).square().mean()
    counts = row_counts(len(points))
    return share_of_mean((points @ all_gather_with_grad(texts, counts).T).square().sum() / sum(counts), counts)


def _global_batch(rows: int, seed: int, captions: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return {
        "points": normal(rows, 3),
        "texts": normal(rows, 4),
        "ids": torch.randint(0, captions, (rows,), generator=generator),
        "labels": torch.randint(0, 3, (rows,), generator=generator),
        "positive_log_q": normal(rows) - 3,
        "noise_log_q": normal(rows, 3) - 3,
    }


def check_contract(kind: str, counts: list[int], options: dict, seed: int = 0) -> None:
    """Runs on every rank; raises where this rank sees another loss or gradient than one process does."""
    whole = _global_batch(sum(counts), seed)
    start = sum(counts[: rank()])
    own = {name: value[start : start + counts[rank()]] for name, value in whole.items()}
    model = Tiny()
    wrapped = DistributedDataParallel(model) if world_size() > 1 else model
    loss = wrapped(kind, own, options)
    loss.backward()
    alone = Tiny()
    wanted = alone(kind, whole, options, reference=True)
    wanted.backward()
    torch.testing.assert_close(all_reduce_sum(loss) / world_size(), wanted.detach(), rtol=1e-10, atol=1e-10)
    for (name, one), other in zip(model.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


def check_all(counts: list[int]) -> None:
    """All objectives, one after the other, on the same ranks."""
    for duplicates in ("ignore", "mask", "positive"):
        for rest in ({}, {"chunk_size": 2}, {"label_smoothing": 0.2, "margin": 0.1}):
            check_contract("info_nce", counts, {"duplicates": duplicates, **rest})
    for chunk_size in (None, 2):
        check_contract("sigmoid", counts, {"chunk_size": chunk_size})
    for reduction in ("mean", "sum"):
        check_contract("nce", counts, {"reduction": reduction})
    check_contract("class_head", counts, {})
    check_contract("gathered", counts, {})


@pytest.mark.parametrize("counts", CASES, ids=str)
def test_every_objective_equals_one_process(counts):
    ranks(len(counts)).run(check_all, counts)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.one_of(
        st.lists(st.integers(0, 3), min_size=2, max_size=2), st.lists(st.integers(0, 3), min_size=4, max_size=4)
    ).filter(lambda counts: sum(counts) > 0),
    duplicates=st.sampled_from(["ignore", "mask", "positive"]),
    chunk_size=st.one_of(st.none(), st.integers(1, 4)),
    label_smoothing=st.sampled_from([0.0, 0.3]),
    margin=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 10_000),
)
def test_any_split_equals_one_process(counts, seed, **options):
    ranks(len(counts)).run(check_contract, "info_nce", counts, options, seed)


# --- the test fails where it must: each of these bugs is planted, and the check above has to notice -----------------


def _only_own_part(x: Tensor, counts: list[int]) -> Tensor:
    """The way back of a gather that put its own rows back and took no gradient from the other ranks."""
    parts = distributed.rows_for_owner(x, counts)
    return parts[rank() : rank() + 1]


def _no_gradient(x: Tensor, counts: list[int] | None = None) -> Tensor:
    """A gather whose rows, the own ones included, carry no gradient."""
    return distributed.all_gather_rows(x, counts)


def _rank_mean(counts: list[int]) -> float:
    """Every rank returns the mean of its own rows."""
    return 1 / max(counts[rank()], 1)


class _Divided(torch.autograd.Function):
    """A gather that averages gradients over ranks."""

    @staticmethod
    def forward(ctx, x, counts):
        ctx.counts = counts
        return distributed.all_gather_rows(x, counts)

    @staticmethod
    def backward(ctx, grad):
        return distributed.rows_for_owner(grad, ctx.counts).mean(dim=0), None


BUGS = {
    "own slice put back without gradient (texts)": ("info_nce", _tiled_infonce, "_way_back", _only_own_part),
    "own slice put back without gradient (gather)": ("gathered", None, "all_gather_with_grad", _no_gradient),
    "gradient of the gather divided by the ranks": ("gathered", None, "all_gather_with_grad", _Divided.apply),
    "local labels without offset": ("info_nce", _pairs.Pairs, "offset", 0),
    "local labels without offset (sigmoid)": ("sigmoid", _pairs.Pairs, "offset", 0),
    "loss not weighted by rows": ("info_nce", _tiled_infonce, "mean_weight", _rank_mean),
    "loss not weighted by rows (sigmoid)": ("sigmoid", sigmoid_module, "mean_weight", _rank_mean),
    "loss not weighted by rows (nce)": ("nce", distributed, "mean_weight", _rank_mean),
}


def check_with_bug(bug: str, counts: list[int]) -> None:
    """The contract with one planted bug."""
    kind, home, name, wrong = BUGS[bug]
    target = patch.dict(globals(), {name: wrong}) if home is None else patch.object(home, name, wrong)
    with target:
        check_contract(kind, counts, {})


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("counts", [[5, 2], [5, 4, 4, 3]], ids=str)
def test_a_planted_bug_is_noticed(bug, counts):
    with pytest.raises(RankError) as caught:
        ranks(len(counts)).run(check_with_bug, bug, counts)
    assert all(isinstance(error, AssertionError) for error in caught.value.errors)


# --- bad input on one rank is an error on all of them, and the ranks stay usable -------------------------------------


def bad_call(case: str, at_fault: int) -> str:
    """The message that this rank gets."""
    points, texts, scale, ids = torch.randn(3, 4), torch.randn(3, 4), torch.tensor(9.0), torch.arange(3)
    loss: nn.Module = InfoNCE()
    if rank() == at_fault:
        if case == "shapes":
            texts = texts[:2]
        elif case == "NaN":
            points[1, 1] = float("nan")
        elif case == "integers":
            points = points.long()
        elif case == "scale":
            scale = -scale
        elif case == "ids":
            ids = ids[:1]
        elif case == "width":
            points, texts = points[:, :3], texts[:, :3]
        elif case == "other scale":
            scale = scale * 2
        elif case == "other objective":
            loss = _SigmoidAs()
        elif case == "no ids":
            ids = None
        elif case == "no gradient":
            pass
    if case != "no gradient" or rank() != at_fault:
        points = points.requires_grad_() if points.is_floating_point() else points
    try:
        loss(points, texts, scale, ids)
    except ValueError as error:
        return f"ValueError {error}"
    except distributed.DistributedError as error:
        return f"DistributedError {error}"
    return "no error"


class _SigmoidAs(SigmoidLoss):
    def forward(self, points, texts, scale, ids):
        return super().forward(points, texts, scale, torch.tensor(0.0), ids)


MESSAGES = {
    "shapes": "ValueError rank 1: InfoNCE: point and text embeddings must both be",
    "NaN": "ValueError rank 1: InfoNCE: point embeddings hold NaN",
    "integers": "ValueError rank 1: InfoNCE: point embeddings must be a floating point tensor",
    "scale": "ValueError rank 1: InfoNCE: the logit scale must be positive",
    "ids": "ValueError rank 1: InfoNCE: caption ids must be [3]",
    "width": "DistributedError the ranks disagree on the embedding width: 4 on rank 0, 3 on rank 1",
    "other scale": "DistributedError the ranks disagree on the logit scale: 9.0 on rank 0, 18.0 on rank 1",
    "other objective": "DistributedError the ranks disagree on the call: InfoNCE on rank 0, SigmoidLoss on rank 1",
    "no ids": "DistributedError the ranks disagree on the presence of caption ids",
    "no gradient": "DistributedError the ranks disagree on the need of gradients of points",
}


@pytest.mark.parametrize("world", [2, 4])
def test_bad_input_on_one_rank_is_an_error_on_all(world):
    for case, message in MESSAGES.items():
        for answer in ranks(world).run(bad_call, case, 1):
            assert answer.startswith(message), (case, answer)
    ranks(world).run(check_contract, "info_nce", [2] * world, {})
