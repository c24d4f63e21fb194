"""The contract across ranks for objectives over labelled rows: 1, 2 and 4 real gloo ranks equal one process.

One process itself equals the slow references (test_labelled.py). Rows are even, uneven, none on a rank, all on one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import pytest
import torch
from labelled import CASES, E, K
from ranks import RankError, ranks
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pc_align import distributed
from pc_align.distributed import DistributedError, all_gather_rows, all_reduce_sum, rank, world_size
from pc_align.objectives import AngularTripletLoss, CenterLoss, CrossEntropyHead, TripletLoss, triplet, triplet_loss

COUNTS = [[6], [3, 3], [5, 2], [0, 4], [2, 2, 2, 2], [5, 4, 4, 3], [3, 0, 1, 2], [0, 0, 7, 0]]
ACROSS = [f"across, {mining}" for mining in ("batch_all", "batch_hard", "semi_hard")]
OFFLINE = ["offline, mean", "offline, sum"]


class Tiny(nn.Module):
    """An encoder of points, a projection of texts, and one objective, in float64."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.objective = CASES[name].objective() if name in CASES else nn.Module()
        torch.manual_seed(7)
        self.encoder = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, E)).double()
        self.projection = nn.Linear(2, E).double()
        if isinstance(self.objective, CenterLoss):
            self.objective.centers.normal_()

    def forward(self, data: dict[str, Tensor]) -> Tensor:
        x, t = self.encoder(data["points"]), self.projection(data["texts"])
        tie = 0 * (x.sum() + t.sum())  # DDP wants every parameter to take part, whichever the objective
        if self.name in ACROSS:
            return TripletLoss(mining=self.name.split(", ")[1])(x, data["labels"], t) + tie
        if self.name in OFFLINE:
            return triplet_loss(x, t, x.flip(1), margin=0.5, reduction=self.name.split(", ")[1]) + tie
        return self.objective(x, data["labels"]) + tie


def global_batch(rows: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points, texts = (torch.randn(rows, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    return {"points": points, "texts": texts, "labels": torch.randint(0, K, (rows,), generator=generator)}


def own_part(whole: dict[str, Tensor], counts: list[int]) -> dict[str, Tensor]:
    start = sum(counts[: rank()])
    return {name: value[start : start + counts[rank()]] for name, value in whole.items()}


def check_contract(name: str, counts: list[int], bug: AbstractContextManager | None = None) -> None:
    """Raises where this rank sees another loss or gradient than one process does on the whole batch."""
    whole = global_batch(sum(counts))
    with bug or nullcontext():
        model = DistributedDataParallel(Tiny(name))
        loss = model(own_part(whole, counts))
        loss.backward()
    alone = Tiny(name)
    with as_one_process():
        wanted = alone(whole)
        wanted.backward()
    torch.testing.assert_close(all_reduce_sum(loss) / world_size(), wanted.detach(), rtol=1e-10, atol=1e-10)
    for (part, one), other in zip(model.module.named_parameters(), alone.parameters(), strict=True):
        place = f"{name} {part}"
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-10, msg=lambda m, p=place: f"{p}: {m}")


class as_one_process:  # noqa: N801
    """The same code on this rank alone."""

    def __enter__(self) -> None:
        self._patch = patch("torch.distributed.is_initialized", lambda: False)
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def check_all(counts: list[int]) -> None:
    for name in [*CASES, *ACROSS, *OFFLINE]:
        check_contract(name, counts)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_every_objective_equals_one_process(counts):
    ranks(len(counts)).run(check_all, counts)


# --- between steps --------------------------------------------------------------------------------------------------


def check_updates(counts: list[int]) -> None:
    """Centers and "atl" weights after several steps: the same on all ranks, and those of one process."""
    for make in (lambda: CenterLoss(K, E).double(), lambda: CASES["angular triplet, atl"].objective()):
        ours, alone = make(), make()
        torch.manual_seed(rank())  # the draws must not depend on a rank's own random state
        for seed in range(4):
            whole = global_batch(sum(counts), seed)
            x = torch.cat([whole["points"], whole["texts"][:, :1]], dim=1)
            own = own_part({"x": x, "labels": whole["labels"]}, counts)
            ours.update(own["x"], own["labels"])
            with as_one_process():
                alone.update(x, whole["labels"])
        for name, value in ours.state_dict().items():
            everyone = all_gather_rows(value[None])
            assert all(torch.equal(everyone[0], other) for other in everyone), name
            torch.testing.assert_close(value, alone.state_dict()[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_updates_equal_one_process_on_all_ranks(counts):
    ranks(len(counts)).run(check_updates, counts)


# --- the tests fail where they must: each planted bug has to be noticed ---


def _own_count(x: Tensor) -> Tensor:
    return x.detach().clone()


def _mean_count(x: Tensor) -> Tensor:
    return all_reduce_sum(x).double() / world_size()


def _no_gather(x: Tensor, counts: list[int] | None = None) -> Tensor:
    return all_gather_rows(x, counts)


def _rank_mean(counts: list[int]) -> float:
    return 1 / max(counts[rank()], 1)


# Name -> objective, where, what, and what is put in its place.
BUGS = {
    "each rank divides by its own anchors": ("triplet, batch_hard, cosine", triplet, "all_reduce_sum", _own_count),
    "no gradient from the other ranks": ("triplet, batch_all, cosine", triplet, "all_gather_with_grad", _no_gather),
    "self is not where it is thought": ("triplet, batch_all, euclidean", triplet, "rank", lambda: 0),
    "a rank's mean, whatever its rows": ("CosFace", distributed, "mean_weight", _rank_mean),
}


def check_with_bug(bug: str, counts: list[int]) -> None:
    name, home, attribute, wrong = BUGS[bug]
    check_contract(name, counts, patch.object(home, attribute, wrong))


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_noticed(bug):
    with pytest.raises(RankError) as caught:
        ranks(4).run(check_with_bug, bug, [5, 4, 4, 3])
    assert all(isinstance(error, AssertionError) for error in caught.value.errors)


def check_update_with_bug(counts: list[int]) -> None:
    with patch("pc_align.objectives.center.all_reduce_sum", _mean_count):
        check_updates(counts)


def test_averaged_center_steps_are_noticed():
    with pytest.raises(RankError, match="AssertionError"):
        ranks(2).run(check_update_with_bug, [5, 2])


# --- bad input on one rank is an error on all -----------------------------------------------------------------------


def bad_call(case: str) -> str:
    x, labels = torch.randn(3, E, requires_grad=True), torch.arange(3)
    objective: nn.Module = CrossEntropyHead(E, K) if case in ("labels", "update") else TripletLoss()
    if rank() == 1:
        labels = labels + 9 if case in ("labels", "update") else labels
        x = x * torch.nan if case == "NaN" else x
        objective = TripletLoss(margin=0.3) if case == "margin" else objective
        objective = AngularTripletLoss(E, K) if case == "other" else objective
    try:
        if case == "update":
            CenterLoss(K, E).update(x, labels)
        elif case == "offline":
            triplet_loss(x, x[:2] if rank() == 1 else x, x)
        else:
            objective(x, labels)
    except ValueError as error:
        return f"ValueError {error}"
    except DistributedError as error:
        return f"DistributedError {error}"
    return "no error"


MESSAGES = {
    "labels": "ValueError rank 1: CrossEntropyHead: labels must be in 0..3, but one is 11",
    "update": "ValueError rank 1: CenterLoss.update: labels must be in 0..3, but one is 11",
    "NaN": "ValueError rank 1: TripletLoss: embeddings hold NaN or infinity",
    "offline": "ValueError rank 1: triplet_loss: positive must be [3, 3], not [2, 3]",
    "margin": "DistributedError the ranks disagree on the margin: 0.2 on rank 0, 0.3 on rank 1",
    "other": "DistributedError the ranks disagree on the call: TripletLoss on rank 0, AngularTripletLoss on rank 1",
}


@pytest.mark.parametrize("case", MESSAGES)
def test_bad_input_on_one_rank_is_an_error_on_all(case):
    for answer in ranks(2).run(bad_call, case):
        assert answer.startswith(MESSAGES[case]), answer
    ranks(2).run(check_contract, "CosFace", [2, 2])  # the ranks stay usable
