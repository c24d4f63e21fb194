"""A checkpoint is a folder of safetensors and JSON with a manifest of hashes.

It is written whole or not at all and verified before use. Nothing in it is pickled, so loading one runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pc_align.errors import CheckpointError

MANIFEST = "manifest.json"


def save_folder(folder: str | Path, tensors: Mapping[str, Mapping[str, Tensor]], documents: Mapping[str, Any]) -> None:
    """Write a checkpoint folder under a temporary name, flush it, and rename it into place.

    Args:
        folder: its final name; a checkpoint already there is replaced, and stays whole until the new one is complete.
        tensors: file stem -> tensors by name, each written to STEM.safetensors.
        documents: file stem -> JSON document, each written to STEM.json; a string goes to STEM as it is.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; the old checkpoint is intact.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.partial")
    old = folder.with_name(f".{folder.name}.old")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for stem, named in tensors.items():
            contiguous = {name: value.detach().cpu().contiguous() for name, value in named.items()}
            save_file(contiguous, temporary / f"{stem}.safetensors")
        for stem, document in documents.items():
            text = document if isinstance(document, str) else json.dumps(document, indent=1, ensure_ascii=False)
            (temporary / (stem if isinstance(document, str) else f"{stem}.json")).write_text(text, encoding="utf-8")
        hashes = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
        (temporary / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
        for path in temporary.iterdir():
            _flush(path)
        # A folder cannot be replaced in one step; the old one is moved aside first and removed last.
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.replace(old)
        temporary.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(f"{folder}: cannot be written ({error}); what was there before is intact") from None


def check_folder(folder: str | Path) -> None:
    """Raises CheckpointError unless every file of the manifest is there with its hash."""
    folder = Path(folder)
    try:
        hashes = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: no checkpoint there ({MANIFEST} is missing)") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: not readable ({error})") from None
    for name, expected in hashes.items():
        path = folder / name
        if path.parent != folder or not path.is_file():
            raise CheckpointError(f"{path}: missing, though the manifest names it")
        if _sha256(path) != expected:
            raise CheckpointError(f"{path}: damaged, its content is not what the manifest says")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of one safetensors file, on the CPU.

    Raises:
        CheckpointError: missing or not a safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from None


def load_document(path: Path) -> dict[str, Any]:
    """One JSON document.

    Raises:
        CheckpointError: missing, or not a JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable ({error})") from None
    if not isinstance(document, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return document


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Put tensors into a module; every key and shape must fit.

    Raises:
        CheckpointError: naming the missing, unexpected or misshapen keys.
    """
    own = module.state_dict()
    problems = [f"missing {key}" for key in own if key not in tensors]
    problems += [f"unexpected {key}" for key in tensors if key not in own]
    problems += [
        f"{key} has shape {tuple(value.shape)} instead of {tuple(own[key].shape)}"
        for key, value in tensors.items()
        if key in own and own[key].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(f"{source}: does not fit the model: {', '.join(problems[:5])}{more}")
    module.load_state_dict(dict(tensors))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
