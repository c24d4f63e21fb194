"""How training and evaluation read a prepared data set: examples, batches, each rank's share.

Shapes: B clouds in a batch, N points a cloud, C channels, D width of the text transformer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pc_align.batch import PointTextBatch
from pc_align.config import AugmentConfig, CloudFormat
from pc_align.data import transforms
from pc_align.data.storage import CARD_NAME, file_sha256, read_card
from pc_align.errors import DatasetError


class PointTextDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """One split: clouds with captions, memory-mapped.

    An item is asked for by (epoch, index): points, caption and augmentation depend on (seed, epoch, index) alone, so
    they are the same for any number of ranks and workers.

    Args:
        folder: made by `pc-align prepare`.
        split: name of the split.
        num_points: points drawn from each cloud; None gives all, in stored order.
        augment: random changes; None for none.
        seed: of all random choices.

    Raises:
        DatasetError: no such folder or split, or a file that is not as its card says.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str,
        *,
        num_points: int | None = None,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        import datasets

        folder = Path(folder)
        self.card = read_card(folder)
        if split not in self.card.splits:
            raise DatasetError(f"{folder}: no split {split!r}; it has {', '.join(self.card.splits)}")
        self.info, self.split = self.card.splits[split], split
        path = folder / f"{split}.parquet"
        if not path.is_file() or file_sha256(path) != self.info.file_sha256:
            raise DatasetError(f"{path}: missing or not as {CARD_NAME} says; prepare the data set again")
        datasets.disable_progress_bars()
        # The row table is memory-mapped Arrow, shared by all ranks and workers on a machine.
        self.rows = datasets.Dataset.from_parquet(str(path)).with_format("numpy")
        self.captions, self.caption_ids = _index_captions(self.rows.with_format("arrow")[:]["captions"])
        self.labels = np.asarray(self.rows["label"][:], dtype=np.int64)
        self.num_points, self.augment, self.seed = num_points, augment, seed

    def __len__(self) -> int:
        return len(self.labels)

    def cloud(self, index: int) -> NDArray[np.float32]:
        """The stored cloud, [N, C]."""
        return self.rows[index]["points"].reshape(-1, self.card.format.num_channels)

    def ids(self) -> list[str]:
        """Ids of all examples, in order."""
        return list(self.rows["id"][:])

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        rng = np.random.default_rng((self.seed, epoch, index))
        points = self.cloud(index)
        if self.num_points is not None:
            points = transforms.choose_points(points, self.num_points, rng)
        if self.augment is not None:
            points = augment_cloud(points, self.augment, rng, self.card.format)
        caption_id = rng.choice(self.caption_ids[index])
        return {"points": points, "caption_id": caption_id, "label": self.labels[index]}


def _index_captions(column: Any) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Distinct captions, and for each example the positions of its captions among them."""
    encoded = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    values = encoded.flatten().dictionary_encode()
    ids = values.indices.to_numpy().astype(np.int64)
    sizes = encoded.value_lengths().to_numpy()
    return values.dictionary.to_pylist(), np.split(ids, np.cumsum(sizes)[:-1])


def augment_cloud(
    points: NDArray[np.float32], augment: AugmentConfig, rng: np.random.Generator, form: CloudFormat
) -> NDArray[np.float32]:
    """The cloud after the random changes of the config, in the field's usual order: drop, scale, shift, tilt, turn."""
    if augment.drop:
        points = transforms.drop_points(points, augment.drop, rng)
    if augment.scale != 1:
        points = transforms.scale(points, 1 / augment.scale, augment.scale, rng)
    if augment.shift:
        points = transforms.shift(points, augment.shift, rng)
    if augment.tilt:
        points = transforms.tilt(points, augment.tilt, 3 * augment.tilt, rng)
    if augment.turn_degrees:
        points = transforms.turn(points, augment.turn_degrees, rng, form.up_axis)
    if augment.jitter:
        points = transforms.jitter(points, augment.jitter, rng)
    return points


class Collate:
    """Examples -> PointTextBatch, with the cached embedding of each example's caption.

    Args:
        text_features: [number of distinct captions, D], row i for caption id i.
        same_caption: "text" or "class", when two captions get the same id in the batch.
    """

    def __init__(self, text_features: Tensor, same_caption: str = "text") -> None:
        self.text_features, self.same_caption = text_features, same_caption

    def __call__(self, examples: list[dict[str, Any]]) -> PointTextBatch:
        caption_ids = torch.tensor([int(example["caption_id"]) for example in examples], dtype=torch.int64)
        labels = torch.tensor([int(example["label"]) for example in examples], dtype=torch.int64)
        # Shapes without a class (-1) are the same only where their texts are; below -1 no class can be meant.
        by_class = torch.where(labels >= 0, labels, -2 - caption_ids)
        return PointTextBatch(
            points=torch.from_numpy(np.stack([example["points"] for example in examples])),
            text_features=self.text_features[caption_ids],
            caption_ids=by_class if self.same_caption == "class" else caption_ids,
            labels=labels,
        )
