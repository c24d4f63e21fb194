"""Train InfoNCE alone and with each auxiliary objective, the same budget each, and compare.

python scripts/ablate_objectives.py --data data/modelnet40 --out runs/ablation --docs docs/results.md

A finished run is kept in its folder, and not repeated when the command is given again; `--docs` writes the table and
the picture into the page, between two marks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import timeit
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_page import BASELINE, FIGURES, Result, draw, insert, page

from pc_align.alignment import Alignment
from pc_align.batch import PointTextBatch
from pc_align.build import build_alignment
from pc_align.config import Config, parse_config
from pc_align.data.dataset import PointTextDataset
from pc_align.data.storage import read_card
from pc_align.model import PointTextModel
from pc_align.trainer import train
from pc_align.zeroshot import ZeroShotClassifier, embed_split

Settings = dict[str, Any]
# Weights: a tenth to a half where a row costs about 1, less where a large scale multiplies the cost.
ARMS: dict[str, Settings] = {
    BASELINE: {},
    "cross_entropy": {"weight": 0.3},
    "triplet": {"weight": 0.5, "mining": "batch_hard"},
    "triplet_semi_hard": {"kind": "triplet", "weight": 0.5, "mining": "semi_hard"},
    "triplet_across": {"kind": "triplet", "weight": 0.5, "across": True},
    "center": {"weight": 0.01},
    "center_text": {"kind": "center", "weight": 0.3, "prototypes": "text"},
    "lsoftmax": {"weight": 0.1, "margin": 2, "annealing": 5.0},
    "sphereface": {"weight": 0.1, "annealing": 5.0},
    "amsoftmax": {"weight": 0.05},
    "cosface": {"weight": 0.02},
    "arcface": {"weight": 0.02, "margin": 0.3},
    "arcface_text": {"kind": "arcface", "weight": 0.02, "margin": 0.3, "prototypes": "text"},
    "normface": {"weight": 0.3},
    "l2softmax": {"weight": 0.3},
    "vmf": {"weight": 0.3, "per_class": True},
    "coco": {"weight": 0.3},
    "angular_triplet": {"weight": 0.1},
    "angular_triplet_arccos": {"kind": "angular_triplet", "weight": 0.5, "mode": "arccos"},
    "angular_triplet_center": {"kind": "angular_triplet", "weight": 0.3, "mode": "center"},
}


def settings_of(arm: str, given: argparse.Namespace, seed: int) -> Config:
    """The settings of one run: all arms differ in nothing but the added objective."""
    objectives = {"infonce": {"weight": 1.0, "duplicates": "positive"}}
    if arm != BASELINE:
        objectives[arm] = ARMS[arm]
    arguments: Settings = {
        "run_dir": f"{given.out}/{arm}/seed{seed}",
        "data.path": given.data,
        "data.num_points": given.num_points,
        "data.classes_per_batch": given.classes_per_batch,
        "data.num_workers": given.num_workers,
        "objectives": json.dumps(objectives),
        "train.epochs": given.epochs,
        "train.batch_size": given.batch_size,
        "train.seed": seed,
        "train.overwrite": "true",
    }
    overrides = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    return parse_config(["--config", given.config, *overrides], "ablate_objectives.py")


def run(arm: str, given: argparse.Namespace, seed: int) -> Result:
    """Trains one arm with one seed, or reads what an earlier call left."""
    config = settings_of(arm, given, seed)
    done = Path(config.run_dir) / "ablation.json"
    wanted = {"objectives": config.objectives, "budget": [given.epochs, given.batch_size, given.num_points]}
    if done.exists():
        earlier = json.loads(done.read_text())
        if earlier["settings"] == wanted:
            return dict(earlier["figures"])
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # infeasible margins are shown once, by the timing
        folder = train(config)
    figures = measure(PointTextModel.from_pretrained(folder / "last"), given)
    figures["seconds"] = time.perf_counter() - started
    done.write_text(json.dumps({"settings": wanted, "figures": figures}, indent=1))
    return figures


def measure(model: PointTextModel, given: argparse.Namespace) -> Result:
    """Figures on the test split, none of which chose anything during training."""
    test = PointTextDataset(given.data, "test")
    embeddings = embed_split(model, test, num_points=given.num_points)
    classify = ZeroShotClassifier(model, test.info.class_names, test.info.templates)
    named = (embeddings @ classify.prototypes.cpu().T).argmax(dim=1).numpy()
    cosines = (embeddings @ embeddings.T).numpy()
    same = test.labels[:, None] == test.labels[None, :]
    np.fill_diagonal(cosines, -np.inf)
    nearest = test.labels[cosines.argmax(axis=1)]
    np.fill_diagonal(same, False)
    apart = test.labels[:, None] != test.labels[None, :]
    ratio = float((1 - cosines[same]).mean() / (1 - cosines[apart]).mean())
    hits = {"top1": named == test.labels, "recall1": nearest == test.labels}
    return {**{name: float(of_clouds.mean()) for name, of_clouds in hits.items()}, "ratio": ratio}


def step_times(given: argparse.Namespace, rounds: int = 15) -> dict[str, float]:
    """Milliseconds that each arm's objectives take in a step, and under "step" those of the whole baseline step.

    Objectives are timed on ready embeddings, in turns: beside the encoder, a fraction of a millisecond drowns in noise.
    """
    card, kept = read_card(given.data), {}
    for arm in given.arms:
        kept[arm] = build_alignment(settings_of(arm, given, 0), card.format, card.splits["train"]).train()
    baseline = kept[BASELINE]
    labels = torch.arange(given.batch_size) // max(given.batch_size // given.classes_per_batch, 1)
    clouds = torch.randn(given.batch_size, given.num_points, card.format.num_channels)
    texts = torch.randn(given.batch_size, baseline.model.text.dim)
    batch = PointTextBatch(clouds, texts, labels, labels % len(card.splits["train"].class_names))
    times: dict[str, list[float]] = {name: [] for name in ("step", *kept)}
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(rounds):
            times["step"].append(_clock(lambda: baseline(batch)[0].backward()))
            for arm, alignment in kept.items():
                times[arm].append(_clock(_objectives_only(alignment, batch)))
    return {name: 1000 * statistics.median(values) for name, values in times.items()}


def _objectives_only(alignment: Alignment, batch: PointTextBatch) -> Callable[[], object]:
    n, E = len(batch), alignment.model.embed_dim
    x, t = torch.randn(n, E, requires_grad=True), torch.randn(n, E)
    embeddings = replace(alignment.embed(batch), points=x, texts=t, regularization=None)
    embeddings = replace(embeddings, logit_scale=embeddings.logit_scale.detach())

    def once() -> None:
        alignment.losses(embeddings, batch)[0].backward()
        alignment.update()

    return once


def _clock(work: Callable[[], object]) -> float:
    """Seconds."""
    return timeit.timeit(work, number=1)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data/modelnet40", help="folder made by `pc-align prepare`")
    parser.add_argument("--config", default="configs/modelnet40.yaml", help="all settings that are not given here")
    parser.add_argument("--out", default="runs/ablation", help="folder of the runs")
    parser.add_argument("--docs", help="page to write the section into, such as docs/results.md")
    parser.add_argument("--arms", default=",".join(ARMS), help="names, separated by commas; infonce is always one")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--num-points", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--classes-per-batch", type=int, default=16)
    parser.add_argument("--num-workers", type=int, default=1)
    given = parser.parse_args(arguments)
    given.arms = list(dict.fromkeys([BASELINE, *given.arms.split(",")]))
    unknown = [arm for arm in given.arms if arm not in ARMS]
    if unknown:
        parser.error(f"--arms: no {', '.join(unknown)}; there are {', '.join(ARMS)}")
    return given


def main() -> None:
    """All runs, seed by seed, so that an early end leaves whole seeds; then times, table, picture."""
    given = parse()
    results: dict[str, list[Result]] = {arm: [] for arm in given.arms}
    for seed in range(given.seeds):
        for arm in given.arms:
            figures = run(arm, given, seed)
            results[arm].append(figures)
            shown = ", ".join(f"{title} {figures[key]:.3f}" for key, title in FIGURES.items())
            print(f"seed {seed}, {arm}: {shown}, {figures['seconds']:.0f} s", flush=True)
    times = step_times(given)
    out = Path(given.out)
    (out / "results.json").write_text(json.dumps({"results": results, "times": times}, indent=1), encoding="utf-8")
    document = Path(given.docs) if given.docs else out / "results.md"
    picture = document.parent / "images" / "ablation_objectives.png"
    draw(results, picture)
    weights = {arm: settings.get("weight", 1.0) for arm, settings in ARMS.items()}
    insert(document, page(results, times, weights, vars(given), "images/ablation_objectives.png"))
    print(f"{document}, {picture}")


if __name__ == "__main__":
    main()
