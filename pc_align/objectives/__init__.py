"""Objectives: a loss takes embeddings and labels and returns a scalar.

The contract across ranks, the same for all: the mean over ranks of what each rank returns is the loss of the global
batch, and the gradient after DDP's averaging is the gradient of the global batch.
"""

from pc_align.objectives.angular import AMSoftmax, ArcFace, CosFace, LSoftmax, SphereFace
from pc_align.objectives.angular_triplet import AngularTripletLoss
from pc_align.objectives.center import CenterLoss
from pc_align.objectives.cross_entropy import CrossEntropyHead
from pc_align.objectives.infonce import InfoNCE
from pc_align.objectives.nce import NCELoss
from pc_align.objectives.normalized import COCOLoss, L2Softmax, NormFace, VMFSoftmax
from pc_align.objectives.sigmoid import SigmoidLoss
from pc_align.objectives.triplet import TripletLoss, triplet_loss
from pc_align.objectives.weighted import PointsAndTexts, WeightedSum, WeightSchedule

__all__ = [
    "AMSoftmax",
    "AngularTripletLoss",
    "ArcFace",
    "COCOLoss",
    "CenterLoss",
    "CosFace",
    "CrossEntropyHead",
    "InfoNCE",
    "L2Softmax",
    "LSoftmax",
    "NCELoss",
    "NormFace",
    "PointsAndTexts",
    "SigmoidLoss",
    "SphereFace",
    "TripletLoss",
    "VMFSoftmax",
    "WeightSchedule",
    "WeightedSum",
    "triplet_loss",
]
