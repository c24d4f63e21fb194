"""Offline triplets: mining against a slow search, the file, the data set."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ROOT, run_command

from pc_align.data.dataset import PointTextDataset
from pc_align.data.triplets import TripletDataset, mine_triplets, write_triplets
from pc_align.errors import DatasetError
from pc_align.objectives import triplet_loss


@pytest.mark.parametrize("kind", ["semi_hard", "hard", "violating"])
@pytest.mark.parametrize("per_anchor", [1, 100])
def test_mined_triplets_are_of_their_kind(kind, per_anchor):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(30, 4)).astype(np.float32) * 3, rng.integers(-1, 4, size=30)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)

    def kinds(d_ap: float, d_an: float) -> set[str]:
        found = {"hard"} if d_an <= d_ap else {"semi_hard"} if d_an < d_ap + 0.3 else set()
        return found | ({"violating"} if d_an < d_ap + 0.3 else set())

    wanted = set()
    for a in range(30):
        for p in range(30):
            if a != p and labels[a] == labels[p] >= 0:
                d_ap = np.linalg.norm(unit[a] - unit[p])
                for n in range(30):
                    if (
                        labels[n] >= 0
                        and labels[n] != labels[a]
                        and kind in kinds(d_ap, np.linalg.norm(unit[a] - unit[n]))
                    ):
                        wanted.add((a, p, n))
    triplets = mine_triplets(x, labels, kind=kind, margin=0.3, per_anchor=per_anchor, seed=1)
    found = [tuple(row) for row in triplets.tolist()]
    assert found and set(found) <= wanted
    pairs = [(a, p) for a, p, _ in found]
    assert len(pairs) == len(set(pairs))
    if per_anchor == 100:
        assert set(pairs) == {(a, p) for a, p, _ in wanted}
    again = mine_triplets(x, labels, kind=kind, margin=0.3, per_anchor=per_anchor, seed=1)
    assert (again == triplets).all()


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [-1, -1, 0, 1]])
def test_nothing_to_mine(labels):
    x = np.eye(4, dtype=np.float32)
    assert mine_triplets(x, np.asarray(labels), kind="violating").shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"kind": "easy"}, "kind"),
        ({"margin": -0.1}, "margin"),
        ({"per_anchor": 0}, "per_anchor"),
        ({"labels": np.zeros(3, dtype=np.int64)}, "labels"),
        ({"embeddings": np.full((4, 2), np.nan, dtype=np.float32)}, "embeddings hold NaN"),
    ],
)
def test_bad_arguments_are_named(arguments, word):
    rest = {"embeddings": np.ones((4, 2), dtype=np.float32), "labels": np.zeros(4, dtype=np.int64), **arguments}
    with pytest.raises(ValueError, match=word):
        mine_triplets(rest.pop("embeddings"), rest.pop("labels"), **rest)


def test_the_file_brings_back_the_clouds(small_dataset, tmp_path):
    source = PointTextDataset(small_dataset, "train", num_points=32)
    path = tmp_path / "t.parquet"
    write_triplets(path, np.asarray([[0, 4, 1], [5, 9, 2]]), source.ids(), {"kind": "hard"})
    triplets = TripletDataset(source, path)
    assert len(triplets) == 2 and triplets.notes == {"kind": "hard"}
    item = triplets[1]
    stored = source.cloud(9)
    assert {name: cloud.shape for name, cloud in item.items()} == dict.fromkeys(
        ("anchor", "positive", "negative"), (32, 3)
    )
    assert all((stored == point).all(axis=1).any() for point in item["positive"])
    assert all((triplets[1][name] == item[name]).all() for name in item)
    batch = next(iter(torch.utils.data.DataLoader(triplets, batch_size=2)))
    assert batch["negative"].shape == (2, 32, 3) and triplet_loss(*(rows.mean(1) for rows in batch.values())) >= 0


def test_files_that_are_none(small_dataset, tmp_path):
    source = PointTextDataset(small_dataset, "train")
    (tmp_path / "text").write_text("hello")
    pq.write_table(pa.table({"anchor": ["x"]}), tmp_path / "other")
    write_triplets(tmp_path / "foreign", np.asarray([[0, 1, 2]]), ["a", "b", "c"])
    for name, word in (
        ("missing", "no readable"),
        ("text", "no readable"),
        ("other", "not a triplet file"),
        ("foreign", "3 of its ids"),
    ):
        with pytest.raises(DatasetError, match=word):
            TripletDataset(source, tmp_path / name)


def test_the_script_mines_from_a_trained_model(small_run, small_dataset, tmp_path):
    out = tmp_path / "mined.parquet"
    arguments = ("--model", str(small_run), "--data", str(small_dataset), "--out", str(out), "--margin", "2")
    result = run_command(str(ROOT / "scripts/mine_triplets.py"), *arguments)
    assert result.returncode == 0, result.stderr
    triplets = TripletDataset(PointTextDataset(small_dataset, "train"), out)
    labels = triplets.source.labels[triplets.rows]
    assert f"{len(triplets)} triplets" in result.stdout and len(triplets) > 0
    assert (labels[:, 0] == labels[:, 1]).all() and (labels[:, 0] != labels[:, 2]).all()
    failed = run_command(str(ROOT / "scripts/mine_triplets.py"), "--model", "nowhere", "--data", str(small_dataset))
    assert failed.returncode == 1 and "nowhere" in failed.stderr and "Traceback" not in failed.stderr
