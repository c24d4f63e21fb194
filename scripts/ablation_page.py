"""What `ablate_objectives.py` writes: table, picture, and what can be said of the differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, float]

BASELINE = "infonce"
FIGURES = {"top1": "zero-shot top-1", "recall1": "retrieval R@1", "ratio": "within / between"}
BEGIN, END = "<!-- ablation of objectives: begin -->", "<!-- ablation of objectives: end -->"


def page(
    results: dict[str, list[Result]],
    times: dict[str, float],
    weights: Mapping[str, Any],
    budget: Mapping[str, Any],
    picture: str,
) -> str:
    """Table, picture and what can be said, as Markdown."""
    base = results[BASELINE]
    lines = [
        "## Auxiliary objectives beside InfoNCE",
        "",
        f"ModelNet40, {budget['epochs']} epochs of {budget['num_points']} points, batches of {budget['batch_size']} "
        f"({budget['classes_per_batch']} classes), {len(base)} seeds, the last checkpoint; "
        f"`python scripts/ablate_objectives.py --epochs {budget['epochs']} --num-points {budget['num_points']} --seeds "
        f"{budget['seeds']}`. Mean over seeds, in brackets the difference to InfoNCE alone with the same seed "
        "(lowest, highest). R@1: the nearest other test cloud is of the same class. Within / between: mean cosine "
        "distance of test clouds of one class over that of different classes, lower is tighter. Time: what the added "
        f"objective costs in a step, of {times['step']:.0f} ms.",
        "",
        "| objectives | weight | " + " | ".join(FIGURES.values()) + " | added time |",
        "|---|---|---|---|---|---|",
    ]
    for arm, rows in results.items():
        cells = [_cell(rows, base, figure) for figure in FIGURES]
        added = times[arm] - times[BASELINE]
        cost = "" if arm == BASELINE else f"{added:.1f} ms ({added / times['step']:.1%})"
        weight = "" if arm == BASELINE else weights[arm]
        lines.append(
            f"| {'InfoNCE alone' if arm == BASELINE else '+ ' + arm} | {weight} | {' | '.join(cells)} | {cost} |"
        )
    return "\n".join([*lines, "", f"![Differences to InfoNCE alone]({picture})", "", verdict(results), ""])


def differences(rows: list[Result], base: list[Result], figure: str) -> list[float]:
    """Arm minus baseline, for each seed."""
    return [row[figure] - other[figure] for row, other in zip(rows, base, strict=True)]


def _cell(rows: list[Result], base: list[Result], figure: str) -> str:
    percent = figure != "ratio"
    mean = statistics.mean(row[figure] for row in rows)
    text = f"{mean:.1%}" if percent else f"{mean:.3f}"
    if rows is base:
        return text
    low, high = min(differences(rows, base, figure)), max(differences(rows, base, figure))
    return text + (f" ({100 * low:+.1f}, {100 * high:+.1f})" if percent else f" ({low:+.3f}, {high:+.3f})")


def bar(results: dict[str, list[Result]], figure: str) -> float:
    """How large a difference of means must be to count: three standard errors, infinite with a single seed.

    The noise is what is left of all runs after the mean of each arm and of each seed. Two seeds of the baseline alone
    would not do: if they are lucky, everything looks worse. Three: one of twenty tables like this has a false finding.
    """
    values = np.array([[row[figure] for row in rows] for rows in results.values()])  # [arms, seeds]
    freedom = (values.shape[0] - 1) * (values.shape[1] - 1)
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    return 3 * float(np.sqrt((left**2).sum() / freedom * 2 / values.shape[1])) if freedom else float("inf")


def verdict(results: dict[str, list[Result]]) -> str:
    """What the differences allow to say."""
    base, sentences = results[BASELINE], []
    for figure, sign in (("top1", 1), ("recall1", 1), ("ratio", -1)):
        enough = bar(results, figure)
        gains = {arm: sign * statistics.mean(differences(rows, base, figure)) for arm, rows in results.items()}
        better, worse = ([arm for arm, gain in gains.items() if way * gain > enough] for way in (1, -1))
        shown = f"{100 * enough:.1f} points" if figure != "ratio" else f"{enough:.3f}"
        title = FIGURES[figure][0].upper() + FIGURES[figure][1:]
        sentences.append(
            f"{title} ({shown}): better {', '.join(better) or 'none'}; worse {', '.join(worse) or 'none'}."
        )
    return (
        "A difference counts here if it is more than three standard errors, as all runs together show the noise. "
        f"{' '.join(sentences)} All others cannot be told from InfoNCE alone. {len(base)} seeds of a short training "
        "say little about small differences, and nothing about long trainings."
    )


def draw(results: dict[str, list[Result]], path: Path) -> None:
    """Bars: difference of each arm to InfoNCE alone, mean and every seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    base = results[BASELINE]
    arms = [arm for arm in results if arm != BASELINE]
    figure, axes = plt.subplots(1, 3, figsize=(11, 0.9 + 0.28 * len(arms)), sharey=True)
    for axis, (key, title) in zip(axes, FIGURES.items(), strict=True):
        factor = 1 if key == "ratio" else 100
        for y, arm in enumerate(arms):
            values = [factor * value for value in differences(results[arm], base, key)]
            good = (statistics.mean(values) > 0) != (key == "ratio")
            axis.barh(y, statistics.mean(values), color="#4477aa" if good else "#cc6677")
            axis.plot(values, [y] * len(values), "k.", markersize=4)
        enough = factor * bar(results, key)
        if math.isfinite(enough):
            axis.axvspan(-enough, enough, color="0.88", zorder=0)
        axis.axvline(0, color="k", linewidth=0.8)
        axis.set_title(title + (" (points)" if key != "ratio" else " (lower is tighter)"), fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].set_yticks(range(len(arms)), arms)
    axes[0].invert_yaxis()
    figure.suptitle("Difference to InfoNCE alone; dots: seeds; grey: too small to count", fontsize=9)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def insert(document: Path, text: str) -> None:
    """Puts the text between the marks of a page, or at its end."""
    page_text = document.read_text(encoding="utf-8") if document.exists() else "# Results\n"
    block = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in page_text and END in page_text:
        before, rest = page_text.split(BEGIN, 1)
        page_text = before + block + rest.split(END, 1)[1]
    else:
        page_text = f"{page_text.rstrip()}\n\n{block}\n"
    document.write_text(page_text, encoding="utf-8")
