"""Alignment: model and objectives in one Module, so that DDP, the optimizer and checkpoints see every parameter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.batch import Embeddings, PointTextBatch
from pc_align.distributed import row_counts, share_of_mean
from pc_align.model import PointTextModel
from pc_align.objectives import InfoNCE, PointsAndTexts, SigmoidLoss, WeightedSum, WeightSchedule

# PointNet's paper weights its orthogonality term so.
REGULARIZATION_WEIGHT = 1e-3


class Alignment(nn.Module):
    """Weighted sum of objectives over the embeddings of one model.

    Args:
        model: encodes clouds and texts.
        objectives: name -> (weight, objective); the weight may be a `WeightSchedule`.
        class_features: [K, D] text features of the class names, for prototypes that follow a text projection which is
            still learned; None without such.
        anchored: names of the objectives whose prototypes those are.

    The mean over ranks of the returned loss is the loss of the global batch. After every optimizer step, every rank
    calls `update`.
    """

    class_features: Tensor | None

    def __init__(
        self,
        model: PointTextModel,
        objectives: Mapping[str, tuple[float | WeightSchedule, nn.Module]],
        *,
        class_features: Tensor | None = None,
        anchored: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.objectives = WeightedSum(objectives)
        self.register_buffer("class_features", class_features, persistent=False)
        self.anchored = tuple(anchored)
        # Detached points, texts and labels of the forward passes since the last update, where an objective wants them.
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

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
        if self.anchored:
            self._project_anchors()
        if self.training and self.objectives.wants_rows:
            self._seen.append((embeddings.points.detach(), embeddings.texts.detach(), batch.labels))
        total, terms = self.objectives(embeddings, batch, call=apply_objective)
        if embeddings.regularization is not None:
            # A mean over this rank's clouds; ranks with more clouds count more in the global batch.
            rows = len(batch)
            value = share_of_mean(embeddings.regularization * rows, row_counts(rows))
            total = total + REGULARIZATION_WEIGHT * value
            terms["regularization"] = value.detach()
        return total, terms

    def update(self) -> None:
        """Ends an optimizer step: centers and the like move by the rows of its forward passes, weights go on.

        Every rank calls it once after the optimizer's step, whatever the number of its micro-batches.
        """
        rows = [torch.cat(parts) for parts in zip(*self._seen, strict=True)]
        self._seen.clear()
        self.objectives.update(*rows, call=_apply_update)

    @torch.no_grad()
    def _project_anchors(self) -> None:
        """Prototypes that are texts lie where the text projection puts texts now; no gradient flows to it from here."""
        prototypes = F.normalize(self.model.text_projection(self.class_features).float(), dim=1)
        for name in self.anchored:
            objective = self.objectives.objectives[name]
            head = objective.objective if isinstance(objective, PointsAndTexts) else objective
            head.set_prototypes(prototypes)  # type: ignore[operator]


def apply_objective(objective: nn.Module, embeddings: Embeddings, batch: PointTextBatch) -> Tensor:
    """Call an objective with what its kind takes; shapes without a class take no part in those over labels."""
    points, texts, scale = embeddings.points, embeddings.texts, embeddings.logit_scale
    loss: Tensor
    if isinstance(objective, InfoNCE):
        loss = objective(points, texts, scale, batch.caption_ids)
    elif isinstance(objective, SigmoidLoss):
        if embeddings.logit_bias is None:
            raise ValueError("SigmoidLoss needs a model with a logit bias")
        loss = objective(points, texts, scale, embeddings.logit_bias, batch.caption_ids)
    else:
        loss = objective(*_labelled(objective, points, texts, batch.labels))
    return loss


def _apply_update(update: Callable[..., Any], points: Tensor, texts: Tensor, labels: Tensor) -> None:
    update(*_labelled(update.__self__, points, texts, labels))  # type: ignore[attr-defined]


def _labelled(objective: Any, points: Tensor, texts: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """What an objective over labelled rows takes: (points, labels), or (points, texts, labels)."""
    has_class = labels >= 0
    if not bool(has_class.all()):  # ranks may keep unequal numbers of rows, even none
        points, texts, labels = points[has_class], texts[has_class], labels[has_class]
    return (points, texts, labels) if isinstance(objective, PointsAndTexts) else (points, labels)
