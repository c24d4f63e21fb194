from __future__ import annotations

from pathlib import Path

import pytest

from pc_align.config import parse_config, save_config
from pc_align.errors import ConfigError

MINIMAL = ["--run_dir", "runs/x", "--data.path", "data/x"]


def write(folder: Path, text: str) -> str:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_yaml_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "run_dir: a\ndata: {path: d, augment: {tilt: 0.1}}\ntrain: {lr: 3e-4, epochs: 7}\n")
    config = parse_config(["--config", path, "--train.epochs", "9", "--model.encoder_args.out_dim", "128"])
    assert (config.train.lr, config.train.epochs, config.data.augment.tilt) == (3e-4, 9, 0.1)
    assert config.model.encoder_args == {"out_dim": 128}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("train: {lrr: 1}", "lrr"),
        ("trian: {lr: 1}", "trian"),
        ("train: {lr: fast}", "fast"),
        ("train: {epochs: 1.5}", "epochs"),
        ("data: {num_points: 0}", "data.num_points"),
        ("train: {batch_size: 1}", "train.batch_size"),
        ("model: {text_projection: quadratic}", "quadratic"),
        ("objectives: {}", "objectives"),
        ("train: [1", "config"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_place(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config([*MINIMAL, "--config", write(tmp_path, text)])
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [["--train.lr", "x"], ["--train.learning_rate", "1"], ["--config", "missing.yaml"], ["stray"]]
)
def test_a_wrong_override_is_an_error(arguments: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_config([*MINIMAL, *arguments])


def test_saved_settings_read_back_equal(tmp_path: Path) -> None:
    config = parse_config([*MINIMAL, "--objectives", "{infonce: {weight: 2.0, duplicates: positive}}"])
    save_config(config, tmp_path / "config.yaml")
    assert parse_config(["--config", str(tmp_path / "config.yaml")]) == config
