"""The records of a run: progress bar, metrics.jsonl, tensorboard and the summary at its end, on rank 0."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm


class RunLog:
    """Writes what happens in a run.

    Args:
        run: folder of the run.
        accelerator: tells which rank this is and holds the trackers.
        total_steps: steps of the whole run.

    Attributes:
        clouds: clouds of all ranks so far; the training loop adds to it.
    """

    def __init__(self, run: Path, accelerator: Accelerator, total_steps: int) -> None:
        self.total_steps, self.clouds = total_steps, 0
        self._accelerator = accelerator
        self._path = run / "metrics.jsonl"
        self._bar = tqdm(total=total_steps, desc="training", unit="step", disable=not accelerator.is_main_process)
        self._since = self._started = time.perf_counter()
        self._clouds_before = 0
        accelerator.init_trackers("logs")

    def step(
        self,
        step: int,
        epoch: float,
        loss: Tensor,
        terms: dict[str, Tensor],
        grad_norm: Tensor,
        scale: Tensor,
        lr: float,
    ) -> None:
        """One row for a training step. All ranks call it: the loss of the global batch is the mean over ranks."""
        names = ["loss", *terms]
        values = self._accelerator.reduce(torch.stack([loss.detach(), *terms.values()]), "mean").tolist()
        rate = (self.clouds - self._clouds_before) / (time.perf_counter() - self._since)
        self._since, self._clouds_before = time.perf_counter(), self.clouds
        row = {**dict(zip(names, values, strict=True)), "lr": lr, "logit_scale": scale.item()}
        row |= {"grad_norm": float(grad_norm), "clouds_per_second": rate}
        self._write({"step": step, "epoch": epoch, **row})
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix(
            {"loss": f"{row['loss']:.3f}", "scale": f"{row['logit_scale']:.1f}", "clouds/s": f"{rate:.0f}"},
            refresh=False,
        )

    def epoch(self, step: int, epoch: int, figures: dict[str, float]) -> None:
        """One row for the evaluation after an epoch."""
        if figures:
            self._write({"step": step, "epoch": epoch, **figures})
            text = ", ".join(f"{name} {value:.1%}" for name, value in figures.items())
            self._bar.write(f"epoch {epoch}: {text}") if self._accelerator.is_main_process else None
        self._since, self._clouds_before = time.perf_counter(), self.clouds

    def close(self, step: int, best: float) -> None:
        """End the progress bar and write summary.json, which says that the run is complete."""
        self._bar.close()
        if self._accelerator.is_main_process:
            seconds = round(time.perf_counter() - self._started, 1)
            figure = best if math.isfinite(best) else None
            summary = {"steps": step, "clouds": self.clouds, "seconds": seconds, "best_validation_top1": figure}
            (self._path.parent / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
            self._accelerator.print(f"{step} steps, {self.clouds} clouds in {seconds:.0f} s")

    def _write(self, row: dict[str, Any]) -> None:
        if self._accelerator.is_main_process:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + os.linesep)
            self._accelerator.log({name: value for name, value in row.items() if name != "step"}, step=row["step"])
