"""The report of a run: one picture (report.png) and one self-contained page (report.html) with clouds that turn.

The page is the template report.html with one JSON document inside, from which its scripts draw everything.
Shapes: n examples, K classes, N points.
"""

from __future__ import annotations

import base64
import html
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pc_align.metrics import Evaluation, Floats, Ints, confusion_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = list[dict[str, float]]  # rows of metrics.jsonl
Series = dict[str, list[list[float | None]]]  # [step, value] rows by figure

TEMPLATE = Path(__file__).with_name("report.html")
MAX_POINTS = 2048  # a cloud in the page: a tile shows no more, and a page of 100 clouds stays under 2 MB
MAX_ROWS = 600  # points of a curve in the page: more than a screen has columns for
SHORT_LIST = 5  # prompts shown for a cloud; the right answer is added when it is further down
INT16 = 32767

INK, MUTED, RULE, FAINT, RIGHT, WRONG = "#1d2329", "#59626c", "#dfe3e6", "#eef0f1", "#1c6e8c", "#b8501f"
CURVES = {"loss": "Training loss", "validation/top1": "Validation accuracy", "logit_scale": "Logit scale"}
DEPTH = ("#b3ced8", "#5b94ab", "#12405a")  # far to near


@dataclass(frozen=True)
class GalleryItem:
    """One cloud and how the prompts scored it."""

    id: str  # name of the example or of the file
    points: NDArray[np.float32]  # [N, 3], z-up, in the unit sphere; others are shown centred and scaled
    label: str  # the right answer; "" where it is not known (a user's own file)
    ranked: list[tuple[str, float]]  # (prompt label, probability in 0..1), best first


def write_report(
    folder: Path, *, title: str, evaluations: list[Evaluation], gallery: dict[str, list[GalleryItem]], history: History
) -> tuple[Path, Path]:
    """Writes report.png and report.html, each at once: a reader never finds half a file.

    Args:
        folder: made if absent.
        title: of the page and the picture.
        evaluations: one tab each; the picture shows the matrices of the first.
        gallery: clouds by name of evaluation; any other name ("your files") becomes a tab of its own.
        history: rows of a run's metrics.jsonl, each with "step"; may be empty.

    Returns: the paths of the picture and of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture, page = folder / "report.png", folder / "report.html"
    series = _series(history)
    figure, text = _figure(title, evaluations, gallery, series), _page(title, evaluations, gallery, series)
    _replace(picture, lambda path: figure.savefig(path, format="png", dpi=100))
    # File names may hold bytes that are no text; they must not cost the report.
    _replace(page, lambda path: path.write_text(text, encoding="utf-8", errors="replace"))
    return picture, page


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside `path`, then renames over it; a failure leaves the old file as it was and nothing beside it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _page(title: str, evaluations: list[Evaluation], gallery: dict[str, list[GalleryItem]], series: Series) -> str:
    """The template with the title and the data in it; no text of a user can end the element that it stands in."""
    data = {
        "evaluations": [_evaluation(evaluation) for evaluation in evaluations],
        "gallery": [{"name": name, "items": [_item(item) for item in items]} for name, items in gallery.items()],
        "series": series,
    }
    # Inside <script> only "<" is special ("</script>", "<!--"); escaped in JSON strings it reads the same.
    document = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    values = {"title": html.escape(title), "data": document}
    return re.sub(r"\{\{(title|data)\}\}", lambda hole: values[hole[1]], TEMPLATE.read_text(encoding="utf-8"))


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation for the page: counts as [row, column, count] triples, cosines as int16 (-32768: none)."""
    counts = _confusion(evaluation)
    rows, columns = counts.nonzero()
    cosines = np.rint(np.nan_to_num(np.clip(evaluation.similarity, -1, 1)) * INT16)
    return {
        "name": evaluation.name,
        "description": evaluation.description,
        "classes": evaluation.class_names,
        "count": len(evaluation.labels),
        "confusion": np.stack([rows, columns, counts[rows, columns]], axis=1).tolist(),
        "similarity": _base64(np.where(np.isfinite(evaluation.similarity), cosines, -INT16 - 1)),
        "metrics": {name: _number(value) for name, value in evaluation.metrics.items()},
        "protocol": {name: str(value) for name, value in evaluation.protocol.items()},
    }


def _confusion(evaluation: Evaluation) -> Ints:
    """[K, K] counts, rows the right class, columns the best-scored one."""
    return confusion_matrix(evaluation.scores.argmax(axis=1), evaluation.labels, len(evaluation.class_names))


def _item(item: GalleryItem) -> dict[str, Any]:
    """A cloud for the page: int16 coordinates in base64, times scale / 32767; [prompt, probability, rank] rows."""
    points = _sample(item.points)
    scale = float(np.abs(points).max(initial=0.0)) or 1.0
    return {
        "id": item.id,
        "label": item.label,
        "ranked": [[name, _number(score), rank] for name, score, rank in _best(item, SHORT_LIST)],
        "scale": scale,
        "points": _base64(np.rint(points / scale * INT16)),
    }


def _sample(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most MAX_POINTS finite points [M, 3], the same ones each time, in the order given."""
    xyz = np.asarray(points, dtype=np.float32)[:, :3]
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    kept = np.random.default_rng(0).permutation(len(xyz))[:MAX_POINTS]
    return xyz[np.sort(kept)]


def _best(item: GalleryItem, count: int) -> list[tuple[str, float, int]]:
    """The best prompts as (label, probability, rank from 1), and the right one with them wherever it stands."""
    ranked = [(name, score, rank) for rank, (name, score) in enumerate(item.ranked, 1)]
    return ranked[:count] + [entry for entry in ranked[count:] if entry[0] == item.label]


def _series(history: History) -> Series:
    """The curves of a run; long curves are averaged in bins, null where a value is not finite."""
    series: dict[str, list[list[float]]] = {}
    for row in history:
        for name, value in row.items():
            if name not in ("step", "epoch") and "step" in row and isinstance(value, int | float):
                series.setdefault(name, []).append([float(row["step"]), float(value)])
    bins = {name: np.array_split(np.array(rows), min(len(rows), MAX_ROWS)) for name, rows in series.items()}
    return {name: [[_number(x) for x in part.mean(axis=0)] for part in parts] for name, parts in bins.items()}


def _number(value: float) -> float | None:
    """Six significant digits; None where JSON has no such number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.astype("<i2").tobytes()).decode("ascii")


class _Sheet:
    """A figure of a fixed width that is laid out from the top in inches, y growing downward."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.size = (width, height)
        self.figure: Figure = Figure(figsize=self.size, dpi=100, facecolor="white")

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        across, down = self.size
        return self.figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        style = {"color": INK, "va": "top", "parse_math": False, **style}
        self.figure.text(x / self.size[0], 1 - y / self.size[1], text, fontsize=size, **style)


def _figure(title: str, evaluations: list[Evaluation], gallery: dict[str, list[GalleryItem]], series: Series) -> Figure:
    """One picture, 1600 pixels wide: figures, clouds with scores, matrices of the first evaluation, curves."""
    # In turn from each group, so that no group is crowded out.
    items = [item for group in zip_longest(*gallery.values()) for item in group if item is not None][:16]
    curves = [name for name in CURVES if name in series]
    headline = 2.6 if evaluations else 1.0
    clouds, matrices = 3.0 * math.ceil(len(items) / 8), 7.85 * bool(evaluations)
    sheet = _Sheet(16, headline + clouds + matrices + 3.3 * bool(curves) + 0.25)
    sheet.text(0.5, 0.38, _short(title, 90), 22, weight="bold")
    for index, evaluation in enumerate(evaluations[:4]):
        _draw_headline(sheet, 0.5 + 3.8 * index, evaluation)
    if len(evaluations) == 1:
        protocol = "   ·   ".join(f"{name}: {value}" for name, value in evaluations[0].protocol.items())
        sheet.text(0.5, 2.32, _short(protocol, 200), 9.5, color=MUTED)
    for index, item in enumerate(items):
        _draw_item(sheet, 0.5 + 1.89 * (index % 8), headline + 3.0 * (index // 8), item)
    if evaluations:
        _draw_matrices(sheet, headline + clouds, evaluations[0])
    for index, name in enumerate(curves):
        _draw_curve(sheet, 0.95 + 5.2 * index, headline + clouds + matrices + 0.45, name, series[name])
    return sheet.figure


def _draw_headline(sheet: _Sheet, x: float, evaluation: Evaluation) -> None:
    figures = {name: _percent(evaluation.metrics.get(name), 1) for name in ("top1", "top3", "top5", "class_accuracy")}
    sheet.text(x, 0.95, _short(evaluation.name, 32), 12, weight="bold", color=MUTED)
    sheet.text(x, 1.22, figures["top1"], 30, weight="bold", color=RIGHT)
    prompts, chance = len(evaluation.class_names), _percent(evaluation.metrics.get("chance"), 1)
    sheet.text(x, 1.86, f"top-1 of {len(evaluation.labels):,} clouds, {prompts} prompts, chance {chance}", 9.5)
    rest = f"top-3 {figures['top3']}   top-5 {figures['top5']}   class {figures['class_accuracy']}"
    sheet.text(x, 2.09, rest, 9.5, color=MUTED)


def _draw_item(sheet: _Sheet, x: float, y: float, item: GalleryItem) -> None:
    """A cloud seen from above its front, far points first, and its best three prompts as bars."""
    from matplotlib.colors import LinearSegmentedColormap

    view = sheet.axes(x, y, 1.76, 1.76)
    right, up, near = _project(_sample(item.points))
    order = near.argsort()
    colours = LinearSegmentedColormap.from_list("depth", DEPTH)
    view.scatter(right[order], up[order], s=4, c=near[order], cmap=colours, vmin=-0.8, vmax=0.8, linewidths=0)
    view.set(xlim=(-1, 1), ylim=(-1, 1))
    view.axis("off")
    sheet.text(x + 0.88, y + 1.78, _short(item.id, 26), 8, color=MUTED, ha="center")
    best = _best(item, 3)
    bars = sheet.axes(x, y + 1.97, 1.76, 0.75)
    bars.set(xlim=(0, 1), ylim=(2.5, -0.5))
    bars.axis("off")
    for row, (name, score, rank) in enumerate(best[:2] + best[-1:] if len(best) > 2 else best):
        mark, fill, ink = "", MUTED, INK
        if name == item.label:
            mark, fill, ink = "✓ ", RIGHT, RIGHT
        elif rank == 1 and item.label:
            mark, fill, ink = "✗ ", WRONG, WRONG
        bars.barh(row, score, height=0.9, color=fill, alpha=0.22)
        text = mark + (_short(name, 17) if rank <= 3 else f"{_short(name, 11)} (no. {rank})")
        style: dict[str, Any] = {"fontsize": 8.5, "va": "center_baseline", "parse_math": False}
        bars.text(0.03, row, text, color=ink, **style)
        bars.text(0.98, row, _percent(score, 0), color=INK, ha="right", **style)


def _project(points: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
    """Three [N] arrays in -1..1: right, up and towards the viewer, who stands in front, to the left and above."""
    if not len(points):
        return (np.zeros(0, np.float32),) * 3
    centred = points - (points.max(axis=0) + points.min(axis=0)) / 2
    x, y, z = (centred / max(float(np.linalg.norm(centred, axis=1).max()), 1e-9)).T
    yaw, pitch = math.radians(35), math.radians(22)
    right, away = math.cos(yaw) * x - math.sin(yaw) * y, math.sin(yaw) * x + math.cos(yaw) * y
    up, near = math.cos(pitch) * z + math.sin(pitch) * away, math.sin(pitch) * z - math.cos(pitch) * away
    return right, up, near


def _draw_matrices(sheet: _Sheet, y: float, evaluation: Evaluation) -> None:
    """Confusions on the left, similarity on the right."""
    from matplotlib.colors import to_rgb

    counts, name = _confusion(evaluation), _short(evaluation.name, 30)
    # The square root lifts rare mistakes out of the background.
    shares = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[:, :, None]
    blank, right, wrong = (np.array(to_rgb(colour)) for colour in (FAINT, RIGHT, WRONG))
    full = np.where(np.eye(len(counts), dtype=bool)[:, :, None], right, wrong)
    sheet.text(0.5, y, f"Confusions: {name}", 14, weight="bold")
    sheet.text(0.5, y + 0.29, "Rows: right class. Columns: answer. Blue: right, orange: wrong.", 9.5, color=MUTED)
    _draw_matrix(sheet, 1.65, y + 1.45, blank + (full - blank) * shares, evaluation.class_names)
    sheet.text(8.3, y, f"Similarity: {name}", 14, weight="bold")
    sheet.text(8.3, y + 0.29, "Mean cosine of the clouds of a class (rows) and a prompt (columns).", 9.5, color=MUTED)
    axes = _draw_matrix(sheet, 9.45, y + 1.45, evaluation.similarity, evaluation.class_names)
    scale = sheet.figure.colorbar(axes.images[0], cax=sheet.axes(15.4, y + 1.45, 0.12, 5.85))
    scale.ax.spines[:].set_visible(False)
    scale.ax.tick_params(length=0, labelsize=8, labelcolor=MUTED)


def _draw_matrix(sheet: _Sheet, x: float, y: float, image: NDArray[Any], names: list[str]) -> Axes:
    """An image [K, K] or [K, K, 3] with the K names on both sides."""
    axes = sheet.axes(x, y, 5.85, 5.85)
    axes.set_facecolor(FAINT)  # shows where a cosine is NaN
    finite = image[np.isfinite(image)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    axes.imshow(image, cmap="viridis", vmin=low, vmax=max(high, low + 1e-6), aspect="auto")
    axes.tick_params(length=0, pad=3, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    labels = [_short(name, 16) for name in names]
    style: dict[str, Any] = {"fontsize": min(8.0, 300 / max(len(labels), 30)), "color": INK, "parse_math": False}
    axes.set_xticks(range(len(labels)), labels, rotation=90, **style)
    axes.set_yticks(range(len(labels)), labels, **style)
    return axes


def _draw_curve(sheet: _Sheet, x: float, y: float, name: str, rows: list[list[float | None]]) -> None:
    sheet.text(x - 0.45, y - 0.35, CURVES[name], 14, weight="bold")
    axes = sheet.axes(x, y, 4.2, 2.2)
    steps, values = np.array([[math.nan if value is None else value for value in row] for row in rows]).T
    axes.plot(steps, values, color=RIGHT, linewidth=1.6, marker="o" if len(rows) < 30 else "", markersize=3)
    if name == "validation/top1":
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: _percent(value, 0))
    axes.set_xlabel("step", fontsize=9, color=MUTED)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9, labelcolor=MUTED)


def _percent(share: float | None, digits: int) -> str:
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def _short(text: str, length: int) -> str:
    """One line of at most `length` characters, for the picture; the page shows the whole."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= length else line[: length - 1] + "…"
