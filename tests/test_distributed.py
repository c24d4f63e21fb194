"""Collectives on real ranks: rows of any number, gradients, agreement, and ranks that do not come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from ranks import RankError, Ranks, ranks

from pc_align.distributed import (
    agree,
    all_gather_rows,
    all_gather_with_grad,
    all_reduce_sum,
    rank,
    row_counts,
    rows_for_owner,
    set_timeout,
    share_of_mean,
    world_size,
)
from pc_align.errors import DistributedError, RankInputError
from pc_align.objectives import InfoNCE

TESTS = Path(__file__).parent


def test_one_process_is_the_identity():
    x = torch.randn(3, 2, requires_grad=True)
    assert (rank(), world_size(), row_counts(3)) == (0, 1, [3])
    assert all_gather_with_grad(x) is x
    assert torch.equal(all_gather_rows(x), x) and not all_gather_rows(x).requires_grad
    assert torch.equal(all_reduce_sum(x), x) and torch.equal(rows_for_owner(x, [3])[0], x)
    assert share_of_mean(torch.tensor(6.0), [3]) == 2
    with pytest.raises(ValueError, match="bad"):
        agree("call", 1, problem="bad")
    with pytest.raises(ValueError, match="timeout"):
        set_timeout(0)


def gather_and_back(counts: list[int], dtype: torch.dtype) -> None:
    """Rows travel to all ranks, and gradients come back as sums over ranks."""
    total, start = sum(counts), sum(counts[: rank()])
    whole = torch.arange(2.0 * total).view(total, 2).to(dtype)
    own = whole[start : start + counts[rank()]].clone().requires_grad_(dtype.is_floating_point)
    assert row_counts(len(own)) == counts
    for gathered in (all_gather_rows(own), all_gather_rows(own, counts), all_gather_with_grad(own, counts)):
        assert torch.equal(gathered, whole)
    if dtype.is_floating_point:
        weight = (rank() + 1) * whole + 1
        (all_gather_with_grad(own) * weight).sum().backward()
        ones = world_size() * (world_size() + 1) / 2
        torch.testing.assert_close(own.grad, (ones * whole + world_size())[start : start + len(own)])
    received = rows_for_owner((rank() + 1) * whole, counts)
    wanted = [(r + 1) * whole[start : start + counts[rank()]] for r in range(world_size())]
    assert torch.equal(received, torch.stack(wanted))


@pytest.mark.parametrize("counts", [[4], [2, 2], [3, 0], [5, 4, 4, 3], [0, 2, 0, 1]], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64], ids=str)
def test_rows_travel_whatever_their_number(counts, dtype):
    ranks(len(counts)).run(gather_and_back, counts, dtype)


def sum_and_weight() -> tuple[float, float]:
    counts = row_counts(rank() + 1)
    own = torch.tensor(float(rank() + 1), dtype=torch.float64)
    return all_reduce_sum(own).item(), all_reduce_sum(share_of_mean(own, counts)).item() / world_size()


def test_the_weight_makes_the_mean_over_ranks_the_mean_over_rows():
    # Rank r has r + 1 rows of value 1: their sum is 10, their mean 1.
    assert ranks(4).run(sum_and_weight) == [(10.0, pytest.approx(1.0))] * 4


def disagree(what: str) -> str:
    try:
        if what == "problem":
            agree("loss", 1, problem="broken" if rank() == 1 else None)
        elif what == "call":
            agree("loss" if rank() else "other", 1)
        elif what == "fact":
            agree("loss", 1, facts={"width": 3 + rank()})
        elif what == "tiny difference":
            agree("loss", 1, facts={"scale": 10.0 + 1e-6 * rank()})
        elif what == "long problem":
            agree("loss", 1, problem="é" * 5000 if rank() else None)
    except RankInputError as error:
        return "RankInputError " + str(error)[:40]
    except DistributedError as error:
        return "DistributedError " + str(error)
    return "fine"


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("problem", "RankInputError rank 1: broken"),
        ("long problem", "RankInputError rank 1: " + "é" * 32),
        ("call", "DistributedError the ranks disagree on the call: other on rank 0, loss on rank 1"),
        ("fact", "DistributedError the ranks disagree on the width: 3 on rank 0, 4 on rank 1"),
        ("tiny difference", "fine"),
    ],
)
def test_a_disagreement_is_the_same_error_on_every_rank(what, answer):
    assert ranks(2).run(disagree, what) == [answer, answer]


# --- ranks that do not come: an error on every rank within the timeout, no hang, no abort ---------------------------

TIMEOUT = 2.0


def _loss() -> torch.Tensor:
    points = torch.randn(3, 4, requires_grad=True)
    return InfoNCE()(points, torch.randn(3, 4, requires_grad=True), torch.tensor(5.0))


def one_call_less_on_rank_1(then: str) -> tuple[str, float]:
    """The message and the seconds until it came; the ranks part ways after a common start."""
    for _ in range(2):
        _loss().backward()
    began = time.perf_counter()
    try:
        loss = _loss()
        if rank() != 1:
            _loss()
        elif then == "backward":
            loss.backward()
        elif then == "another call":
            row_counts(3)
        elif then == "sum":
            all_reduce_sum(loss)
        elif then == "late":
            time.sleep(2 * TIMEOUT)
            _loss()
        elif then == "dead":
            os._exit(0)
    except DistributedError as error:
        return str(error), time.perf_counter() - began
    return "no error", 0.0


@pytest.mark.parametrize("then", ["backward", "another call", "sum", "late"])
def test_an_unequal_number_of_calls_is_an_error_on_every_rank_in_time(then):
    with Ranks(2, timeout=TIMEOUT) as group:
        answers = group.run(one_call_less_on_rank_1, then, patience=20)
        limit = (3 if then == "late" else 2) * TIMEOUT
        for message, seconds in answers:
            assert message.startswith(("rank", "the ranks disagree on the call")) and "\n" not in message, answers
            assert seconds < limit, answers
        if then == "another call":
            assert answers[0][0] == "the ranks disagree on the call: InfoNCE on rank 0, row_counts on rank 1"
        assert all(process.is_alive() for process in group.processes)
    assert [process.exitcode for process in group.processes] == [0, 0]  # the interpreters end without an abort


def test_a_rank_that_dies_is_an_error_on_the_others_in_time():
    with Ranks(4, timeout=TIMEOUT) as group:
        with pytest.raises(RankError):
            group.run(one_call_less_on_rank_1, "dead", patience=20)
        others = [group.last[r] for r in (0, 2, 3)]
        assert all("waited in vain in InfoNCE" in message and seconds < 2 * TIMEOUT for message, seconds in others)


def never_call_on_rank_1() -> str:
    """Fresh processes: not even the package's own groups exist when rank 0 calls."""
    if rank() == 1:
        time.sleep(TIMEOUT + 1)
        return ""
    try:
        _loss()
    except DistributedError as error:
        return str(error)
    return "no error"


def test_a_rank_that_never_calls_is_an_error_even_before_the_groups_exist():
    with Ranks(2, timeout=TIMEOUT, set_up=False) as group:
        assert "waited in vain in InfoNCE" in group.run(never_call_on_rank_1, patience=20)[0]


def use_a_new_default_group(folder: str) -> list[int]:
    dist.destroy_process_group()
    alone = row_counts(5)
    dist.init_process_group("gloo", init_method=f"file://{folder}/again", rank=int(os.environ["R"]), world_size=2)
    return alone + row_counts(3)


def _remember_rank() -> None:
    os.environ["R"] = str(rank())


def test_another_default_group_gets_groups_of_its_own(tmp_path):
    with Ranks(2) as group:
        group.run(_remember_rank)
        assert group.run(use_a_new_default_group, str(tmp_path)) == [[5, 3, 3], [5, 3, 3]]


def test_two_ranks_started_by_accelerate_equal_one_process():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent), *sys.path])}
    command = [sys.executable, str(TESTS / "accelerate_ranks.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["ranks"] == 2 and seen["loss_error"] < 1e-10 and seen["gradient_error"] < 1e-10


EXITING = """
import sys, torch, torch.distributed as dist
from pc_align.distributed import all_gather_rows
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
assert all_gather_rows(torch.ones(3 + rank, 4)).shape == (7, 4)
dist.destroy_process_group()
"""


def test_ranks_that_end_well_exit_with_zero(tmp_path: Path) -> None:
    """Process groups that outlived Python aborted every second run at its very end; five runs would show it."""
    for number in range(5):
        store = str(tmp_path / f"store{number}")
        command = [sys.executable, "-c", EXITING]
        ranks = [subprocess.Popen([*command, str(rank), store], stderr=subprocess.PIPE) for rank in range(2)]
        errors = [process.communicate(timeout=120)[1] for process in ranks]
        assert [process.returncode for process in ranks] == [0, 0], errors
