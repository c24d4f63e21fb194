"""Draw the pictures of docs/auxiliary_objectives.md: python scripts/draw_objectives.py docs/images."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Wedge

from pc_align.objectives import AMSoftmax, ArcFace, SphereFace

COLORS = ["#4477aa", "#cc6677", "#228833", "#aa3377", "#ccbb44"]


def margins(axis: Any) -> None:
    """psi(theta), as the package computes it."""
    theta = torch.linspace(0, math.pi, 721, dtype=torch.float64)
    heads = {
        "no margin: cos θ": (AMSoftmax(2, 2, margin=0.0), "k", "-"),
        "AM-Softmax, CosFace: m = 0.35": (AMSoftmax(2, 2), COLORS[0], "-"),
        "ArcFace: m = 0.5, monotone": (ArcFace(2, 2), COLORS[1], "-"),
        "ArcFace, none": (ArcFace(2, 2, beyond_pi="none"), COLORS[1], ":"),
        "ArcFace, easy": (ArcFace(2, 2, beyond_pi="easy"), COLORS[1], "--"),
        "L-Softmax, SphereFace: m = 4, λ = 0": (SphereFace(2, 2, annealing=0.0), COLORS[2], "-"),
        "the same, λ = 5": (SphereFace(2, 2, annealing=5.0), COLORS[2], "--"),
    }
    for label, (head, color, style) in heads.items():
        axis.plot(theta.numpy() * 180 / math.pi, head.psi(theta.cos()).numpy(), style, color=color, label=label)
    axis.set(xlabel="angle θ between the embedding and its own class [degrees]", ylabel="ψ(θ)", ylim=(-3.2, 1.1))
    axis.set_xticks(range(0, 181, 30))
    axis.legend(fontsize=7, loc="lower left")
    axis.set_title("What the margin makes of the cosine with the own class", fontsize=9)


def boundaries(axis: Any) -> None:
    """Where class 1 wins against class 2, by the two angles."""
    degrees = np.linspace(0, 90, 400)
    first, second = (torch.from_numpy(values) * math.pi / 180 for values in np.meshgrid(degrees, degrees))
    heads = {
        "softmax": (AMSoftmax(2, 2, margin=0.0), "k"),
        "CosFace, m = 0.35": (AMSoftmax(2, 2), COLORS[0]),
        "ArcFace, m = 0.5": (ArcFace(2, 2), COLORS[1]),
        "SphereFace, m = 4": (SphereFace(2, 2, annealing=0.0), COLORS[2]),
    }
    for label, (head, color) in heads.items():
        wins = head.psi(first.cos()) - second.cos()
        axis.contour(degrees, degrees, wins.numpy(), levels=[0], colors=[color])
        axis.plot([], [], color=color, label=label)
    axis.text(8, 80, "class 1 wins", fontsize=8)
    axis.text(38, 22, "class 1 loses", fontsize=8)
    axis.set(xlabel="θ to class 1 (the own class)", ylabel="θ to class 2")
    axis.legend(fontsize=7, loc="lower right")
    axis.set_title("Decision boundary in training, of two classes", fontsize=9)


def mining(axis: Any) -> None:
    """Which negatives each way of mining takes for one anchor and one positive."""
    rng = np.random.default_rng(3)
    margin, d_ap = 0.45, 0.9
    for bound, label, color in ((d_ap, "d(a, p)", "0.4"), (d_ap + margin, "d(a, p) + margin", "0.7")):
        axis.add_patch(plt.Circle((0, 0), bound, fill=False, color=color, linestyle="--"))
        axis.text(0, bound + 0.03, label, fontsize=7, ha="center", color="0.3")
    angle, radius = rng.uniform(0.25, 2 * math.pi - 0.5, 22), rng.uniform(0.4, 2.1, 22)
    kinds: list[tuple[str, float, float]] = [
        ("hard", 0, d_ap),
        ("semi-hard", d_ap, d_ap + margin),
        ("easy: no loss", d_ap + margin, 9),
    ]
    for (kind, low, high), color in zip(kinds, [COLORS[1], COLORS[4], "0.75"], strict=True):
        chosen = (radius >= low) & (radius < high)
        axis.scatter(
            radius[chosen] * np.cos(angle[chosen]), radius[chosen] * np.sin(angle[chosen]), c=color, label=kind
        )
    hardest = radius.argmin()
    axis.scatter(
        [radius[hardest] * math.cos(angle[hardest])],
        [radius[hardest] * math.sin(angle[hardest])],
        s=120, facecolors="none", edgecolors="k", label="taken by batch_hard",
    )  # fmt: skip
    axis.scatter([0], [0], c="k", marker="*", s=90)
    axis.text(0.07, -0.13, "anchor", fontsize=8)
    axis.scatter([d_ap], [0], c=COLORS[2], s=50)
    axis.text(d_ap + 0.06, -0.05, "positive", fontsize=8)
    axis.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal", xticks=[], yticks=[])
    axis.legend(fontsize=7, loc="upper left")
    axis.set_title("Negatives of one anchor", fontsize=9)


def anchors(axis: Any) -> None:
    """Frozen text prototypes on a circle: where an embedding meets the margin, and where there is no such place."""
    names = {"chair": 10.0, "cup": 105.0, "mug": 125.0, "lamp": 240.0}
    margin = math.degrees(0.5)
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.6"))
    for (name, place), color in zip(names.items(), COLORS, strict=False):
        # On each side, theta + m must stay below the angle to the neighbour there.
        rooms = [min((side * (other - place)) % 360 for other in names.values() if other != place) for side in (-1, 1)]
        if min(rooms) > margin:
            before, after = ((room - margin) / 2 for room in rooms)
            axis.add_patch(Wedge((0, 0), 1.0, place - before, place + after, color=color, alpha=0.35))
        x, y = math.cos(math.radians(place)), math.sin(math.radians(place))
        axis.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": color, "lw": 2})
        axis.text(1.15 * x, 1.15 * y, name, ha="center", va="center", fontsize=8)
    note = "ArcFace, m = 0.5: cup and mug are 0.35 rad apart,\nno direction is good enough for either"
    axis.text(0, -1.5, note, fontsize=7, ha="center")
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.6, 1.3), aspect="equal", xticks=[], yticks=[])
    axis.set_title("Text prototypes: where the margin is met", fontsize=9)


def main() -> None:
    """Writes margins.png and geometry.png into the folder that is named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in {"margins": (margins, boundaries), "geometry": (mining, anchors)}.items():
        figure, axes = plt.subplots(1, 2, figsize=(10, 4.2))
        for axis, draw in zip(axes, parts, strict=True):
            draw(axis)
        figure.tight_layout()
        figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
