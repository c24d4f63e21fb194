"""From files and prepared folders to clouds, captions and batches."""

from pc_align.data.io import read_points

__all__ = ["read_points"]
