"""The data set on disk: written whole or not at all, read back with its hashes checked.

A folder holds `dataset.json` (the card) and one `SPLIT.parquet` a split with the columns id (string), points (flat
float32 list of N*C), label (int32) and captions (list of strings). See docs/data_format.md.

Shapes: N points a cloud, C channels.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pc_align.config import CloudFormat
from pc_align.errors import DatasetError

CARD_NAME = "dataset.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Example:
    """One shape: points [N, C] float32, the index of its class (-1 without one), its captions (at least one)."""

    id: str
    points: NDArray[np.float32]
    label: int
    captions: list[str]


@dataclass(frozen=True)
class SplitInfo:
    """What a split is for.

    Attributes:
        class_names: names or whole sentences that labels index.
        description: one sentence on what the split measures.
        groups: group of each class; the candidates of an example are the classes of its own group. None: all classes.
        templates: prompt templates of this split; None: the model's own.
    """

    class_names: list[str]
    description: str
    groups: list[int] | None = None
    templates: list[str] | None = None


@dataclass(frozen=True)
class SplitCard(SplitInfo):
    """A split as written: its count, the hash of its content (ids, labels, points, captions) and of its file."""

    count: int = 0
    content_sha256: str = ""
    file_sha256: str = ""


@dataclass(frozen=True)
class DatasetCard:
    """What the folder holds and where it is from."""

    name: str
    source: str
    licence: str
    command: str
    format: CloudFormat
    splits: dict[str, SplitCard] = field(default_factory=dict)
    version: int = FORMAT_VERSION


def write_dataset(
    folder: str | Path,
    card: DatasetCard,
    splits: Mapping[str, tuple[SplitInfo, Iterable[Example]]],
    *,
    also: Callable[[Path], None] | None = None,
) -> DatasetCard:
    """Write all splits and the card, completely or not at all: the folder appears under its name at the end.

    Args:
        folder: to be made; an existing data set there is replaced.
        card: without splits.
        splits: for each split what it is for and its examples.
        also: writes further files into the folder before it appears under its name.

    Returns:
        The card with counts and hashes.

    Raises:
        DatasetError: the folder exists and is no data set, or a cloud is not finite or not of the card's shape.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD_NAME).exists():
        raise DatasetError(f"{folder}: exists and is no prepared data set; choose another --out or remove it")
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    cards = {
        name: _write_split(temporary / f"{name}.parquet", info, examples, card.format)
        for name, (info, examples) in splits.items()
    }
    card = DatasetCard(**{**vars(card), "splits": cards})
    (temporary / CARD_NAME).write_text(json.dumps(asdict(card), indent=1, ensure_ascii=False), encoding="utf-8")
    if also is not None:
        also(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    return card


def _write_split(path: Path, info: SplitInfo, examples: Iterable[Example], form: CloudFormat) -> SplitCard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = form.num_points * form.num_channels
    # Fixed-size lists read many times faster than nested lists; page checksums let a reader refuse flipped bits.
    schema = pa.schema(
        {
            "id": pa.string(),
            "points": pa.list_(pa.float32(), numbers),
            "label": pa.int32(),
            "captions": pa.list_(pa.string()),
        }
    )
    content, count = hashlib.sha256(), 0
    with pq.ParquetWriter(path, schema, write_page_checksum=True, compression="zstd") as writer:
        for rows in _chunks(examples, 512):
            for row in rows:
                _check_example(row, form, len(info.class_names))
                content.update(row.id.encode() + b"\0" + row.label.to_bytes(4, "little", signed=True))
                content.update(np.ascontiguousarray(row.points, dtype="<f4").tobytes())
                content.update("\0".join(row.captions).encode())
            flat = pa.array(np.concatenate([row.points.ravel() for row in rows]), type=pa.float32())
            columns = [
                pa.array([row.id for row in rows]),
                pa.FixedSizeListArray.from_arrays(flat, numbers),
                pa.array([row.label for row in rows], type=pa.int32()),
                pa.array([row.captions for row in rows], type=pa.list_(pa.string())),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            count += len(rows)
    return SplitCard(**vars(info), count=count, content_sha256=content.hexdigest(), file_sha256=file_sha256(path))


def _check_example(row: Example, form: CloudFormat, num_classes: int) -> None:
    if row.points.shape != (form.num_points, form.num_channels):
        expected = (form.num_points, form.num_channels)
        raise DatasetError(f"{row.id}: a cloud of shape {row.points.shape}, where the data set has {expected}")
    if not np.isfinite(row.points).all():
        raise DatasetError(f"{row.id}: the cloud holds NaN or infinite numbers")
    if not -1 <= row.label < num_classes or not row.captions:
        raise DatasetError(f"{row.id}: label {row.label} of {num_classes} classes, {len(row.captions)} captions")


def _chunks(items: Iterable[Example], size: int) -> Iterator[list[Example]]:
    chunk: list[Example] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: str | Path) -> DatasetCard:
    """The card of a prepared data set.

    Raises:
        DatasetError: no card, or one that this version cannot read.
    """
    path = Path(folder) / CARD_NAME
    if not path.is_file():
        raise DatasetError(f"{folder}: no {CARD_NAME} there; make the data set with `pc-align prepare`")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] != FORMAT_VERSION:
            raise DatasetError(f"{path}: format version {raw['version']}, this program reads {FORMAT_VERSION}")
        form = CloudFormat(**{**raw["format"], "channels": tuple(raw["format"]["channels"])})
        splits = {name: SplitCard(**split) for name, split in raw["splits"].items()}
        return DatasetCard(**{**raw, "format": form, "splits": splits})
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: not a readable card ({error}); prepare the data set again") from None
