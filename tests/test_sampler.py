"""Class-balanced batches."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pc_align.data.sampler import ClassBatchSampler
from pc_align.errors import DatasetError


def make(labels, batch_size=12, classes=4, rank=0, world_size=1, seed=0) -> ClassBatchSampler:
    return ClassBatchSampler(np.asarray(labels), batch_size, classes, rank=rank, world_size=world_size, seed=seed)


LABELS = np.repeat(np.arange(6), [40, 5, 9, 3, 20, 3]).tolist() + [-1] * 7


def test_every_batch_has_p_classes_with_k_different_shapes():
    sampler = make(LABELS)
    assert len(list(sampler)) == len(sampler) == 87 // 12
    for batch in sampler:
        indices = [index for _, index in batch]
        assert len(set(indices)) == 12
        assert sorted(Counter(LABELS[index] for index in indices).values()) == [3, 3, 3, 3]
        assert min(LABELS[index] for index in indices) >= 0


def test_classes_and_shapes_come_in_turns():
    """Six classes, four a batch: after three batches each was there twice; no shape comes twice before all came."""
    batches = [[index for _, index in batch] for batch in make(LABELS)]
    seen = Counter(LABELS[index] for batch in batches[:3] for index in batch)
    assert seen == dict.fromkeys(range(6), 6)
    of_large_class = [index for batch in batches for index in batch if LABELS[index] == 0]
    assert len(of_large_class) == len(set(of_large_class)) > 10


def test_a_small_class_gives_what_it_has():
    labels = [0] * 10 + [1] * 10 + [2]
    for batch in make(labels, batch_size=8, classes=2):
        counts = Counter(labels[index] for _, index in batch)
        assert sum(counts.values()) == 8 and counts[2] in (0, 1) and len({i for _, i in batch}) == 8


@settings(max_examples=30, deadline=None)
@given(world_size=st.sampled_from([1, 2, 3, 4, 6]), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_ranks_share_the_batches_of_one_process(world_size, seed, epoch):
    def epochs(**more):
        sampler = make(LABELS, seed=seed, **more)
        sampler.epoch = epoch
        return list(sampler)

    whole = epochs()
    shares = [epochs(rank=rank, world_size=world_size) for rank in range(world_size)]
    assert [[*chain(*parts)] for parts in zip(*shares, strict=True)] == whole
    assert all(epoch_ == epoch for batch in whole for epoch_, _ in batch)


def test_order_depends_on_seed_and_epoch():
    first, again, other = make(LABELS), make(LABELS), make(LABELS, seed=1)
    assert list(first) == list(again) != list(other)
    again.epoch = 1
    assert [i for _, i in next(iter(again))] != [i for _, i in next(iter(first))]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"world_size": 5}, "does not divide by 5 ranks"),
        ({"classes": 5}, "classes_per_batch 5"),
        ({"classes": 1}, "classes_per_batch 1"),
        ({"labels": [-1] * 50}, "0 classes"),
        ({"labels": [0] * 50, "classes": 2}, "can give only 6 different shapes"),
    ],
)
def test_what_cannot_work_is_an_error(arguments, word):
    with pytest.raises(DatasetError, match=word):
        make(**{"labels": LABELS, **arguments})
