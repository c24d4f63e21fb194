"""Gradient caching equals the plain step: in one process, with dropout, with BatchNorm, and under DDP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from ranks import ranks
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pc_align.alignment import Alignment
from pc_align.batch import Embeddings, PointTextBatch
from pc_align.distributed import all_reduce_sum, rank, world_size
from pc_align.gradient_cache import cached_step
from pc_align.objectives import InfoNCE, SigmoidLoss


class Encoder(nn.Module):
    """Clouds [B, N, 3] -> [B, 6], in float64: BatchNorm and dropout if asked, and a cost of its own."""

    def __init__(self, batch_norm: bool, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 6)
        self.norm = nn.BatchNorm1d(6) if batch_norm else nn.LayerNorm(6)
        self.dropout = nn.Dropout(dropout)
        self.regularization: Tensor | None = None

    def forward(self, points: Tensor) -> Tensor:
        features = self.inner(points).tanh().amax(dim=1)
        self.regularization = features.square().sum(dim=1).mean() if len(points) else 0 * features.sum()
        return self.dropout(self.norm(features))


class Model(nn.Module):
    """What Alignment needs of a model, without a text transformer."""

    def __init__(self, batch_norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Encoder(batch_norm, dropout)
        self.point_projection, self.text_projection = nn.Linear(6, 4), nn.Linear(5, 4)
        self.log_logit_scale, self.logit_bias = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(-2.0))

    def forward(self, points: Tensor, text_features: Tensor) -> Embeddings:
        return Embeddings(
            points=self.point_projection(self.encoder(points)),
            texts=self.text_projection(text_features),
            logit_scale=self.log_logit_scale.exp(),
            logit_bias=self.logit_bias + 0.0,
        )


class LearnedInfoNCE(InfoNCE):
    """An objective with a parameter of its own, which gets its gradient in the pass over the embeddings."""

    def __init__(self) -> None:
        super().__init__(duplicates="positive")
        self.temperature = nn.Parameter(torch.tensor(0.3))

    def forward(self, points, texts, scale, ids=None):
        return super().forward(points, texts, scale * self.temperature.exp(), ids)


def make(batch_norm: bool = False, dropout: float = 0.0) -> Alignment:
    torch.manual_seed(11)
    objectives = {"infonce": (1.0, LearnedInfoNCE()), "sigmoid": (0.5, SigmoidLoss())}
    return Alignment(Model(batch_norm, dropout), objectives).double()


def make_batch(rows: int) -> PointTextBatch:
    generator = torch.Generator().manual_seed(5)
    return PointTextBatch(
        points=torch.randn(rows, 8, 3, generator=generator, dtype=torch.float64),
        text_features=torch.randn(rows, 5, generator=generator, dtype=torch.float64),
        caption_ids=torch.randint(0, rows // 2 + 1, (rows,), generator=generator),
        labels=torch.zeros(rows, dtype=torch.int64),
    )


def rows_of(batch: PointTextBatch, rows: slice) -> PointTextBatch:
    return replace(batch, **{name: value[rows] for name, value in vars(batch).items()})


def in_parts(alignment: Alignment, batch: PointTextBatch, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The step that caching stands for, with all graphs in memory: parts embedded one after the other, one loss."""
    parts, start = [], 0
    for piece in batch.points.tensor_split(count):
        parts.append(alignment.embed(rows_of(batch, slice(start, start + len(piece)))))
        start += len(piece)
    mean = sum(part.regularization * len(part.points) for part in parts) / len(batch)
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("points", "texts")}
    return alignment.losses(replace(parts[0], **joined, regularization=mean), batch)


def assert_same(alignment: nn.Module, other: nn.Module, tolerance: float = 1e-10) -> None:
    for (name, one), two in zip(alignment.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(
            one.grad, two.grad, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
        assert one.grad.abs().max() > 0, f"{name} has no gradient at all"
    for (name, one), two in zip(alignment.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("microbatch_size", [1, 2, 5, 12, 100])
def test_it_equals_the_plain_step(microbatch_size):
    plain, cached, batch = make(), make(), make_batch(12)
    wanted, wanted_terms = plain(batch)
    wanted.backward()
    loss, terms = cached_step(cached, batch, microbatch_size)
    torch.testing.assert_close(loss, wanted.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(terms, wanted_terms, rtol=1e-12, atol=0)
    assert not loss.requires_grad
    assert_same(cached, plain)


def test_gradients_add_up_and_backward_may_scale_the_loss():
    plain, cached, batch = make(), make(), make_batch(9)
    for _ in range(2):
        (plain(batch)[0] / 4).backward()
        cached_step(cached, batch, 4, lambda loss: (loss / 4).backward())
    assert_same(cached, plain)


def test_dropout_is_replayed_with_the_same_random_numbers():
    plain, cached, batch = make(dropout=0.5), make(dropout=0.5), make_batch(12)
    torch.manual_seed(1)
    in_parts(plain, batch, 3)[0].backward()
    after = torch.get_rng_state()
    torch.manual_seed(1)
    cached_step(cached, batch, 4)
    assert_same(cached, plain)
    assert torch.equal(torch.get_rng_state(), after)  # the next step draws what it would have drawn


def test_batch_norm_takes_each_micro_batch_by_itself_and_counts_it_once():
    plain, cached, batch = make(batch_norm=True), make(batch_norm=True), make_batch(12)
    in_parts(plain, batch, 3)[0].backward()
    cached_step(cached, batch, 4)
    assert_same(cached, plain)
    assert cached.model.encoder.norm.num_batches_tracked == 3
    whole = make(batch_norm=True)
    whole(batch)[0].backward()
    with pytest.raises(AssertionError):
        assert_same(cached, whole)


def test_batch_norm_in_eval_mode_equals_the_plain_step():
    plain, cached, batch = make(batch_norm=True).eval(), make(batch_norm=True).eval(), make_batch(12)
    plain(batch)[0].backward()
    cached_step(cached, batch, 4)
    assert_same(cached, plain)


def test_rows_are_split_evenly_so_that_batch_norm_never_sees_one_row():
    cached_step(make(batch_norm=True), make_batch(13), 4)  # 4, 3, 3, 3 and not 4, 4, 4, 1


@contextmanager
def saved_bytes():
    """The most bytes that graphs held at once."""
    held = {"now": 0, "most": 0}

    class Saved:
        def __init__(self, x: Tensor) -> None:
            self.x, self.size = x, x.numel() * x.element_size()
            held["now"] += self.size
            held["most"] = max(held["most"], held["now"])

        def __del__(self) -> None:
            held["now"] -= self.size

    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.x):
        yield held


def test_it_holds_the_activations_of_a_micro_batch():
    batch = make_batch(64)
    with saved_bytes() as plain:
        make()(batch)[0].backward()
    with saved_bytes() as cached:
        cached_step(make(), batch, 4)
    assert cached["most"] < 0.35 * plain["most"]  # not a sixteenth: the pairs of the 64 embeddings are in both


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="microbatch_size"):
        cached_step(make(), make_batch(4), 0)
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(make(batch_norm=True))
    with pytest.raises(ValueError, match=r"SyncBatchNorm \(model.encoder.norm\)"):
        cached_step(synchronised, make_batch(4), 2)


# --- under DDP --------------------------------------------------------------------------------------------------


def _own_rows(counts: list[int]) -> PointTextBatch:
    start = sum(counts[: rank()])
    return rows_of(make_batch(sum(counts)), slice(start, start + counts[rank()]))


def check_under_ddp(counts: list[int], microbatch_size: int) -> None:
    """Cached on these ranks against the plain step of one process; twice, so that DDP's state is seen to recover."""
    cached, alone = make(), make()
    wrapped = DistributedDataParallel(cached)
    wanted = _alone(alone, sum(counts))
    for _ in range(2):
        wrapped.zero_grad()
        loss, _ = cached_step(wrapped, _own_rows(counts), microbatch_size)
        torch.testing.assert_close(all_reduce_sum(loss) / world_size(), wanted, rtol=1e-10, atol=0)
        assert_same(cached, alone)


def _alone(alignment: Alignment, rows: int) -> Tensor:
    """The plain step on the whole batch as one process would do it."""
    with _one_process():
        loss, _ = alignment(make_batch(rows))
        loss.backward()
    return loss.detach()


@contextmanager
def _one_process():
    from unittest.mock import patch

    with patch("torch.distributed.is_initialized", lambda: False):
        yield


@pytest.mark.parametrize("counts", [[12], [6, 6], [7, 2], [4, 0], [5, 4, 4, 3], [1, 8, 0, 2]], ids=str)
@pytest.mark.parametrize("microbatch_size", [2, 3])
def test_it_equals_one_process_whatever_the_number_of_micro_batches(counts, microbatch_size):
    ranks(len(counts)).run(check_under_ddp, counts, microbatch_size)


def check_buffers_stay_equal() -> list[Tensor]:
    """With BatchNorm and different numbers of micro-batches; returns gradients and running statistics."""
    wrapped = DistributedDataParallel(make(batch_norm=True))
    for _ in range(2):
        cached_step(wrapped, _own_rows([10, 4]), 3)
    wrapped.eval()
    wrapped(_own_rows([10, 4]))  # DDP hands out the buffers of rank 0
    return [*(p.grad for p in wrapped.parameters()), *wrapped.buffers()]


def test_batch_norm_under_ddp_keeps_the_ranks_equal():
    one, other = ranks(2).run(check_buffers_stay_equal)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def check_bug(name: str) -> None:
    import pc_align.gradient_cache as module

    original: Callable = module._replay

    def untied(alignment, part, state, leaves):
        """The last micro-batch does not wait for the objectives' parameters."""
        inner = alignment.module if isinstance(alignment, DistributedDataParallel) else alignment
        inner.objectives.requires_grad_(False)
        original(alignment, part, state, leaves)
        inner.objectives.requires_grad_(True)

    def twice(alignment, part, state, leaves):
        """The scale's gradient goes with every micro-batch in full."""
        leaves.logit_scale.grad *= 2
        original(alignment, part, state, leaves)

    def other_numbers(alignment, part, state, leaves):
        """Random numbers are not replayed."""
        original(alignment, part, {"cpu": torch.Generator().manual_seed(99).get_state()}, leaves)

    from unittest.mock import patch

    with patch.object(module, "_replay", {"untied": untied, "twice": twice, "other numbers": other_numbers}[name]):
        if name == "other numbers":
            test_dropout_is_replayed_with_the_same_random_numbers()
        else:
            check_under_ddp([5, 2], 2)


@pytest.mark.parametrize("name", ["untied", "twice", "other numbers"])
def test_a_planted_bug_is_noticed(name):
    with pytest.raises(AssertionError):
        ranks(2).run(check_bug, name)
