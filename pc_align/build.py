"""The only place where the settings of a run become objects. Literal dicts, nothing registers itself."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW

from pc_align.alignment import Alignment
from pc_align.config import CloudFormat, Config, ModelConfig, TrainConfig
from pc_align.data.prompts import fill_all
from pc_align.data.storage import SplitInfo
from pc_align.errors import ConfigError
from pc_align.model import PointTextModel
from pc_align.objectives import (
    AMSoftmax,
    AngularTripletLoss,
    ArcFace,
    CenterLoss,
    COCOLoss,
    CosFace,
    CrossEntropyHead,
    InfoNCE,
    L2Softmax,
    LSoftmax,
    NormFace,
    PointsAndTexts,
    SigmoidLoss,
    SphereFace,
    TripletLoss,
    VMFSoftmax,
    WeightSchedule,
)

# Objectives by the name that configs use.
OBJECTIVES: dict[str, type[nn.Module]] = {
    "infonce": InfoNCE,
    "sigmoid": SigmoidLoss,
    "cross_entropy": CrossEntropyHead,
    "triplet": TripletLoss,
    "center": CenterLoss,
    "lsoftmax": LSoftmax,
    "sphereface": SphereFace,
    "amsoftmax": AMSoftmax,
    "cosface": CosFace,
    "arcface": ArcFace,
    "normface": NormFace,
    "l2softmax": L2Softmax,
    "vmf": VMFSoftmax,
    "coco": COCOLoss,
    "angular_triplet": AngularTripletLoss,
}
OF_PAIRS = (InfoNCE, SigmoidLoss)

ScheduledWeight = float | WeightSchedule


@dataclass(frozen=True)
class ClassTexts:
    """What objectives over classes are made from.

    Attributes:
        names: K class names of the training split.
        features: [K, D] the frozen text model's embeddings of the names, unit rows; None where nobody asks for them.
        projected: [K, E] those in the shared space, unit rows.
    """

    names: list[str]
    features: Tensor | None = None
    projected: Tensor | None = None


def build_model(settings: ModelConfig, form: CloudFormat, *, logit_bias: bool = False) -> PointTextModel:
    """A model with fresh weights for clouds of the given format; the sigmoid loss needs one with a logit bias.

    Raises:
        ConfigError: an unknown encoder, or arguments that it does not take.
    """
    return PointTextModel.from_settings(**asdict(settings), cloud_format=form, logit_bias=logit_bias)


def build_objectives(
    settings: dict[str, dict[str, Any]], embed_dim: int = 0, classes: ClassTexts | None = None
) -> dict[str, tuple[ScheduledWeight, nn.Module]]:
    """Name -> (weight, objective).

    Of each objective's settings, `weight`, `kind` (an objective's name, where the key is another), `across` (over
    clouds and texts together) and `prototypes` ("text", "text_features") are read here; the rest are its arguments.

    Raises:
        ConfigError: an unknown name, or arguments that the objective does not take.
    """
    built: dict[str, tuple[ScheduledWeight, nn.Module]] = {}
    for name, given in settings.items():
        arguments = dict(given or {})
        kind = arguments.pop("kind", name)
        if kind not in OBJECTIVES:
            raise ConfigError(f"objectives: no objective {kind!r}; there are {', '.join(OBJECTIVES)}")
        weight = _weight(name, arguments.pop("weight", 1.0))
        across = arguments.pop("across", False)
        try:
            objective = _objective(OBJECTIVES[kind], arguments, embed_dim, classes)
            if across and isinstance(objective, OF_PAIRS):
                raise ValueError("across: it is over clouds and texts anyway")
            built[name] = (weight, PointsAndTexts(objective) if across else objective)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"objectives.{name}: {error}") from None
    return built


def _weight(name: str, given: Any) -> ScheduledWeight:
    if isinstance(given, dict):
        try:
            return WeightSchedule(**given)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"objectives.{name}.weight: {error}") from None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
        raise ConfigError(f"objectives.{name}.weight: expected a number of 0 or more, or a schedule, got {given!r}")
    return float(given)


def _objective(
    cls: type[nn.Module], arguments: dict[str, Any], embed_dim: int, classes: ClassTexts | None
) -> nn.Module:
    """An objective with what its constructor takes of widths, class names and prototypes."""
    accepted = inspect.signature(cls).parameters
    if "num_classes" in accepted:
        if classes is None:
            raise ValueError("needs the class names of a data set")
        arguments = {"embed_dim": embed_dim, "num_classes": len(classes.names), **arguments}
        if "class_names" in accepted:
            arguments["class_names"] = classes.names
        if "prototypes" in arguments:
            arguments["prototypes"] = _prototypes(arguments["prototypes"], classes)
    return cls(**arguments)


def _prototypes(given: Any, classes: ClassTexts) -> Tensor | None:
    if given not in ("text", "text_features", "learned"):
        raise ValueError(f"prototypes must be 'text', 'text_features' or 'learned', not {given!r}")
    return {"text": classes.projected, "text_features": classes.features, "learned": None}[given]


@torch.no_grad()
def embed_classes(model: PointTextModel, names: Sequence[str], templates: Sequence[str] | None = None) -> ClassTexts:
    """Text embeddings of class names: the mean over the filled templates, as in zero-shot classification.

    Args:
        model: its text model and projection are used.
        names: K class names.
        templates: by default the model's own.
    """
    prompts = [fill_all(templates or model.templates, name) for name in names]
    features = F.normalize(model.text.encode([prompt for of_name in prompts for prompt in of_name]).float(), dim=1)
    means = torch.stack([rows.mean(dim=0) for rows in features.split([len(of_name) for of_name in prompts])])
    projected = F.normalize(model.text_projection(means.to(model.log_logit_scale.device)), dim=1).cpu()
    return ClassTexts(list(names), F.normalize(means, dim=1).cpu(), projected)


def build_alignment(config: Config, form: CloudFormat, split: SplitInfo | None = None) -> Alignment:
    """Model and objectives in one Module, for clouds of the data set's format.

    Args:
        config: of the run.
        form: how the data set's clouds lie.
        split: of the training shapes, for objectives over its classes.

    Raises:
        ConfigError: settings that name something unknown or do not fit each other.
    """
    form = replace(form, num_points=config.data.num_points)
    given = {name: dict(arguments or {}) for name, arguments in config.objectives.items()}
    needs_bias = any(arguments.get("kind", name) == "sigmoid" for name, arguments in given.items())
    model = build_model(config.model, form, logit_bias=needs_bias)
    classes = None
    if split is not None:
        wants_texts = any("prototypes" in arguments for arguments in given.values())
        names = split.class_names
        classes = embed_classes(model, names, split.templates) if wants_texts else ClassTexts(list(names))
    objectives = build_objectives(config.objectives, model.embed_dim, classes)
    anchored = [name for name, arguments in given.items() if arguments.get("prototypes") == "text"]
    if classes is None or not any(parameter.requires_grad for parameter in model.text_projection.parameters()):
        anchored = []  # the shared space is the text model's own: prototypes stay where they are
    features = classes.features if classes and anchored else None
    return Alignment(model, objectives, class_features=features, anchored=anchored)


def build_optimizer(module: nn.Module, settings: TrainConfig) -> AdamW:
    """AdamW; weight decay on matrices only, none on biases, norms and the logit scale."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=settings.lr)
