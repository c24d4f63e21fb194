"""Zero-shot classification of point clouds by text prompts, and its evaluation.

Shapes: B clouds, N points, C channels, n examples, K classes, E embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pc_align import metrics
from pc_align.data.dataset import PointTextDataset
from pc_align.data.prompts import class_name, fill_all
from pc_align.data.transforms import UpAxis
from pc_align.distributed import all_gather_rows, rank, world_size
from pc_align.errors import LabelError
from pc_align.metrics import Evaluation
from pc_align.model import PointTextModel

Labels = Sequence[str] | Mapping[str, Sequence[str]]


class ZeroShotClassifier:
    """Names clouds by the prompt that lies nearest.

    Prompts are ensembled as usual: embed every filled template, normalise, average, normalise. They are embedded once.

    Args:
        model: a trained model.
        labels: K class names, or names with descriptions: {"chair": ["a seat with a back and four legs"]}.
        templates: sentences with "{}" for the name; by default the model's own. Descriptions are used as they are.

    Raises:
        LabelError: no labels, an empty one, or one named twice.
        ValueError: a template without "{}".

    Example:
        >>> classify = ZeroShotClassifier(model, ["chair", "airplane"])
        >>> classify(points)            # [B, N, 3] -> [B, 2]
    """

    def __init__(self, model: PointTextModel, labels: Labels, templates: Sequence[str] | None = None) -> None:
        self.model = model
        self.labels = check_labels(labels)
        templates = tuple(templates) if templates else model.templates
        if isinstance(labels, Mapping):
            self.prompts = {name: list(texts) or fill_all(templates, name) for name, texts in labels.items()}
        else:
            self.prompts = {name: fill_all(templates, name) for name in self.labels}
        self.prototypes = torch.stack([_ensemble(model, prompts) for prompts in self.prompts.values()])  # [K, E]

    def cosines(self, points: Tensor | np.ndarray, up_axis: UpAxis = "z") -> Tensor:
        """Cosine of each cloud with each class prompt: points [B, N, C] -> [B, K] in -1..1."""
        return self.model.encode_points(torch.as_tensor(points), up_axis) @ self.prototypes.T

    def __call__(self, points: Tensor | np.ndarray, up_axis: UpAxis = "z") -> Tensor:
        """Probabilities over the labels, softmax of logit scale times cosine.

        Args:
            points: [B, N, C], at any position and scale.
            up_axis: the axis that points up in `points`.

        Returns:
            [B, K] float32, rows sum to 1.
        """
        return self.probabilities(self.cosines(points, up_axis))

    def probabilities(self, cosines: Tensor) -> Tensor:
        """Cosines [B, K] -> probabilities [B, K]."""
        return (self.model.logit_scale.detach() * cosines).softmax(dim=-1)


def check_labels(labels: Labels) -> list[str]:
    """Label names, cleaned; raises LabelError for none, an empty one, or one named twice."""
    if isinstance(labels, str):
        raise LabelError("labels are a list of names, not one string")
    names = [class_name(label) for label in labels]
    if not names or not all(names):
        raise LabelError("labels: at least one name is needed, and none may be empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LabelError(f"labels: {', '.join(map(repr, twice))} named more than once")
    return names


def _ensemble(model: PointTextModel, prompts: Sequence[str]) -> Tensor:
    return F.normalize(model.encode_text(prompts).mean(dim=0), dim=-1)


@torch.no_grad()
def embed_split(
    model: PointTextModel,
    dataset: PointTextDataset,
    *,
    num_points: int | None = None,
    batch_size: int = 64,
    progress: Callable[[int], object] | None = None,
) -> Tensor:
    """Embeddings of all clouds of a split, in order, computed by all ranks together without padding or repeats.

    Args:
        num_points: use only the first N points of each cloud; None uses all.
        progress: called with the number of clouds done, on each rank for its own share.

    Returns:
        [n, E] float32, on every rank.
    """
    mine = range(rank(), len(dataset), world_size())
    rows = [torch.empty(0, model.embed_dim)]
    for start in range(0, len(mine), batch_size):
        clouds = np.stack([dataset.cloud(index)[:num_points] for index in mine[start : start + batch_size]])
        rows.append(model.encode_points(torch.from_numpy(clouds), dataset.card.format.up_axis).cpu())
        if progress is not None:
            progress(len(clouds))
    device = model.log_logit_scale.device
    index = all_gather_rows(torch.tensor(list(mine), dtype=torch.int64, device=device))
    gathered = all_gather_rows(torch.cat(rows).to(device))
    return gathered[index.argsort()].cpu()


def evaluate(
    model: PointTextModel,
    dataset: PointTextDataset,
    *,
    templates: Sequence[str] | None = None,
    num_points: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Zero-shot classification of one split by the prompts of its class names.

    Where the split's card puts classes in groups, the candidates of an example are the classes of its own group.

    Args:
        templates: by default those of the split's card, else the model's own.
        num_points: use only the first N points of each cloud; None uses all.

    Returns:
        Scores, metrics (top1, top3, top5, class_accuracy, chance, a 95 % bootstrap interval of top1) and the protocol.
    """
    info = dataset.info
    templates = tuple(templates or info.templates or model.templates)
    classifier = ZeroShotClassifier(model, info.class_names, templates)
    embeddings = embed_split(model, dataset, num_points=num_points, progress=progress)
    cosines = embeddings @ classifier.prototypes.cpu().T  # [n, K]
    labels = dataset.labels
    groups = np.asarray(info.groups if info.groups is not None else [0] * len(info.class_names))
    candidates = torch.from_numpy(groups[labels][:, None] == groups[None, :])  # [n, K]
    scale = model.logit_scale.detach().cpu()
    compared = cosines.masked_fill(~candidates, -torch.inf)
    return Evaluation(
        name=dataset.split,
        description=info.description,
        class_names=list(info.class_names),
        ids=dataset.ids(),
        labels=labels,
        scores=(scale * compared).softmax(dim=-1).numpy(),
        similarity=_class_similarity(cosines.numpy(), labels, len(info.class_names)),
        # Ranked by cosine: at a high logit scale probabilities underflow to ties.
        metrics=metrics.classification_metrics(compared.numpy(), labels, candidates.sum(dim=1).numpy()),
        protocol={
            "data set": f"{dataset.card.name} ({dataset.card.source})",
            "split": f"{dataset.split}, {len(dataset)} clouds, {len(info.class_names)} classes",
            "content sha256": info.content_sha256[:16],
            "points per cloud": str(num_points or dataset.card.format.num_points),
            "prompts": f"{len(templates)} templates, the first: {templates[0]!r}",
            "text model": f"{model.text.model} (weights {model.text.fingerprint[:12]})",
        },
    )


def _class_similarity(cosines: metrics.Floats, labels: metrics.Ints, num_classes: int) -> metrics.Floats:
    """Mean cosine between the clouds of class i and the prompt of class j: [K, K], NaN rows for empty classes."""
    table = np.full((num_classes, num_classes), np.nan, dtype=np.float32)
    for c in np.unique(labels):
        table[c] = cosines[labels == c].mean(axis=0)
    return table
