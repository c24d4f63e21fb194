"""The settings of a run: typed dataclasses with commented defaults, one YAML file, and overrides on the command line.

jsonargparse reads the types and the comments below, so `--help` shows them and a wrong key or type is an error.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from pc_align.errors import ConfigError


@dataclass(frozen=True)
class CloudFormat:
    """How clouds lie in space: what a data set holds and what a model expects."""

    num_points: int = 1024
    """N, points a cloud."""
    channels: tuple[str, ...] = ("xyz",)
    """Groups of channels in their order; "xyz" first."""
    up_axis: Literal["x", "y", "z"] = "z"
    """The axis that points up; frames are right-handed."""
    normalization: Literal["unit_sphere", "none"] = "unit_sphere"
    """"unit_sphere": centred at the mean, largest distance from it 1."""

    @property
    def num_channels(self) -> int:
        """C, numbers a point."""
        return 3 * len(self.channels)


@dataclass
class AugmentConfig:
    """Random changes to training clouds. 0 switches one off."""

    turn_degrees: float = 0.0
    """Turn about the up axis by U(-x, x) degrees; 180 is any direction."""
    tilt: float = 0.0
    """Tilt about each axis by N(0, x) radians, clipped at 3 x."""
    scale: float = 1.25
    """Scale by U(1/x, x); 1 switches it off."""
    shift: float = 0.1
    """Shift along each axis by U(-x, x), the shape being 1 in radius."""
    jitter: float = 0.0
    """Move every coordinate by N(0, x), clipped at 2.5 x."""
    drop: float = 0.0
    """Move a share U(0, x) of the points onto the first one; the field's usual value is 0.875."""


@dataclass
class DataConfig:
    """What to train on."""

    path: str = ""
    """Folder made by `pc-align prepare`."""
    num_points: int = 1024
    """Points drawn at random from each stored cloud, anew every epoch."""
    same_caption: Literal["text", "class"] = "text"
    """When two captions are the same to the objectives: equal text, or equal class, where captions say no more than the
    class name."""
    classes_per_batch: int = 0
    """P: draw batches of P classes with batch_size / P shapes each, for objectives that mine positives; 0 draws shapes
    at random."""
    num_workers: int = 1
    """Worker processes of the loader on each rank; 0 loads in the training process."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class ModelConfig:
    """Encoder, text model and the way both meet."""

    encoder: str = "pointnet"
    """Name of the point encoder."""
    encoder_args: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the encoder, such as out_dim or feature_transform."""
    text_model: str = "all-MiniLM-L6-v2"
    """Hugging Face id or folder of the frozen text model."""
    text_revision: str | None = None
    """Commit or tag of the text model on the hub."""
    text_pooling: Literal["mean", "cls"] | None = None
    """Pooling of BERT-like text models; by default as their sentence-transformers files say, else mean."""
    text_projection: Literal["identity", "linear"] = "identity"
    """"identity" keeps the text model's own space; "linear" learns a projection to embed_dim."""
    embed_dim: int | None = None
    """E, width of the shared space; by default that of the text model."""
    templates: list[str] = field(default_factory=list)
    """Prompt templates for zero-shot classification; by default the built-in set."""


@dataclass
class TrainConfig:
    """Optimisation and bookkeeping."""

    epochs: int = 20
    """Passes over the training split."""
    batch_size: int = 64
    """Global batch: the rows of all ranks together. It must divide by the number of ranks."""
    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.05
    """Of weight matrices; biases, norms and the logit scale have none."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises from 0; after it a cosine falls to 0."""
    microbatch_size: int | None = None
    """Rows of a rank that go through the encoder with a graph at once. Below the rank's batch it saves memory, at the
    cost of a second forward pass, and the gradient stays that of the whole contrastive batch (gradient caching)."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 switches clipping off."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the forward pass; losses are always computed in float32."""
    seed: int = 0
    """Of weights, order, captions and augmentation."""
    log_every: int = 10
    """Steps between two rows of the log."""
    overwrite: bool = False
    """Replace a run that is already in run_dir."""
    cpu: bool = False
    """Train on the CPU even where there is a GPU."""
    threads: int | None = None
    """CPU threads of each rank; by default the cores of the machine are shared among its ranks. (Launchers set
    OMP_NUM_THREADS to 1 without being asked, which would leave cores idle.)"""
    reuse_memory: bool = False
    """Linux CPU runs: keep freed memory in the process. Twice as fast; it is given back at exit."""


@dataclass
class DistributedConfig:
    """The ranks."""

    world_size: int | None = None
    """Number of ranks that this run must have; another number is an error."""
    timeout: float = 60.0
    """Seconds that a rank waits for the others in an objective before it gives up with an error."""


@dataclass
class Config:
    """One training run."""

    run_dir: str = ""
    """Folder of the run: checkpoints `last` and `best`, log, report."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objectives: dict[str, dict[str, Any]] = field(default_factory=lambda: {"infonce": {"weight": 1.0}})
    """Objectives by name, each with its weight and its own arguments."""
    train: TrainConfig = field(default_factory=TrainConfig)
    distributed: DistributedConfig = field(default_factory=DistributedConfig)


def parse_config(arguments: list[str], prog: str = "train.py") -> Config:
    """Settings from `--config FILE` and overrides such as `--train.lr 3e-4`; `--help` prints all of them and exits.

    Raises:
        ConfigError: an unknown key, a wrong type, a missing file, or values that contradict each other.
    """
    import jsonargparse

    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = jsonargparse.ArgumentParser(
        prog=prog,
        exit_on_error=False,
        description="Train a point-cloud encoder against a frozen text model. Every key of the YAML can be overridden.",
    )
    parser.add_argument("--config", action="config", help="YAML file with the run's settings")
    parser.add_class_arguments(Config, as_group=False)
    try:
        parsed = parser.parse_args(arguments)
        config = Config(**{key: value for key, value in parser.instantiate_classes(parsed).items() if key != "config"})
    except jsonargparse.ArgumentError as error:
        raise ConfigError(_one_line(str(error))) from None
    check_config(config)
    return config


def check_config(config: Config) -> None:
    """Raises ConfigError for values that no run can use."""
    train = config.train
    problems = {
        "run_dir": (not config.run_dir, "name the folder of the run"),
        "data.path": (not config.data.path, "name a folder made by `pc-align prepare`"),
        "data.num_points": (config.data.num_points < 1, "must be at least 1"),
        "data.classes_per_batch": (config.data.classes_per_batch < 0, "must not be negative"),
        "data.num_workers": (config.data.num_workers < 0, "must not be negative"),
        "data.augment.scale": (config.data.augment.scale < 1, "must be at least 1"),
        "train.epochs": (train.epochs < 1, "must be at least 1"),
        "train.batch_size": (train.batch_size < 2, "must be at least 2: a single pair has no negatives"),
        "train.threads": ((train.threads or 1) < 1, "must be at least 1"),
        "train.microbatch_size": ((train.microbatch_size or 1) < 1, "must be at least 1"),
        "distributed.timeout": (config.distributed.timeout <= 0, "must be positive"),
        "train.lr": (train.lr <= 0, "must be positive"),
        "train.warmup": (not 0 <= train.warmup < 1, "is a share of the steps, from 0 to below 1"),
        "train.log_every": (train.log_every < 1, "must be at least 1"),
        "objectives": (not config.objectives, "name at least one, such as {infonce: {weight: 1.0}}"),
    }
    for key, (wrong, remedy) in problems.items():
        if wrong:
            raise ConfigError(f"{key}: {remedy}")


def save_config(config: Config, path: Path) -> None:
    """The whole resolved settings as YAML, which `--config` reads again."""
    path.write_text(yaml.safe_dump(asdict(config), sort_keys=False), encoding="utf-8")


def _one_line(message: str) -> str:
    return " ".join(message.split())


def config_from_command_line(arguments: list[str], prog: str) -> Config:
    """`parse_config` for an entry point: prints one line and exits with status 2 on an error."""
    try:
        return parse_config(arguments, prog)
    except ConfigError as error:
        if os.environ.get("RANK", "0") == "0":  # all ranks read the same settings: one of them says what is wrong
            print(f"{prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
