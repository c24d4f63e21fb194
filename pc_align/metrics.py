"""Figures of merit over scores, and the record of one evaluation. Pure functions: nothing is saved or printed here.

Shapes: n examples, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """Zero-shot classification of one split.

    Attributes:
        name: name of the split, as in the data set's card ("test").
        description: one sentence on what is measured, for readers of the report.
        class_names: K prompt labels.
        ids: n example ids.
        labels: [n] index of the right class.
        scores: [n, K] probabilities; 0 where a class was no candidate for the example, so that rows sum to 1.
        similarity: [K, K] mean cosine of the clouds of class i with the prompt of class j; NaN where class i is empty.
        metrics: figures by name: top1, top3, top5, class_accuracy, chance in 0..1, and others.
        protocol: what a reader needs to repeat it: data set, split, count, hash, prompts, seed, checkpoint rule.
    """

    name: str
    description: str
    class_names: list[str]
    ids: list[str]
    labels: Ints
    scores: Floats
    similarity: Floats
    metrics: dict[str, float]
    protocol: dict[str, str] = field(default_factory=dict)


def ranks_of_right_class(scores: Floats, labels: Ints) -> Ints:
    """How many wrong classes score at least as well as the right one; a tie counts against the example.

    Args:
        scores: [n, K], higher is better; -inf for classes that are no candidates.
        labels: [n].

    Returns:
        [n] in 0..K-1; 0 is right at top-1.
    """
    right = scores[np.arange(len(labels)), labels][:, None]
    return (scores >= right).sum(axis=1) - 1


def class_accuracy(hits: NDArray[np.bool_], labels: Ints) -> float:
    """Mean over the classes that have examples of their share of hits [n]."""
    return float(np.mean([hits[labels == c].mean() for c in np.unique(labels)])) if len(labels) else float("nan")


def confusion_matrix(predictions: Ints, labels: Ints, num_classes: int) -> Ints:
    """[K, K] counts, rows the right class, columns the predicted one."""
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def bootstrap_interval(hits: NDArray[np.bool_], *, samples: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of hits [n]; (nan, nan) for n = 0."""
    if not len(hits):
        return float("nan"), float("nan")
    # The count of hits in a resample of n is binomial: the same as drawing n of n with repeats, without the indices.
    counts = np.random.default_rng(seed).binomial(len(hits), hits.mean(), size=samples)
    low, high = np.percentile(counts / len(hits), [2.5, 97.5])
    return float(low), float(high)


def classification_metrics(scores: Floats, labels: Ints, num_candidates: Ints) -> dict[str, float]:
    """The usual figures of a classification, each in 0..1.

    Args:
        scores: [n, K], higher is better.
        labels: [n].
        num_candidates: [n] classes that each example was compared with, for the chance level.

    Returns:
        top1, top3, top5, class_accuracy, chance, top1_low, top1_high (95 % interval).
    """
    ranks = ranks_of_right_class(scores, labels)
    low, high = bootstrap_interval(ranks == 0)
    top = {f"top{k}": float((ranks < k).mean()) if len(ranks) else float("nan") for k in (1, 3, 5)}
    chance = float((1 / num_candidates).mean()) if len(labels) else float("nan")
    accuracy = class_accuracy(ranks == 0, labels)
    return {**top, "class_accuracy": accuracy, "chance": chance, "top1_low": low, "top1_high": high}
