"""Alignment: model and objectives in one Module, so that DDP, the optimizer and checkpoints see every parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from pc_align.batch import Embeddings, PointTextBatch
from pc_align.distributed import row_counts, share_of_mean
from pc_align.model import PointTextModel
from pc_align.objectives import InfoNCE, SigmoidLoss

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

    def forward(
        self, batch: PointTextBatch, *, embed_only: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]] | Embeddings:
        """Loss and its terms, unweighted and detached, by name; or only the embeddings, for gradient caching.

        Embeddings made here are tied to every parameter of the objectives, so that DDP waits for those too and reduces
        the gradients that they have from the loss.
        """
        embeddings = self.embed(batch)
        if not embed_only:
            return self.losses(embeddings, batch)
        tie = [0.0 * parameter.sum() for parameter in self.objectives.parameters() if parameter.requires_grad]
        return replace(embeddings, logit_scale=embeddings.logit_scale + sum(tie)) if tie else embeddings

    def embed(self, batch: PointTextBatch) -> Embeddings:
        """The batch in the shared space."""
        embeddings: Embeddings = self.model(batch.points, batch.text_features)
        return replace(embeddings, regularization=getattr(self.model.encoder, "regularization", None))

    def losses(self, embeddings: Embeddings, batch: PointTextBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of all objectives, and each one's value, unweighted and detached, by name."""
        total = torch.zeros((), device=embeddings.points.device)
        terms: dict[str, Tensor] = {}
        for name, objective in self.objectives.items():
            value = apply_objective(objective, embeddings, batch)
            total = total + self.weights[name] * value
            terms[name] = value.detach()
        if embeddings.regularization is not None:
            # A mean over this rank's clouds; ranks with more clouds count more in the global batch.
            rows = len(batch)
            value = share_of_mean(embeddings.regularization * rows, row_counts(rows))
            total = total + REGULARIZATION_WEIGHT * value
            terms["regularization"] = value.detach()
        return total, terms


def apply_objective(objective: nn.Module, embeddings: Embeddings, batch: PointTextBatch) -> Tensor:
    """Call an objective with what its kind takes."""
    if isinstance(objective, InfoNCE):
        loss: Tensor = objective(embeddings.points, embeddings.texts, embeddings.logit_scale, batch.caption_ids)
        return loss
    if isinstance(objective, SigmoidLoss):
        if embeddings.logit_bias is None:
            raise ValueError("SigmoidLoss needs a model with a logit bias")
        loss = objective(
            embeddings.points, embeddings.texts, embeddings.logit_scale, embeddings.logit_bias, batch.caption_ids
        )
        return loss
    raise TypeError(f"no rule for calling {type(objective).__name__}")
