"""Offline triplets: mined once from the embeddings of a whole split, written to a file, read back as clouds.

The file is Parquet with the columns anchor, positive and negative (ids of examples); its metadata say how it was mined.

Shapes: n examples, E embedding width, T triplets, N points a cloud, C channels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pc_align.config import AugmentConfig
from pc_align.data import transforms
from pc_align.data.dataset import PointTextDataset, augment_cloud
from pc_align.errors import DatasetError

Kind = Literal["semi_hard", "hard", "violating"]
_COLUMNS = ("anchor", "positive", "negative")
_KEY = b"pc_align.triplets"


def mine_triplets(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    kind: Kind = "semi_hard",
    margin: float = 0.2,
    per_anchor: int = 1,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Triplets of a whole split by euclidean distance of unit vectors, as `triplet_loss` sees normalised embeddings.

    Each anchor takes `per_anchor` random positives, and for each of them one random negative of the kind that is asked
    for; a positive without such a negative gives no triplet. Random negatives, not the hardest: among a whole split,
    the hardest are mostly wrong labels.

    Args:
        embeddings: [n, E].
        labels: [n]; -1 is no class, and takes no part.
        kind: "semi_hard": d_ap < d_an < d_ap + margin. "hard": d_an <= d_ap. "violating": d_an < d_ap + margin, both.
        margin: 0 or more.
        per_anchor: positives of each anchor, at least 1.
        seed: of all choices.

    Returns:
        [T, 3] positions of anchor, positive and negative.

    Raises:
        ValueError: another kind, a margin or number out of range, shapes that do not fit, numbers that are not finite.
    """
    if kind not in ("semi_hard", "hard", "violating"):
        raise ValueError(f"kind must be 'semi_hard', 'hard' or 'violating', not {kind!r}")
    if not margin >= 0 or per_anchor < 1:
        raise ValueError(f"margin must be 0 or more and per_anchor at least 1, not {margin!r} and {per_anchor!r}")
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(f"embeddings must be [n, E] and labels [n], not {embeddings.shape} and {labels.shape}")
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings hold NaN or infinity")
    rng = np.random.default_rng(seed)
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.where(norms < 1e-6, 1, norms)
    found: list[tuple[int, int, int]] = []
    for anchor in np.flatnonzero(labels >= 0):
        distances = np.linalg.norm(unit - unit[anchor], axis=1)
        positives = np.flatnonzero(labels == labels[anchor])
        positives = rng.permutation(positives[positives != anchor])[:per_anchor]
        other = (labels >= 0) & (labels != labels[anchor])
        for positive in positives:
            d = distances[positive]
            low, high = {
                "semi_hard": (distances > d, distances < d + margin),
                "hard": (True, distances <= d),
                "violating": (True, distances < d + margin),
            }[kind]
            negatives = np.flatnonzero(other & low & high)
            if len(negatives):
                found.append((int(anchor), int(positive), int(rng.choice(negatives))))
    return np.asarray(found, dtype=np.int64).reshape(-1, 3)


def write_triplets(
    path: str | Path, triplets: NDArray[np.int64], ids: Sequence[str], notes: Mapping[str, Any] | None = None
) -> None:
    """Write mined triplets, replacing the file at once.

    Args:
        path: of the Parquet file.
        triplets: [T, 3] positions.
        ids: [n] of the examples that the positions mean.
        notes: how it was mined: data set, split, model, arguments; JSON.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.asarray(ids, dtype=object)
    table = pa.table({name: pa.array(names[triplets[:, i]], type=pa.string()) for i, name in enumerate(_COLUMNS)})
    table = table.replace_schema_metadata({_KEY: json.dumps(dict(notes or {})).encode()})
    path = Path(path)
    temporary = path.with_name(path.name + ".partial")
    pq.write_table(table, temporary)
    temporary.replace(path)


class TripletDataset(torch.utils.data.Dataset[dict[str, NDArray[np.float32]]]):
    """Clouds of mined triplets: item -> {"anchor", "positive", "negative"}, each [N, C] float32.

    Points and augmentation of each of the three depend on (seed, epoch, position in the file) alone.

    Args:
        source: the data set whose ids the file names; its points are drawn and augmented as its own items are.
        path: written by `write_triplets`.

    Raises:
        DatasetError: no such file, another kind of file, or ids that the data set does not have.

    Example:
        >>> triplets = TripletDataset(PointTextDataset("data/modelnet40", "train", num_points=512), "mined.parquet")
        >>> for rows in torch.utils.data.DataLoader(triplets, batch_size=32, shuffle=True):
        ...     loss = triplet_loss(*(encode(rows[part]) for part in ("anchor", "positive", "negative")))
    """

    def __init__(self, source: PointTextDataset, path: str | Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DatasetError(f"{path}: no readable triplet file ({str(error).splitlines()[0]})") from None
        metadata = table.schema.metadata or {}
        if _KEY not in metadata or set(_COLUMNS) - set(table.column_names):
            raise DatasetError(f"{path}: not a triplet file; make one with scripts/mine_triplets.py")
        self.notes: dict[str, Any] = json.loads(metadata[_KEY])
        self.source, self.epoch = source, 0
        position = {id_: i for i, id_ in enumerate(source.ids())}
        columns = [table[name].to_pylist() for name in _COLUMNS]
        missing = {id_ for column in columns for id_ in column} - position.keys()
        if missing:
            raise DatasetError(f"{path}: {len(missing)} of its ids are not in the data set, such as {min(missing)!r}")
        self.rows = np.asarray([[position[id_] for id_ in column] for column in columns], dtype=np.int64).T.copy()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, NDArray[np.float32]]:
        rng = np.random.default_rng((self.source.seed, self.epoch, index))
        return {name: self._cloud(row, rng) for name, row in zip(_COLUMNS, self.rows[index], strict=True)}

    def _cloud(self, row: int, rng: np.random.Generator) -> NDArray[np.float32]:
        points = self.source.cloud(int(row))
        if self.source.num_points is not None:
            points = transforms.choose_points(points, self.source.num_points, rng)
        augment: AugmentConfig | None = self.source.augment
        return augment_cloud(points, augment, rng, self.source.card.format) if augment else points
