"""pc_align: point clouds and language in one space."""

from pc_align.data.io import read_points
from pc_align.model import PointTextModel
from pc_align.zeroshot import ZeroShotClassifier

__version__ = "0.1.0"
__all__ = ["PointTextModel", "ZeroShotClassifier", "read_points"]
