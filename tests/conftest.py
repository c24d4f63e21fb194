"""Shared by all tests: small data sets, a small text model, and the folder of external data where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pc_align.config import CloudFormat
from pc_align.data.storage import DatasetCard, Example, SplitInfo, write_dataset
from pc_align.data.transforms import normalize

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def private_text_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests never read or write the user's cache of text embeddings; subprocesses inherit this one."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["PC_ALIGN_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real shapes and files that may not be redistributed; tests that need them are skipped without them."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no external data at {SHARED_DATA}")
    return SHARED_DATA


SHAPE_NAMES = ["ball", "rod", "plate", "two balls"]


def make_cloud(label: int, rng: np.random.Generator, num_points: int = 64) -> np.ndarray:
    """A cloud that is easily told from those of other labels: [num_points, 3] float32 in the unit sphere."""
    points = rng.normal(size=(num_points, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = points * [(1, 1, 1), (0.1, 0.1, 1), (1, 1, 0.05), (0.3, 0.3, 0.3)][label]
    if label == 3:
        points[::2, 0] += 1.5
    return normalize((points * rng.uniform(0.9, 1.1, size=3)).astype(np.float32))


def make_split(count: int, seed: int) -> tuple[SplitInfo, list[Example]]:
    rng = np.random.default_rng(seed)
    examples = []
    for index in range(count):
        label = index % len(SHAPE_NAMES)
        captions = [f"a {SHAPE_NAMES[label]}.", f"the shape of a {SHAPE_NAMES[label]}."]
        examples.append(Example(f"s{seed}-{index}", make_cloud(label, rng), label, captions))
    return SplitInfo(SHAPE_NAMES, "shapes of four kinds"), examples


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 training, 41 validation and 43 test clouds of 64 points in four classes."""
    folder = tmp_path_factory.mktemp("data") / "small"
    card = DatasetCard("small", "made by the tests", "none", "pytest", CloudFormat(num_points=64))
    splits = {"train": make_split(160, 1), "validation": make_split(41, 2), "test": make_split(43, 3)}
    write_dataset(folder, card, splits)
    return folder


def small_config(data: Path, run: Path, cpu: str = "true") -> list[str]:
    """Arguments of a training run of a few seconds."""
    return [
        *("--run_dir", str(run), "--data.path", str(data), "--data.num_points", "48", "--data.num_workers", "0"),
        *("--model.encoder_args.out_dim", "32", "--train.epochs", "16", "--train.batch_size", "16"),
        *("--train.lr", "3e-3", "--train.cpu", cpu, "--train.log_every", "5", "--data.same_caption", "class"),
    ]


@pytest.fixture(scope="session")
def small_run(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training run on the small data set."""
    run = tmp_path_factory.mktemp("runs") / "small"
    result = run_command("-m", "pc_align.cli", "train", *small_config(small_dataset, run))
    assert result.returncode == 0, result.stderr
    return run


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python subprocess of the project, one thread, without a terminal."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=300, cwd=ROOT)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)
