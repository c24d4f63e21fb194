"""A weighted sum of objectives, whose weights may change during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pc_align.objectives._rows import check_number
from pc_align.objectives.triplet import TripletLoss


@dataclass(frozen=True)
class WeightSchedule:
    """A weight that goes from `start` to `end` in `steps` optimizer steps, and then stays.

    Args:
        start, end: 0 or more.
        steps: at least 1.
        schedule: "linear"; "cosine", which is flat at both ends; or "constant", which stays at `start`.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> WeightSchedule(0.0, 0.1, steps=100)(50)
        0.05
    """

    start: float
    end: float = 0.0
    steps: int = 1
    schedule: Literal["constant", "linear", "cosine"] = "linear"

    def __post_init__(self) -> None:
        check_number("start", self.start, 0)
        check_number("end", self.end, 0)
        if not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"steps must be an integer of at least 1, not {self.steps!r}")
        if self.schedule not in ("constant", "linear", "cosine"):
            raise ValueError(f"schedule must be 'constant', 'linear' or 'cosine', not {self.schedule!r}")

    def __call__(self, step: int) -> float:
        """The weight after `step` optimizer steps."""
        if self.schedule == "constant":
            return self.start
        share = min(step / self.steps, 1.0)
        if self.schedule == "cosine":
            share = 0.5 * (1 - math.cos(math.pi * share))
        return self.start + (self.end - self.start) * share


class WeightedSum(nn.Module):
    """Sum of weight times loss over named objectives.

    Args:
        objectives: name -> (weight, objective), the weight a number of 0 or more or a `WeightSchedule`.

    Raises:
        ValueError: no objective, or a weight that is none.

    Example:
        >>> loss_of = WeightedSum({"arcface": (0.1, ArcFace(64, 10)), "center": (0.01, CenterLoss(10, 64))})
        >>> x, labels = torch.randn(8, 64, requires_grad=True), torch.randint(10, (8,))
        >>> loss, terms = loss_of(x, labels)  # terms: {"arcface": ..., "center": ...}, unweighted
        >>> loss.backward()
        >>> loss_of.update(x.detach(), labels)  # once after the optimizer's step, on every rank
    """

    step: Tensor

    def __init__(self, objectives: Mapping[str, tuple[float | WeightSchedule, nn.Module]]) -> None:
        super().__init__()
        if not objectives:
            raise ValueError("objectives: name at least one")
        self.objectives = nn.ModuleDict({name: objective for name, (_, objective) in objectives.items()})
        self.weights: dict[str, WeightSchedule] = {}
        for name, (weight, _) in objectives.items():
            if not isinstance(weight, WeightSchedule):
                weight = WeightSchedule(check_number(f"weight of {name}", weight, 0), schedule="constant")
            self.weights[name] = weight
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, *arguments: Any, call: Callable[..., Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum, and each objective's value by name.

        Args:
            *arguments: what every objective is called with, such as embeddings and labels.
            call: (objective, *arguments) -> loss, where objectives do not all take the same.

        Returns:
            Scalar, and name -> unweighted value without graph. The mean over ranks of either is that of the global
            batch.
        """
        step, total, terms = int(self.step), None, {}
        for name, objective in self.objectives.items():
            value = objective(*arguments) if call is None else call(objective, *arguments)
            # A weight of 0 stays in the graph: DDP waits for the gradient of every parameter.
            weighted = self.weights[name](step) * value
            total = weighted if total is None else total + weighted
            terms[name] = value.detach()
        assert total is not None
        return total, terms

    def current_weights(self) -> dict[str, float]:
        """Weight of each objective at this step, by name."""
        return {name: weight(int(self.step)) for name, weight in self.weights.items()}

    @property
    def wants_rows(self) -> bool:
        """Whether an objective learns from embeddings between steps, as centers do."""
        return any(hasattr(objective, "update") for objective in self.objectives.values())

    @torch.no_grad()
    def update(self, *arguments: Any, call: Callable[..., Any] | None = None) -> None:
        """Ends an optimizer step: every objective that has an `update` gets it, and the weights move on.

        Args:
            *arguments: what every update is called with: the embeddings of the step's forward passes, and labels.
            call: (update, *arguments), where updates do not all take the same; the update knows its objective as
                `update.__self__`.
        """
        for objective in self.objectives.values():
            if hasattr(objective, "update"):
                update: Callable[..., Any] = objective.update  # type: ignore[assignment]
                update(*arguments) if call is None else call(update, *arguments)
        self.step += 1

    def extra_repr(self) -> str:
        """The weights, for print(model)."""
        return ", ".join(f"{name}={weight}" for name, weight in self.current_weights().items())


class PointsAndTexts(nn.Module):
    """An objective over labelled rows, applied to clouds and their texts together.

    Triplets are then formed between clouds and texts, in both directions. All others see 2n rows, the texts with the
    labels of their clouds: both towers share one set of class weights or centers.

    Args:
        objective: takes (embeddings [n, E], labels [n]).

    Example:
        >>> loss = PointsAndTexts(TripletLoss())(torch.randn(8, 64), torch.randn(8, 64), torch.arange(8) // 2)
    """

    def __init__(self, objective: nn.Module) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, points: Tensor, texts: Tensor, labels: Tensor) -> Tensor:
        """Loss of this rank's rows: points [n, E], texts [n, E], labels [n] -> scalar."""
        if isinstance(self.objective, TripletLoss):
            loss: Tensor = self.objective(points, labels, texts)
        else:
            loss = self.objective(torch.cat([points, texts]), torch.cat([labels, labels]))
        return loss

    def update(self, points: Tensor, texts: Tensor, labels: Tensor) -> None:
        """The objective's own update, if it has one."""
        if hasattr(self.objective, "update"):
            self.objective.update(torch.cat([points, texts]), torch.cat([labels, labels]))  # type: ignore[operator]
