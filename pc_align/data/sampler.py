"""Each rank's share of every global batch: all shapes in turn, or several of each class for objectives that mine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pc_align.errors import DatasetError


class RankBatchSampler(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """This rank's share of every global batch, as (epoch, index) pairs. The last incomplete batch is dropped.

    The union over ranks of batch i is the same for any number of ranks. Dropping the rest keeps every rank at the same
    number of rows, at least one; a repeated row would be a false negative.

    Args:
        length: examples in the data set.
        batch_size: global batch, rows of all ranks together.
        rank, world_size: this process and their number.
        seed: of the order.

    Raises:
        DatasetError: the batch does not divide by the ranks, or is larger than the data set.
    """

    def __init__(self, length: int, batch_size: int, *, rank: int, world_size: int, seed: int) -> None:
        if batch_size % world_size:
            raise DatasetError(f"train.batch_size {batch_size} does not divide by {world_size} ranks")
        if batch_size > length:
            raise DatasetError(f"train.batch_size {batch_size} is larger than the training split of {length} shapes")
        self.length, self.batch_size, self.seed, self.epoch = length, batch_size, seed, 0
        rows = batch_size // world_size
        self.share = slice(rank * rows, (rank + 1) * rows)

    def __len__(self) -> int:
        return self.length // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for batch in range(len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size][self.share]
            yield [(self.epoch, int(index)) for index in rows]


class ClassBatchSampler(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """This rank's share of every global batch, P classes with K shapes each, as (epoch, index) pairs.

    Classes are drawn in turns, so all come equally often, whatever their size; shapes of a class likewise. A class with
    fewer than K shapes gives those it has, and further classes fill the batch: no shape is twice in a batch. Shapes
    without a class (label -1) are never drawn. The union over ranks of batch i is the same for any number of ranks.

    Args:
        labels: [n] class of each example, -1 for none.
        batch_size: global batch P * K, rows of all ranks together.
        classes_per_batch: P, at least 2.
        rank, world_size: this process and their number.
        seed: of the order.

    Raises:
        DatasetError: the batch does not divide by the ranks or by the classes, or the data set cannot fill it.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        batch_size: int,
        classes_per_batch: int,
        *,
        rank: int,
        world_size: int,
        seed: int,
    ) -> None:
        if batch_size % world_size:
            raise DatasetError(f"train.batch_size {batch_size} does not divide by {world_size} ranks")
        if classes_per_batch < 2 or batch_size % classes_per_batch:
            raise DatasetError(
                f"data.classes_per_batch {classes_per_batch} must be 2 or more and divide train.batch_size {batch_size}"
            )
        self.members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
        self.shapes = batch_size // classes_per_batch
        available = sum(min(len(members), self.shapes) for members in self.members)
        if available < batch_size:
            raise DatasetError(
                f"train.batch_size {batch_size} of {classes_per_batch} classes with {self.shapes} shapes each: the "
                f"{len(self.members)} classes of the training split can give only {available} different shapes"
            )
        self.length, self.batch_size, self.seed, self.epoch = len(labels), batch_size, seed, 0
        rows = batch_size // world_size
        self.share = slice(rank * rows, (rank + 1) * rows)

    def __len__(self) -> int:
        return self.length // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        classes = _Turns(np.arange(len(self.members)), rng)
        shapes = [_Turns(members, rng) for members in self.members]
        for _ in range(len(self)):
            batch: list[int] = []
            used: set[int] = set()
            while len(batch) < self.batch_size:
                chosen = classes.take(1, without=used)[0]
                used.add(chosen)
                batch += shapes[chosen].take(min(self.shapes, self.batch_size - len(batch)))
            # Shuffled, so that a rank's rows, which its BatchNorm sees alone, are not those of a few classes.
            mixed = rng.permutation(batch)[self.share]
            yield [(self.epoch, int(index)) for index in mixed]


class _Turns:
    """Items in random order, all of them once before any comes again."""

    def __init__(self, items: NDArray[np.int64], rng: np.random.Generator) -> None:
        self._items, self._rng = items, rng
        self._waiting: list[int] = []

    def take(self, count: int, without: set[int] | None = None) -> list[int]:
        """Different items, at most as many as there are; those in `without` keep their turn."""
        taken: list[int] = []
        barred = set(without or ())
        for _ in range(min(count, len(self._items))):
            turn = next((item for item in self._waiting if item not in barred), None)
            if turn is None:
                self._waiting += self._rng.permutation(self._items).tolist()
                turn = next(item for item in self._waiting if item not in barred)
            self._waiting.remove(turn)
            barred.add(turn)
            taken.append(turn)
        return taken
