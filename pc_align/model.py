"""PointTextModel: a point encoder and a frozen text encoder that meet on one unit sphere.

Shapes: B clouds, N points, C channels, n texts, D width of the text transformer, E shared embedding width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pc_align.batch import Embeddings
from pc_align.checkpoint import check_folder, load_document, load_state, load_tensors, save_folder
from pc_align.config import CloudFormat
from pc_align.data.prompts import POINT_CLOUD_TEMPLATES
from pc_align.data.transforms import UpAxis
from pc_align.encoders import POINT_ENCODERS, FrozenTextEncoder, projection
from pc_align.errors import CheckpointError, ConfigError

MAX_LOG_SCALE = math.log(100.0)
INITIAL_LOG_SCALE = math.log(1 / 0.07)
_AXIS = {"x": 0, "y": 1, "z": 2}


class PointTextModel(nn.Module):
    """Encodes clouds and texts into one space.

    Args:
        encoder: points [B, N, C] -> features [B, encoder.out_dim].
        text: the frozen text encoder; it holds no trainable parameter and is no submodule.
        embed_dim: E; by default the text encoder's width.
        text_projection: "identity" or "linear".
        logit_bias: whether the model has the learned bias that the sigmoid loss (arXiv 2303.15343) needs; it starts at
            -10 then, and the logit scale at 10.
        cloud_format: how the clouds lie that the encoder was trained on.
        templates: prompt templates for zero-shot classification.

    Raises:
        ValueError: an identity text projection between different widths.
    """

    def __init__(
        self,
        encoder: nn.Module,
        text: FrozenTextEncoder,
        *,
        embed_dim: int | None = None,
        text_projection: str = "identity",
        logit_bias: bool = False,
        cloud_format: CloudFormat | None = None,
        templates: Sequence[str] = (),
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or text.dim
        self.encoder = encoder
        self.text = text
        self.point_projection = projection(int(encoder.out_dim), embed_dim)  # type: ignore[arg-type]
        self.text_projection = projection(text.dim, embed_dim, text_projection)
        # The logarithm is learned (CLIP); `logit_scale` is its exponential, kept in 1..100 by `clamp_logit_scale`.
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(10.0) if logit_bias else INITIAL_LOG_SCALE))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0)) if logit_bias else None
        self.embed_dim, self.cloud_format = embed_dim, cloud_format or CloudFormat()
        self.templates = tuple(templates) or POINT_CLOUD_TEMPLATES
        self._text_projection_kind = text_projection
        # What `save_pretrained` was told of the model's origin: data, step, validation figures, checkpoint rule.
        self.notes: dict[str, Any] = {}

    @property
    def logit_scale(self) -> Tensor:
        """Multiplier of the cosines, a scalar in 1..100."""
        return self.log_logit_scale.exp()

    def clamp_logit_scale(self) -> None:
        """Keep the logit scale in 1..100; the trainer calls it after every step."""
        with torch.no_grad():
            self.log_logit_scale.clamp_(0, MAX_LOG_SCALE)

    def forward(self, points: Tensor, text_features: Tensor) -> Embeddings:
        """Training's path: clouds as prepared and augmented, text features as cached; nothing is normalised.

        Args:
            points: [B, N, C] in the model's own frame and scale.
            text_features: [B, D] from the frozen text encoder.
        """
        return Embeddings(
            points=self.point_projection(self.encoder(points)),
            texts=self.text_projection(text_features),
            logit_scale=self.logit_scale,
            logit_bias=self.logit_bias,
        )

    @torch.no_grad()
    def encode_points(self, points: Tensor, up_axis: UpAxis = "z") -> Tensor:
        """Unit vectors of clouds, in eval mode. Turns, centres and scales the clouds as the model was trained.

        Args:
            points: [B, N, C] float, finite, at any position and scale; any N from 1 up.
            up_axis: the axis that points up in `points`.

        Returns:
            [B, E] float32.

        Raises:
            ValueError: another shape or number of channels, or numbers that are not finite.
        """
        if points.ndim != 3 or points.shape[2] != self.cloud_format.num_channels or points.shape[1] < 1:
            expected = f"[B, N, {self.cloud_format.num_channels}]"
            raise ValueError(
                f"expected points {expected} ({', '.join(self.cloud_format.channels)}), got {tuple(points.shape)}"
            )
        if not torch.isfinite(points).all():
            raise ValueError("points hold NaN or infinite numbers")
        points = self._to_own_frame(points.to(self.log_logit_scale.device, torch.float32), up_axis)
        was_training = self.training
        self.eval()
        try:
            return F.normalize(self.point_projection(self.encoder(points)).float(), dim=-1)
        finally:
            self.train(was_training)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of texts: n strings -> [n, E] float32."""
        device = self.log_logit_scale.device
        features = self.text.to(device).encode(texts).to(device)
        return F.normalize(self.text_projection(features).float(), dim=-1)

    def _to_own_frame(self, points: Tensor, up_axis: UpAxis) -> Tensor:
        xyz, rest = points[..., :3], points[..., 3:]
        # A cyclic change of axes is a rotation; swapping two axes would mirror the shape.
        xyz = xyz.roll(_AXIS[self.cloud_format.up_axis] - _AXIS[up_axis], dims=-1)
        if self.cloud_format.normalization == "unit_sphere":
            xyz = xyz - xyz.mean(dim=1, keepdim=True)
            radius = xyz.norm(dim=-1).amax(dim=1)[:, None, None]
            xyz = torch.where(radius > 1e-6, xyz / radius.clamp_min(1e-6), torch.zeros_like(xyz))
        return torch.cat([xyz, rest], dim=-1)

    def describe(self) -> dict[str, Any]:
        """All that rebuilds the model but its weights, as JSON: what `from_settings` takes."""
        names = [name for name, cls in POINT_ENCODERS.items() if type(self.encoder) is cls]
        if not names:
            raise CheckpointError(
                f"only the encoders {', '.join(POINT_ENCODERS)} can be saved, not {type(self.encoder).__name__}"
            )
        return {
            "encoder": names[0],
            "encoder_args": self.encoder.settings,
            "text_model": self.text.model,
            "text_revision": self.text.revision,
            "text_pooling": self.text.pooling if self.text.pooling in ("mean", "cls") else None,
            "text_fingerprint": self.text.fingerprint,
            "embed_dim": self.embed_dim,
            "text_projection": self._text_projection_kind,
            "logit_bias": self.logit_bias is not None,
            "cloud_format": asdict(self.cloud_format),
            "templates": list(self.templates),
        }

    @classmethod
    def from_settings(
        cls,
        *,
        encoder: str,
        encoder_args: dict[str, Any],
        cloud_format: CloudFormat,
        text_model: str,
        text_revision: str | None = None,
        text_pooling: Any = None,
        text_projection: str = "identity",
        logit_bias: bool = False,
        embed_dim: int | None = None,
        templates: Sequence[str] = (),
    ) -> PointTextModel:
        """A model with fresh weights from names and numbers, as configs and checkpoints give them.

        Raises:
            ConfigError: an unknown encoder or arguments that it does not take.
            CheckpointError: the text model cannot be had.
        """
        if encoder not in POINT_ENCODERS:
            raise ConfigError(f"model.encoder: no encoder {encoder!r}; there are {', '.join(POINT_ENCODERS)}")
        arguments = {"in_channels": cloud_format.num_channels, **encoder_args}
        try:
            point_encoder = POINT_ENCODERS[encoder](**arguments)
            text = FrozenTextEncoder(text_model, revision=text_revision, pooling=text_pooling)
            return cls(
                point_encoder,
                text,
                embed_dim=embed_dim,
                text_projection=text_projection,
                logit_bias=logit_bias,
                cloud_format=cloud_format,
                templates=templates,
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model: {error}") from None

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model as a folder: weights (safetensors), config.json, a model card, and a manifest of hashes.

        The frozen text model is not copied; the config names it, its revision and the hash of its weights.

        Args:
            folder: to be made or replaced.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        config = {"format_version": 1, **self.describe(), "notes": self.notes}
        save_folder(folder, {"model": self.state_dict()}, {"config": config, "README.md": _model_card(config)})

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> PointTextModel:
        """A saved model, verified and in eval mode.

        Args:
            name: a model folder, a run folder (its `best` checkpoint is taken), or a hub id.
            revision: commit or tag on the hub.

        Raises:
            CheckpointError: not there, damaged, with missing or unexpected weights, or made with another text model.
        """
        folder = _find_checkpoint(name, revision)
        check_folder(folder)
        config = load_document(folder / "config.json")
        fields = ("encoder", "encoder_args", "text_model", "text_revision", "text_pooling", "text_projection")
        try:
            settings = {key: config[key] for key in (*fields, "logit_bias", "embed_dim", "templates")}
            form = {**config["cloud_format"], "channels": tuple(config["cloud_format"]["channels"])}
            model = cls.from_settings(**settings, cloud_format=CloudFormat(**form))
        except (KeyError, TypeError, ConfigError) as error:
            raise CheckpointError(f"{folder / 'config.json'}: not the config of a model ({error})") from None
        if model.text.fingerprint != config.get("text_fingerprint"):
            raise CheckpointError(f"{folder}: was trained with other weights of the text model {model.text.model}")
        load_state(model, load_tensors(folder / "model.safetensors"), folder / "model.safetensors")
        model.notes = config.get("notes", {})
        return model.eval()

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
        """Upload the model folder to the Hugging Face hub; returns its address.

        Args:
            repo_id: "user/name"; made if it does not exist.
            private: whether a new repository is private.
            token: by default the one of `hf auth login`.
        """
        from tempfile import TemporaryDirectory

        from huggingface_hub import HfApi

        api = HfApi(token=token)
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder)
            repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message="Upload a pc_align model")
        return f"https://huggingface.co/{repo}"


def _find_checkpoint(name: str | Path, revision: str | None) -> Path:
    """The folder of a checkpoint: itself, the `best` of a run folder, or a download."""
    path = Path(name)
    for candidate in (path, path / "best"):
        if (candidate / "config.json").is_file():
            return candidate
    # What looks like a path is one; only "user/name" that is no folder can be a hub id.
    if path.exists() or str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        raise CheckpointError(f"{name}: no checkpoint there (no config.json in it or in its folder 'best')")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(name), revision=revision, allow_patterns=["*.json", "*.safetensors", "*.md"]))
    except Exception as error:  # the hub client raises many kinds; each means that the model cannot be had
        reason = " ".join(str(error).split())[:160]
        raise CheckpointError(f"{name}: neither a checkpoint folder nor to be had from the hub ({reason})") from None


def _model_card(config: dict[str, Any]) -> str:
    form = config["cloud_format"]
    return f"""---
library_name: pc_align
tags: [point-cloud, zero-shot-classification]
---
# A pc_align model

Encoder `{config["encoder"]}` on {form["num_points"]} points ({", ".join(form["channels"])}, {form["up_axis"]} up,
normalisation {form["normalization"]}), aligned with the frozen text model `{config["text_model"]}`.

```python
from pc_align import PointTextModel, ZeroShotClassifier, read_points
model = PointTextModel.from_pretrained("THIS_FOLDER_OR_ID")
classify = ZeroShotClassifier(model, ["chair", "airplane"])
print(classify(read_points("chair.ply")[None]))
```
"""
