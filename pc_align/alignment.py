"""Alignment: model and objectives in one Module, so that DDP, the optimizer and checkpoints see every parameter."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pc_align.batch import Embeddings, PointTextBatch
from pc_align.model import PointTextModel
from pc_align.objectives import InfoNCE

# PointNet's paper weights its orthogonality term so.
REGULARIZATION_WEIGHT = 1e-3


class Alignment(nn.Module):
    """Weighted sum of objectives over the embeddings of one model.

    Args:
        model: encodes clouds and texts.
        objectives: name -> (weight, objective).

    The mean over ranks of the returned loss is the loss of the global batch.
    """

    def __init__(self, model: PointTextModel, objectives: Mapping[str, tuple[float, nn.Module]]) -> None:
        super().__init__()
        self.model = model
        self.objectives = nn.ModuleDict({name: objective for name, (_, objective) in objectives.items()})
        self.weights = {name: weight for name, (weight, _) in objectives.items()}

    def forward(self, batch: PointTextBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its terms, unweighted and detached, by name."""
        return self.losses(self.embed(batch), batch)

    def embed(self, batch: PointTextBatch) -> Embeddings:
        """The batch in the shared space."""
        embeddings: Embeddings = self.model(batch.points, batch.text_features)
        return embeddings

    def losses(self, embeddings: Embeddings, batch: PointTextBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of all objectives, and each one's value, unweighted and detached, by name."""
        total = torch.zeros((), device=embeddings.points.device)
        terms: dict[str, Tensor] = {}
        for name, objective in self.objectives.items():
            value = apply_objective(objective, embeddings, batch)
            total = total + self.weights[name] * value
            terms[name] = value.detach()
        regularization = getattr(self.model.encoder, "regularization", None)
        if regularization is not None:
            total = total + REGULARIZATION_WEIGHT * regularization
            terms["regularization"] = regularization.detach()
        return total, terms


def apply_objective(objective: nn.Module, embeddings: Embeddings, batch: PointTextBatch) -> Tensor:
    """Call an objective with what its kind takes."""
    if isinstance(objective, InfoNCE):
        loss: Tensor = objective(embeddings.points, embeddings.texts, embeddings.logit_scale, batch.caption_ids)
        return loss
    raise TypeError(f"no rule for calling {type(objective).__name__}")
