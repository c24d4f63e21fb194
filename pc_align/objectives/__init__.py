"""Objectives: a loss takes embeddings and labels and returns a scalar.

The contract across ranks, the same for all: the mean over ranks of what each rank returns is the loss of the global
batch, and the gradient after DDP's averaging is the gradient of the global batch.
"""

from pc_align.objectives.infonce import InfoNCE
from pc_align.objectives.nce import NCELoss
from pc_align.objectives.sigmoid import SigmoidLoss

__all__ = ["InfoNCE", "NCELoss", "SigmoidLoss"]
