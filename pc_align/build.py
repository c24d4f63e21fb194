"""The only place where the settings of a run become objects. Literal dicts, nothing registers itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from torch import nn
from torch.optim import AdamW

from pc_align.alignment import Alignment
from pc_align.config import CloudFormat, Config, ModelConfig, TrainConfig
from pc_align.errors import ConfigError
from pc_align.model import PointTextModel
from pc_align.objectives import InfoNCE, SigmoidLoss

# Objectives by the name that configs use.
OBJECTIVES: dict[str, type[nn.Module]] = {"infonce": InfoNCE, "sigmoid": SigmoidLoss}


def build_model(settings: ModelConfig, form: CloudFormat, *, logit_bias: bool = False) -> PointTextModel:
    """A model with fresh weights for clouds of the given format; the sigmoid loss needs one with a logit bias.

    Raises:
        ConfigError: an unknown encoder, or arguments that it does not take.
    """
    return PointTextModel.from_settings(**asdict(settings), cloud_format=form, logit_bias=logit_bias)


def build_objectives(settings: dict[str, dict[str, Any]]) -> dict[str, tuple[float, nn.Module]]:
    """Name -> (weight, objective).

    Raises:
        ConfigError: an unknown name, or arguments that the objective does not take.
    """
    built: dict[str, tuple[float, nn.Module]] = {}
    for name, given in settings.items():
        if name not in OBJECTIVES:
            raise ConfigError(f"objectives: no objective {name!r}; there are {', '.join(OBJECTIVES)}")
        arguments = dict(given or {})
        weight = arguments.pop("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise ConfigError(f"objectives.{name}.weight: expected a number, got {weight!r}")
        try:
            built[name] = (float(weight), OBJECTIVES[name](**arguments))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"objectives.{name}: {error}") from None
    return built


def build_alignment(config: Config, form: CloudFormat) -> Alignment:
    """Model and objectives in one Module, for clouds of the data set's format.

    Raises:
        ConfigError: settings that name something unknown or do not fit each other.
    """
    form = replace(form, num_points=config.data.num_points)
    objectives = build_objectives(config.objectives)
    needs_bias = any(isinstance(objective, SigmoidLoss) for _, objective in objectives.values())
    return Alignment(build_model(config.model, form, logit_bias=needs_bias), objectives)


def build_optimizer(module: nn.Module, settings: TrainConfig) -> AdamW:
    """AdamW; weight decay on matrices only, none on biases, norms and the logit scale."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=settings.lr)
