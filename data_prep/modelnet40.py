"""ModelNet40 from NumPy archives.

train.npz and test.npz hold points (M, N, 3), label (M,), name (M,) and class_names (40,).

Wu et al., "3D ShapeNets: A Deep Representation for Volumetric Shapes", CVPR 2015 (arXiv 1406.5670). Official split:
9,843 shapes for training, 2,468 for testing. The validation split is taken from the training shapes.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pc_align.data.prompts import POINT_CLOUD_TEMPLATES, class_name, fill_all
from pc_align.data.storage import Example, SplitInfo
from pc_align.data.transforms import normalize, turn_up_axis
from pc_align.errors import DatasetError

NAME = "ModelNet40"
LICENCE = "ModelNet terms: academic research only; copyright of the models with their authors"
Splits = dict[str, tuple[SplitInfo, Iterable[Example]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pc-align prepare modelnet40`."""
    parser.add_argument("source", type=Path, help="folder with train.npz and test.npz")
    parser.add_argument("--up-axis", choices=("x", "y", "z"), default="z", help="axis that points up in the source")
    parser.add_argument("--validation", type=float, default=0.1, help="share of the training shapes of each class")
    parser.add_argument("--seed", type=int, default=0, help="chooses the validation shapes")


def prepare(args: argparse.Namespace) -> Splits:
    """Splits train, validation and test, z up, in the unit sphere, with prompts of the class name as captions.

    Raises:
        DatasetError: a missing or unreadable archive, arrays that do not fit, or a share outside 0..1.
    """
    if not 0 <= args.validation < 1:
        raise DatasetError(f"--validation {args.validation}: a share from 0 to below 1")
    train, test = (_load(args.source / f"{split}.npz") for split in ("train", "test"))
    names = [class_name(str(name)) for name in train["class_names"]]
    held_out = _stratified(train["label"], args.validation, args.seed)
    parts = {
        "train": (train, np.flatnonzero(~held_out), "official training shapes, without those held out for validation"),
        "validation": (train, np.flatnonzero(held_out), "training shapes held out to choose the checkpoint"),
        "test": (test, np.arange(len(test["label"])), "the official test shapes, named by their class"),
    }
    return {
        split: (SplitInfo(names, text), _examples(arrays, rows, names, args.up_axis, split))
        for split, (arrays, rows, text) in parts.items()
        if len(rows)
    }


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; ModelNet40 is read from train.npz and test.npz in one folder")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in ("points", "label", "name", "class_names")}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: not an archive of points, label, name and class_names ({error})") from None
    points, count = arrays["points"], len(arrays["label"])
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != count or len(arrays["name"]) != count:
        raise DatasetError(f"{path}: points {points.shape}, label ({count},), name ({len(arrays['name'])},) do not fit")
    return arrays


def _stratified(labels: NDArray[np.generic], share: float, seed: int) -> NDArray[np.bool_]:
    """A mask that marks the same share of every class, drawn at random."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        mask[rows[: round(share * len(rows))]] = True
    return mask


def _examples(
    arrays: dict[str, NDArray[np.generic]], rows: NDArray[np.int64], names: list[str], up_axis: str, split: str
) -> Iterator[Example]:
    captions = [fill_all(POINT_CLOUD_TEMPLATES, name) for name in names]
    for row in tqdm(rows, desc=split, unit="shape"):
        points = turn_up_axis(arrays["points"][row].astype(np.float32), up_axis, "z")  # type: ignore[arg-type]
        label = int(arrays["label"][row])
        yield Example(str(arrays["name"][row]), normalize(points), label, captions[label])
