"""Errors that a user can mend: each carries one line that names the file, the value and the remedy."""

from __future__ import annotations

from pathlib import Path


class PcAlignError(Exception):
    """Base of every error that the command line prints as one line instead of a traceback."""


class ConfigError(PcAlignError):
    """An unknown key, a value of the wrong type, or values that contradict each other. Exit status 2."""


class PointCloudReadError(PcAlignError):
    """A file that cannot be read as a point cloud.

    Args:
        path: the file.
        reason: what is wrong with it, in one line.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[PointCloudReadError], tuple[str, str]]:
        # Exceptions pickle by their args; this one must survive the way back from a worker process.
        return (type(self), (str(self.path), self.reason))


class DatasetError(PcAlignError):
    """A prepared data set that is missing, broken or of another format."""


class CheckpointError(PcAlignError):
    """A checkpoint that is missing, incomplete, damaged or of another model."""


class DistributedError(PcAlignError):
    """Ranks that disagree: another world size than asked for, or inputs that differ where they must not."""


class RankInputError(DistributedError, ValueError):
    """Bad input on one rank, raised on all of them before any rows moved; the message names the rank."""


class LabelError(PcAlignError, ValueError):
    """Class labels for zero-shot classification that are empty or named twice."""
