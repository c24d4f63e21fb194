from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_split

from pc_align.config import AugmentConfig, CloudFormat
from pc_align.data.dataset import Collate, PointTextDataset
from pc_align.data.sampler import RankBatchSampler
from pc_align.data.storage import CARD_NAME, DatasetCard, Example, SplitInfo, read_card, write_dataset
from pc_align.errors import DatasetError

CARD = DatasetCard("small", "tests", "none", "pytest", CloudFormat(num_points=64))


def test_what_is_written_is_read(small_dataset: Path) -> None:
    info, examples = make_split(160, 1)
    dataset = PointTextDataset(small_dataset, "train")
    assert len(dataset) == 160 and dataset.ids() == [example.id for example in examples]
    assert dataset.info.class_names == info.class_names
    for index in (0, 7, 159):
        np.testing.assert_array_equal(dataset.cloud(index), examples[index].points)
        assert dataset.labels[index] == examples[index].label
        captions = {dataset.captions[i] for i in dataset.caption_ids[index]}
        assert captions == set(examples[index].captions)


def test_hashes_depend_on_the_content_alone(tmp_path: Path) -> None:
    cards = [write_dataset(tmp_path / name, CARD, {"train": make_split(20, 5)}) for name in ("a", "b")]
    other = write_dataset(tmp_path / "c", CARD, {"train": make_split(20, 6)})
    assert cards[0] == cards[1] == read_card(tmp_path / "a")
    assert cards[0].splits["train"].content_sha256 != other.splits["train"].content_sha256


def test_items_depend_on_seed_epoch_and_index_alone(small_dataset: Path) -> None:
    augment = AugmentConfig(jitter=0.01, tilt=0.06)

    def item(seed: int, epoch: int, index: int) -> np.ndarray:
        dataset = PointTextDataset(small_dataset, "train", num_points=32, augment=augment, seed=seed)
        return dataset[epoch, index]["points"]

    assert item(0, 1, 2).shape == (32, 3)
    np.testing.assert_array_equal(item(0, 1, 2), item(0, 1, 2))
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not np.array_equal(item(0, 1, 2), item(*other))


def test_captions_are_drawn_anew_each_epoch(small_dataset: Path) -> None:
    dataset = PointTextDataset(small_dataset, "train")
    drawn = {dataset.captions[dataset[epoch, 1]["caption_id"]] for epoch in range(20)}
    assert drawn == {"a rod.", "the shape of a rod."}


def test_collate_brings_text_features_and_ids(small_dataset: Path) -> None:
    dataset = PointTextDataset(small_dataset, "train")
    features = torch.randn(len(dataset.captions), 5)
    examples = [dataset[0, index] for index in range(8)]
    batch = Collate(features)(examples)
    assert batch.points.shape == (8, 64, 3) and len(batch) == 8
    torch.testing.assert_close(batch.text_features, features[batch.caption_ids])
    by_class = Collate(features, "class")(examples)
    assert torch.equal(by_class.caption_ids, by_class.labels)
    unlabelled = [{**example, "label": -1} for example in examples]
    ids = Collate(features, "class")(unlabelled).caption_ids
    assert (ids < -1).all() and torch.equal(-2 - ids, batch.caption_ids)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_each_global_batch_without_loss_or_repeats(world_size: int) -> None:
    whole = list(RankBatchSampler(50, 8, rank=0, world_size=1, seed=3))
    shares = [list(RankBatchSampler(50, 8, rank=r, world_size=world_size, seed=3)) for r in range(world_size)]
    assert all(len(share) == len(whole) == 6 for share in shares)
    for number, batch in enumerate(whole):
        assert [row for share in shares for row in share[number]] == batch
    seen = Counter(index for batch in whole for _, index in batch)
    assert len(seen) == 48 and set(seen.values()) == {1}


def test_every_epoch_has_another_order() -> None:
    sampler = RankBatchSampler(50, 8, rank=0, world_size=1, seed=3)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    assert [index for batch in first for _, index in batch] != [index for batch in second for _, index in batch]
    assert second[0][0][0] == 1


def test_batches_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(DatasetError, match="does not divide"):
        RankBatchSampler(50, 9, rank=0, world_size=2, seed=0)
    with pytest.raises(DatasetError, match="larger than"):
        RankBatchSampler(5, 8, rank=0, world_size=1, seed=0)


@pytest.mark.parametrize(
    ("example", "word"),
    [
        (Example("x", np.zeros((10, 3), np.float32), 0, ["a"]), "shape"),
        (Example("x", np.full((64, 3), np.nan, np.float32), 0, ["a"]), "NaN"),
        (Example("x", np.zeros((64, 3), np.float32), 4, ["a"]), "label"),
        (Example("x", np.zeros((64, 3), np.float32), 0, []), "captions"),
    ],
)
def test_bad_examples_are_refused_and_nothing_is_left(tmp_path: Path, example: Example, word: str) -> None:
    with pytest.raises(DatasetError, match=word):
        write_dataset(tmp_path / "d", CARD, {"train": (SplitInfo(["a", "b"], ""), [example])})
    assert not (tmp_path / "d").exists()


def test_a_folder_with_other_things_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="no prepared data set"):
        write_dataset(tmp_path, CARD, {"train": make_split(4, 0)})
    assert (tmp_path / "thesis.txt").exists()


def test_damage_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small_dataset, copy)
    raw = bytearray((copy / "train.parquet").read_bytes())
    raw[len(raw) // 2] ^= 1
    (copy / "train.parquet").write_bytes(raw)
    with pytest.raises(DatasetError, match=r"train\.parquet"):
        PointTextDataset(copy, "train")
    with pytest.raises(DatasetError, match="no split 'valid'"):
        PointTextDataset(copy, "valid")
    (copy / CARD_NAME).write_text(json.dumps({"version": 99}))
    with pytest.raises(DatasetError, match="version 99"):
        read_card(copy)
    (copy / CARD_NAME).write_text("{")
    with pytest.raises(DatasetError, match="prepare the data set again"):
        read_card(copy)
    with pytest.raises(DatasetError, match="pc-align prepare"):
        read_card(tmp_path / "nowhere")
