"""PointNet (Qi et al., CVPR 2017, arXiv 1612.00593): a shared MLP on every point, then a maximum over points.

Shapes: B clouds, N points, C channels (xyz first), K width of a feature transform.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn


def _shared_mlp(*widths: int) -> nn.Sequential:
    """1x1 convolutions with batch normalisation and ReLU: [B, widths[0], N] -> [B, widths[-1], N]."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        # The batch normalisation that follows subtracts any bias, so the convolution has none.
        layers += [nn.Conv1d(width_in, width_out, 1, bias=False), nn.BatchNorm1d(width_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers with batch normalisation and ReLU: [B, widths[0]] -> [B, widths[-1]]."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out, bias=False), nn.BatchNorm1d(width_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class TNet(nn.Module):
    """Predicts one K x K transform for each cloud; it starts as the identity.

    Args:
        width: K, channels of the features that the transform turns.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.point_mlp = _shared_mlp(width, 64, 128, 1024)
        self.head = nn.Sequential(_mlp(1024, 512, 256), nn.Linear(256, width * width))
        nn.init.zeros_(self.head[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[1].bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, K, N] -> transforms [B, K, K]."""
        pooled = self.point_mlp(features).amax(dim=2)
        offset = rearrange(self.head(pooled), "b (i j) -> b i j", i=self.width)
        return offset + torch.eye(self.width, dtype=offset.dtype, device=offset.device)


class PointNet(nn.Module):
    """PointNet encoder: a cloud to one feature vector, whatever the order and number of its points.

    Args:
        in_channels: C, at least 3; xyz first, then colours, normals or anything else.
        out_dim: width of the feature.
        input_transform: T-Net on xyz.
        feature_transform: T-Net on the 64-channel features; `regularization` then holds the paper's |I - A Aᵀ|² term.
        dropout: before the last layer, in 0..1.

    Raises:
        ValueError: in_channels below 3.

    Example:
        >>> PointNet(in_channels=3, out_dim=512)(torch.randn(8, 1024, 3)).shape
        torch.Size([8, 512])
    """

    regularization: Tensor | None

    def __init__(
        self,
        in_channels: int = 3,
        out_dim: int = 512,
        *,
        input_transform: bool = False,
        feature_transform: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if in_channels < 3:
            raise ValueError(f"in_channels must be at least 3 (xyz), not {in_channels}")
        self.in_channels, self.out_dim = in_channels, out_dim
        # The arguments that make this encoder again; checkpoints keep them.
        self.settings = {
            "in_channels": in_channels,
            "out_dim": out_dim,
            "input_transform": input_transform,
            "feature_transform": feature_transform,
            "dropout": dropout,
        }
        self.input_tnet = TNet(3) if input_transform else None
        self.feature_tnet = TNet(64) if feature_transform else None
        self.local_mlp = _shared_mlp(in_channels, 64, 64)
        self.global_mlp = _shared_mlp(64, 64, 128, 1024)
        self.head = nn.Sequential(_mlp(1024, 512), nn.Dropout(dropout), _mlp(512, out_dim))
        self.regularization = None

    def forward(self, points: Tensor) -> Tensor:
        """Points [B, N, C] -> features [B, out_dim], not negative (the last layer is a ReLU).

        In training mode B must be at least 2: batch normalisation of the pooled feature has no variance otherwise.

        Raises:
            ValueError: another number of channels than the encoder was made for, or a shape that is not [B, N, C].
        """
        if points.ndim != 3 or points.shape[2] != self.in_channels:
            raise ValueError(f"expected points [B, N, {self.in_channels}], got {tuple(points.shape)}")
        x = rearrange(points, "b n c -> b c n")
        if self.input_tnet is not None:
            xyz = self.input_tnet(x[:, :3]) @ x[:, :3]
            x = torch.cat([xyz, x[:, 3:]], dim=1)
        x = self.local_mlp(x)
        if self.feature_tnet is not None:
            transform = self.feature_tnet(x)
            self.regularization = _distance_from_orthogonal(transform)
            x = transform @ x
        pooled = self.global_mlp(x).amax(dim=2)  # [B, 1024]
        features: Tensor = self.head(pooled)
        return features


def _distance_from_orthogonal(transform: Tensor) -> Tensor:
    """Mean over clouds of |I - A Aᵀ|² (equation 2 of the paper), in float32: [B, K, K] -> scalar."""
    transform = transform.float()
    product = transform @ transform.transpose(1, 2)
    return (product - torch.eye(product.shape[1], device=product.device)).square().sum(dim=(1, 2)).mean()
