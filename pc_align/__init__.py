"""pc_align: point clouds and language in one space.

The public names load on first use, so that `import pc_align` and `pc-align --help` do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pc_align.data.io import read_points
    from pc_align.model import PointTextModel
    from pc_align.zeroshot import ZeroShotClassifier

__version__ = "0.1.0"
__all__ = ["PointTextModel", "ZeroShotClassifier", "read_points"]

_HOME = {
    "PointTextModel": "pc_align.model",
    "ZeroShotClassifier": "pc_align.zeroshot",
    "read_points": "pc_align.data.io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pc_align' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
