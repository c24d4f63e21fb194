"""The training loop under accelerate: load, forward, backward, clip, step, log, evaluate, save; no hooks.

Rank 0 prints, logs and saves; every rank computes its share of each global batch.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from pc_align.alignment import Alignment
from pc_align.build import build_alignment, build_optimizer
from pc_align.config import Config, TrainConfig, save_config
from pc_align.data.dataset import Collate, PointTextDataset
from pc_align.data.sampler import ClassBatchSampler, RankBatchSampler
from pc_align.data.storage import read_card
from pc_align.distributed import broadcast_buffers, set_timeout
from pc_align.errors import ConfigError, DatasetError, DistributedError
from pc_align.gradient_cache import cached_step
from pc_align.memory import reuse_freed_memory
from pc_align.model import PointTextModel
from pc_align.run_log import RunLog
from pc_align.zeroshot import evaluate


def train(config: Config) -> Path:
    """Run a training and return its folder, with the checkpoints `last` and `best` in it.

    `best` has the highest top-1 on the validation split; the test split is never looked at.

    Raises:
        PcAlignError: settings, data or the number of ranks are not as they must be.
    """
    settings = config.train
    accelerator = _start(config)
    microbatch = _microbatch(settings, accelerator.num_processes)
    run = _prepare_run_folder(config, accelerator)
    set_seed(settings.seed)
    alignment, train_set, validation, text_features = _build(config, accelerator)
    sampler, loader = _load(config, accelerator, train_set, text_features)
    optimizer = build_optimizer(alignment, settings)
    alignment, optimizer = accelerator.prepare(alignment, optimizer)
    plain: Alignment = accelerator.unwrap_model(alignment)
    model = plain.model
    log = RunLog(run, accelerator, total_steps=settings.epochs * len(loader))
    step, best = 0, -math.inf
    for epoch in range(settings.epochs):
        sampler.epoch = epoch
        alignment.train()
        for batch in loader:
            batch = batch.to(accelerator.device)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, log.total_steps, settings.lr, settings.warmup)
            if microbatch < settings.batch_size // accelerator.num_processes:
                loss, terms = cached_step(alignment, batch, microbatch, accelerator.backward)
            else:
                loss, terms = alignment(batch)
                accelerator.backward(loss)
            grad_norm = accelerator.clip_grad_norm_(alignment.parameters(), settings.grad_clip or math.inf)
            optimizer.step()
            optimizer.zero_grad()
            plain.update()
            model.clamp_logit_scale()
            step += 1
            log.clouds += len(batch) * accelerator.num_processes
            if step % settings.log_every == 0 or step == log.total_steps:
                scale = model.logit_scale.detach()
                log.step(step, step / len(loader), loss, terms, grad_norm, scale, optimizer.param_groups[0]["lr"])
        broadcast_buffers(model)
        figures = _validate(model, validation, config.data.num_points) if validation else {}
        log.epoch(step, epoch + 1, figures)
        best = _save(model, run, config, accelerator, step, epoch + 1, figures, best)
    log.close(step, best)
    accelerator.end_training()
    return run


def learning_rate(step: int, total_steps: int, peak: float, warmup: float) -> float:
    """Linear rise from 0 over the share `warmup` of all steps, then a cosine that ends at 0 after the last step."""
    rising = warmup * total_steps
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    progress = (step - rising) / max(1.0, total_steps - rising)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def requested_processes() -> int | None:
    """The number of processes that the launcher was asked for; None without a launcher.

    torchrun says it in the environment. `accelerate launch` has it on its command line: some of its options start a
    single process without a word, and a run that silently is another run is worth an error.
    """
    if "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"])
    for parent in psutil.Process().parents()[:3]:
        try:
            arguments = parent.cmdline()
        except psutil.Error:
            return None
        if not any(Path(argument).name.startswith("accelerate") for argument in arguments[:3]):
            continue
        for i, argument in enumerate(arguments):
            name, _, value = argument.partition("=")
            if name in ("--num_processes", "--num-processes"):
                value = value or (arguments[i + 1] if i + 1 < len(arguments) else "")
                return int(value) if value.isdigit() else None
    return None


def _start(config: Config) -> Accelerator:
    settings = config.train
    if settings.reuse_memory:
        reuse_freed_memory()
    ranks_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // ranks_here))
    precision = "no" if settings.precision == "fp32" else settings.precision
    # Without cpu=True accelerate leaves ranks that have no GPU unconnected, each a world of its own.
    cpu = settings.cpu or not torch.accelerator.is_available()
    accelerator = Accelerator(cpu=cpu, mixed_precision=precision, log_with="tensorboard", project_dir=config.run_dir)
    asked = config.distributed.world_size or requested_processes()
    if asked is not None and asked != accelerator.num_processes:
        raise DistributedError(
            f"asked for {asked} processes, but {accelerator.num_processes} started; on a CPU use "
            f"`torchrun --nproc_per_node {asked} scripts/train.py ...` or `accelerate launch --multi_gpu`"
        )
    set_timeout(config.distributed.timeout)
    accelerator.print(
        f"world size {accelerator.num_processes}, device {accelerator.device.type}, precision {settings.precision}, "
        f"{torch.get_num_threads()} threads a process"
    )
    return accelerator


def _prepare_run_folder(config: Config, accelerator: Accelerator) -> Path:
    run = Path(config.run_dir)
    taken = (run / "config.yaml").exists()
    # Every rank looks before rank 0 writes, so that all agree.
    accelerator.wait_for_everyone()
    if taken and not config.train.overwrite:
        raise ConfigError(f"{run}: holds a run already; choose another --run_dir or pass --train.overwrite true")
    if accelerator.is_main_process:
        try:
            for name in ("last", "best", "logs", "evaluation"):
                shutil.rmtree(run / name, ignore_errors=True)
            (run / "summary.json").unlink(missing_ok=True)
            run.mkdir(parents=True, exist_ok=True)
            (run / "metrics.jsonl").write_text("", encoding="utf-8")
            save_config(config, run / "config.yaml")
        except OSError as error:
            raise ConfigError(f"{run}: cannot be written ({error.strerror})") from None
    accelerator.wait_for_everyone()
    return run


def _build(
    config: Config, accelerator: Accelerator
) -> tuple[Alignment, PointTextDataset, PointTextDataset | None, Tensor]:
    """Model with objectives, training and validation split, and the text features of all training captions [n, D]."""
    data = config.data
    card = read_card(data.path)
    if "train" not in card.splits:
        raise DatasetError(f"{data.path}: no split 'train'; it has {', '.join(card.splits)}")
    # One process of a machine converts the files and embeds the captions; the others then find both cached.
    with accelerator.local_main_process_first():
        train_set = PointTextDataset(
            data.path, "train", num_points=data.num_points, augment=data.augment, seed=config.train.seed
        )
        validation = PointTextDataset(data.path, "validation") if "validation" in card.splits else None
        alignment = build_alignment(config, card.format, card.splits["train"])
        alignment.model.text.to(accelerator.device)
        text_features = _embed_captions(alignment.model, train_set.captions, accelerator)
    trainable = sum(p.numel() for p in alignment.parameters() if p.requires_grad)
    accelerator.print(
        f"{card.name}: {len(train_set)} training shapes, {len(validation) if validation else 0} for validation, "
        f"{len(train_set.captions)} distinct captions; {trainable:,} trainable parameters"
    )
    return alignment, train_set, validation, text_features


def _microbatch(settings: TrainConfig, num_processes: int) -> int:
    """Rows of a rank that go through the encoder at once.

    Raises:
        ConfigError: a rank or a micro-batch would have a single row, of which BatchNorm can take no statistics.
    """
    rows = settings.batch_size // num_processes
    microbatch = min(settings.microbatch_size or rows, rows)
    parts = -(-rows // microbatch) if rows else 1
    if rows // parts < 2:
        what = f"train.microbatch_size {microbatch}" if parts > 1 else f"train.batch_size {settings.batch_size}"
        raise ConfigError(f"{what}: leaves a single row, which batch normalisation cannot take; make it larger")
    return microbatch


def _load(
    config: Config, accelerator: Accelerator, train_set: PointTextDataset, text_features: Tensor
) -> tuple[RankBatchSampler | ClassBatchSampler, DataLoader[Any]]:
    data, settings = config.data, config.train
    share: dict[str, int] = {
        "rank": accelerator.process_index,
        "world_size": accelerator.num_processes,
        "seed": settings.seed,
    }
    sampler: RankBatchSampler | ClassBatchSampler
    if data.classes_per_batch:
        sampler = ClassBatchSampler(train_set.labels, settings.batch_size, data.classes_per_batch, **share)
    else:
        sampler = RankBatchSampler(len(train_set), settings.batch_size, **share)
    loader = DataLoader(
        train_set,
        batch_sampler=sampler,
        collate_fn=Collate(text_features, data.same_caption),
        num_workers=data.num_workers,
        persistent_workers=data.num_workers > 0,
        pin_memory=accelerator.device.type == "cuda",
    )
    return sampler, loader


def _embed_captions(model: PointTextModel, captions: list[str], accelerator: Accelerator) -> Tensor:
    missing = model.text.count_missing(captions)
    with tqdm(
        total=missing, desc="embedding captions", unit="text", disable=not (missing and accelerator.is_main_process)
    ) as bar:
        return model.text.encode(captions, progress=bar.update)


def _validate(model: PointTextModel, validation: PointTextDataset, num_points: int) -> dict[str, float]:
    figures = evaluate(model, validation, num_points=num_points).metrics
    return {f"validation/{name}": figures[name] for name in ("top1", "top5", "class_accuracy")}


def _save(
    model: PointTextModel,
    run: Path,
    config: Config,
    accelerator: Accelerator,
    step: int,
    epoch: int,
    figures: dict[str, float],
    best: float,
) -> float:
    """Write `last`, and `best` where validation improved (or without validation); returns the best figure so far."""
    card = read_card(config.data.path)
    figure = figures.get("validation/top1", math.inf)
    model.notes = {
        "data_set": card.name,
        "train_sha256": card.splits["train"].content_sha256,
        "seed": config.train.seed,
        "step": step,
        "epoch": epoch,
        "figures": figures,
        "checkpoint_rule": "best top-1 on the validation split" if figures else "last epoch",
    }
    if accelerator.is_main_process:
        model.save_pretrained(run / "last")
        if figure > best or not figures:
            model.save_pretrained(run / "best")
    accelerator.wait_for_everyone()
    return max(best, figure) if figures else best
