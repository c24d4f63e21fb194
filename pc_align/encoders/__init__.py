"""Encoders of points and of text. Each stands alone: importing PointNet loads neither transformers nor open3d."""

from pc_align.encoders.pointnet import PointNet
from pc_align.encoders.projection import projection
from pc_align.encoders.text import FrozenTextEncoder

# Point encoders by the name that configs and checkpoints use.
POINT_ENCODERS = {"pointnet": PointNet}

__all__ = ["POINT_ENCODERS", "FrozenTextEncoder", "PointNet", "projection"]
