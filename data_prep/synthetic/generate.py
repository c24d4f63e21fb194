"""The built-in dataset: splits of procedural shapes with captions, the same from a seed on any number of workers."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.synthetic.families import FAMILIES
from data_prep.synthetic.grammar import describe_combination, make_captions
from data_prep.synthetic.parse import Parse
from data_prep.synthetic.parts import sample_triangles, to_mesh
from data_prep.synthetic.sketch import Family
from pc_align.data.dataset import Example, SplitInfo
from pc_align.data.io import import_open3d

Splits = dict[str, tuple[SplitInfo, list[Example]]]

# The place in this tuple is part of each shape's seed: append, never reorder.
SPLITS = ("train", "validation", "test", "test_synonyms", "test_combinations")
_CHUNK = 64  # shapes handed to a worker at a time
_TILT = 3.0  # degrees of random tilt about x and y; a turn about z is up to twice that
FILE_SUFFIXES = (".off", ".ply", ".obj", ".stl")


@dataclass(frozen=True)
class _Task:
    """What a worker needs to make one split; `indices` of families, one after the other, keep them balanced."""

    split: str
    seed: int
    num_points: int
    captions: int
    exclude_words: frozenset[str]


def with_synonyms() -> list[Family]:
    """The families of the split test_synonyms, in the order of its class names."""
    return [family for family in FAMILIES if family.synonym is not None]


def with_combinations() -> list[Family]:
    """The families of the split test_combinations, in the order of its groups."""
    return [family for family in FAMILIES if family.pair is not None]


def split_info(split: str) -> SplitInfo:
    """The class names of a split and what it asks."""
    if split == "test_synonyms":
        names = [str(family.synonym) for family in with_synonyms()]
        return SplitInfo(names, "new shapes of seen families, named by words that no training caption contains")
    if split == "test_combinations":
        groups = [(FAMILIES.index(family), pair) for family in with_combinations() for pair in family.combinations()]
        return SplitInfo(
            [describe_combination(FAMILIES[index], pair) for index, pair in groups],
            "combinations of two attributes never seen together; candidates are the combinations of the same family",
            groups=[index for index, _ in groups],
            templates=["{}"],
        )
    return SplitInfo([family.name for family in FAMILIES], "new shapes of seen families, by the family's name")


def make_parse(split: str, seed: int, index: int) -> tuple[Parse, int]:
    """Shape number `index` of a split and its label; families take turns, so that they stay balanced."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    held_out = split == "test_combinations"
    pool = with_combinations() if held_out else with_synonyms() if split == "test_synonyms" else FAMILIES
    label = index % len(pool)
    family = pool[label]
    attributes = family.draw_attributes(rng, unseen=held_out)
    tilt_x, tilt_y, turn = (round(float(angle), 3) for angle in rng.uniform(-_TILT, _TILT, size=3))
    parse = family.parse(attributes, pose=(tilt_x, tilt_y, 2 * turn))
    if held_out and family.pair is not None:
        earlier = sum(len(other.combinations()) for other in pool[:label])
        label = earlier + family.combinations().index((attributes[family.pair[0]], attributes[family.pair[1]]))
    return parse, label


def normalised(points: np.ndarray) -> np.ndarray:
    """Points [N, 3] with their mean at the origin and the largest norm 1, float32."""
    centred = points - points.mean(axis=0)
    return (centred / np.linalg.norm(centred, axis=1).max()).astype(np.float32)


def sample_points(parse: Parse, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Points [N, 3] float32 over the surface of a shape, in its pose, in the units it was drawn in."""
    return sample_triangles(parse.posed_faces, num_points, rng)


def _make_example(task: _Task, index: int) -> Example:
    parse, label = make_parse(task.split, task.seed, index)
    # A stream of its own, so that a change in how a shape is drawn does not change how another is sampled.
    rng = np.random.default_rng([task.seed, SPLITS.index(task.split), index, 1])
    points = normalised(sample_points(parse, task.num_points, rng))
    words = random.Random(int(rng.integers(2**62)))
    captions = make_captions(parse, words, task.captions, task.exclude_words)
    return Example(f"{task.split}-{index:06d}", points, label, captions)


def _make_chunk(task: _Task, indices: range) -> list[Example]:
    return [_make_example(task, index) for index in indices]


def _make_split(task: _Task, count: int, run: Callable[..., Iterable[list[Example]]], bar: tqdm) -> list[Example]:
    examples: list[Example] = []
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    for chunk in run(partial(_make_chunk, task), chunks):
        examples += chunk
        bar.update(len(chunk))
    return examples


def generate(
    *,
    train: int,
    validation: int,
    test: int,
    seed: int,
    num_points: int = 1024,
    workers: int = 1,
    captions: int = 8,
    exclude_words: Collection[str] = (),
    progress: bool = True,
) -> Splits:
    """All splits; each of the three test splits has `test` shapes.

    Every shape has its own seed made of (seed, split, index): the result does not depend on the number of workers.
    """
    counts = dict(zip(SPLITS, (train, validation, test, test, test), strict=True))
    tasks = {split: _Task(split, seed, num_points, captions, frozenset(exclude_words)) for split in SPLITS}
    with tqdm(total=sum(counts.values()), unit="shape", desc="synthetic shapes", disable=not progress) as bar:
        if workers <= 1:
            made = {split: _make_split(task, counts[split], map, bar) for split, task in tasks.items()}
        else:
            # Spawned, not forked: the parent may hold the threads of torch or open3d, and a fork of those can hang.
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                made = {split: _make_split(task, counts[split], pool.map, bar) for split, task in tasks.items()}
    return {split: (split_info(split), made[split]) for split in SPLITS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `pc-align prepare synthetic`."""
    parser.add_argument("--train", type=int, default=8000, help="shapes for training (default: %(default)s)")
    parser.add_argument("--validation", type=int, help="shapes for validation (default: a tenth of --train)")
    parser.add_argument(
        "--test", type=int, help="shapes in each of the three test splits (default: an eighth of --train)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same data (default: %(default)s)")
    parser.add_argument("--num-points", type=int, default=1024, help="points of a cloud (default: %(default)s)")
    parser.add_argument("--captions", type=int, default=8, help="captions of a shape (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--exclude-words", default="", help="words that no caption may contain, separated by commas")


def prepare(args: argparse.Namespace) -> Splits:
    """The splits that the options ask for."""
    return generate(
        train=args.train,
        validation=args.train // 10 if args.validation is None else args.validation,
        test=args.train // 8 if args.test is None else args.test,
        seed=args.seed,
        num_points=args.num_points,
        workers=args.workers,
        captions=args.captions,
        exclude_words=[word.strip() for word in args.exclude_words.split(",") if word.strip()],
    )


def write_sample_meshes(
    folder: Path | str, seed: int = 0, families: Sequence[str] = ("chair", "airplane")
) -> list[Path]:
    """Mesh files of held-out shapes, one a family, in turn .off, .ply, .obj and .stl; to try `pc-align classify` on."""
    open3d, names = import_open3d(), [family.name for family in FAMILIES]
    Path(folder).mkdir(parents=True, exist_ok=True)
    written = []
    for number, name in enumerate(families):
        parse, _ = make_parse("test", seed, names.index(name))
        path = Path(folder) / f"{name.replace(' ', '_')}{FILE_SUFFIXES[number % len(FILE_SUFFIXES)]}"
        mesh = to_mesh(parse.posed_faces)
        if path.suffix == ".stl":
            mesh.compute_triangle_normals()  # the one format that has to have them; Open3D warns about them in others
        if not open3d.io.write_triangle_mesh(str(path), mesh):
            raise OSError(f"could not write {path}")
        written.append(path)
    return written
