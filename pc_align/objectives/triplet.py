"""Triplet loss, offline and mined from the batch.

FaceNet (arXiv 1503.03832) and "In Defense of the Triplet Loss" (arXiv 1703.07737):

    L(a, p, n) = max(0, d(a, p) - d(a, n) + margin),  or with a soft margin  ln(1 + exp(d(a, p) - d(a, n)))

FaceNet takes the squared distance of unit vectors, the second paper the plain distance.

Shapes: n rows on this rank (B in one process), N rows on all ranks, E embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pc_align.distributed import all_gather_rows, all_gather_with_grad, all_reduce_sum, rank, world_size
from pc_align.objectives._mining import Distance, Mining, Rule, mine, mined_sum, positives_and_negatives
from pc_align.objectives._rows import (
    Reduction,
    check_number,
    check_reduction,
    check_rows,
    compute_dtype,
    reduced,
    unit_rows,
)

_DISTANCES = ("euclidean", "squared", "cosine")
_MININGS = ("batch_all", "batch_hard", "semi_hard")


def triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 0.2,
    distance: Distance = "euclidean",
    reduction: Reduction = "mean",
) -> Tensor:
    """Loss of given triplets, such as those of an offline miner; zero costs count in the mean.

    Args:
        anchor, positive, negative: [n, E] rows of this rank, taken as they are: normalise them first where unit vectors
            are meant ("cosine" does not depend on it).
        margin: 0 or more.
        distance: "euclidean", "squared" (euclidean) or "cosine" (1 - cosine).
        reduction: "mean" or "sum" over the triplets of all ranks. The mean over ranks of what each returns is that
            figure.

    Returns:
        Scalar in float32 (float64 for float64 inputs), also under autocast. Points that coincide have gradient 0.

    Raises:
        ValueError: an argument out of its range, shapes that differ, NaN; on all ranks if on one.
        DistributedError: ranks that disagree, or that do not come within the timeout.

    Example:
        >>> loss = triplet_loss(torch.randn(8, 64), torch.randn(8, 64), torch.randn(8, 64), distance="cosine")
    """
    margin = check_number("margin", margin, 0)
    _check_choice("distance", distance, _DISTANCES)
    check_reduction(reduction)
    named = {"anchor": anchor, "positive": positive, "negative": negative}
    counts = check_rows("triplet_loss", named, facts={"margin": margin, "distance": distance, "reduction": reduction})
    with torch.autocast(anchor.device.type, enabled=False):
        dtype = compute_dtype(anchor, positive, negative)
        a, p, n = (x.to(dtype) for x in (anchor, positive, negative))
        gap = _row_distances(a, p, distance) - _row_distances(a, n, distance)
        return reduced((gap + margin).clamp_min(0).sum(), counts, reduction)


def _row_distances(a: Tensor, b: Tensor, distance: Distance) -> Tensor:
    """[n, E], [n, E] -> [n]."""
    if distance == "cosine":
        return 1 - (unit_rows(a) * unit_rows(b)).sum(dim=1)
    if distance == "squared":
        return (a - b).square().sum(dim=1)
    return torch.linalg.vector_norm(a - b, dim=1)  # its gradient at 0 is 0, not NaN


def pairwise_distances(a: Tensor, b: Tensor, distance: Distance) -> Tensor:
    """[n, E], [N, E] -> [n, N]; gradients are finite where points coincide."""
    if distance == "cosine":
        return 1 - unit_rows(a) @ unit_rows(b).T
    # By a matrix product, the distance of near points would be what rounding leaves of |a|^2 + |b|^2 - 2ab.
    plain = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return plain.square() if distance == "squared" else plain


class TripletLoss(nn.Module):
    """Triplet loss over the global batch; triplets of all ranks are mined, each rank for its own anchors.

    Args:
        margin: 0 or more.
        mining: "batch_all": the mean over all triplets with a positive loss (with a soft margin over all).
            "batch_hard": each anchor with its farthest positive and nearest negative; the mean over the anchors that
            have both. "semi_hard": all triplets with d_ap < d_an < d_ap + margin; the mean over them.
        distance: "euclidean", "squared" (euclidean) or "cosine" (1 - cosine).
        normalize: whether embeddings are brought to length 1 first.
        soft_margin: softplus(d_ap - d_an) in the hinge's place; the margin then only bounds "semi_hard".

    Where no triplet is valid the loss is 0, with a graph. Equal embeddings tie as hardest candidates; one of them is
    taken then.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> loss = TripletLoss(mining="semi_hard")(torch.randn(8, 64), torch.arange(8) // 2)
    """

    def __init__(
        self,
        margin: float = 0.2,
        mining: Mining = "batch_hard",
        distance: Distance = "euclidean",
        normalize: bool = True,
        soft_margin: bool = False,
    ) -> None:
        super().__init__()
        _check_choice("mining", mining, _MININGS)
        _check_choice("distance", distance, _DISTANCES)
        self.rule = Rule(mining, check_number("margin", margin, 0), bool(soft_margin))
        self.distance, self.normalize = distance, bool(normalize)

    def forward(self, embeddings: Tensor, labels: Tensor, other: Tensor | None = None) -> Tensor:
        """Loss of this rank's anchors; the mean over ranks is the loss of the global batch.

        Args:
            embeddings: [n, E] the anchors, and without `other` also the candidates.
            labels: [n] integers; equal labels are positives.
            other: [n, E] candidates of another kind, such as texts, whose row i belongs to row i and is a positive of
                it. The roles are then swapped, and the two losses averaged.

        Returns:
            Scalar in float32 (float64 for float64 inputs), also under autocast.

        Raises:
            ValueError: wrong shapes, labels that are not integers, NaN; on all ranks if on one.
            DistributedError: ranks that disagree, or that do not come within the timeout.
        """
        named = {"embeddings": embeddings} | ({} if other is None else {"other": other})
        facts = {**vars(self.rule), "distance": self.distance, "presence of other": other is not None}
        counts = check_rows("TripletLoss", named, labels, facts=facts)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = compute_dtype(*named.values())
            rows = [unit_rows(x.to(dtype)) if self.normalize else x.to(dtype) for x in named.values()]
            if other is None:
                return self._direction(rows[0], rows[0], labels, counts, itself=True)
            there, back = (self._direction(a, b, labels, counts, itself=False) for a, b in (rows, rows[::-1]))
            return (there + back) / 2

    def _direction(self, anchors: Tensor, others: Tensor, labels: Tensor, counts: list[int], *, itself: bool) -> Tensor:
        candidates = all_gather_with_grad(others, counts)
        distances = pairwise_distances(anchors, candidates, self.distance)
        return mean_over_mined(distances, labels, counts, self.rule, itself=itself)

    def extra_repr(self) -> str:
        """The arguments, for print(model)."""
        options = {**vars(self.rule), "distance": self.distance, "normalize": self.normalize}
        return ", ".join(f"{name}={value!r}" for name, value in options.items())


def mean_over_mined(distances: Tensor, labels: Tensor, counts: list[int], rule: Rule, *, itself: bool) -> Tensor:
    """Mean cost of the mined triplets of all ranks, as this rank's share of it.

    Args:
        distances: [n, N] of the own anchors to the candidates of all ranks.
        labels: [n] of the own rows.
        counts: rows of every rank.
        rule: how to mine.
        itself: whether row i of the candidates is row i of the anchors, which is then no positive.
    """
    offset = sum(counts[: rank()]) if itself else None
    mined = mine(distances, *positives_and_negatives(labels, all_gather_rows(labels, counts), offset), rule)
    # The number of terms in the mean is global: a rank with few of them must not weigh as much as one with many.
    count = all_reduce_sum(mined.count).clamp_min(1)
    return mined_sum(distances, mined) * world_size() / count


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}, not {value!r}")
