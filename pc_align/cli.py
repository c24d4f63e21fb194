"""The command `pc-align`: prepare, train, evaluate, classify. Errors are one line and a non-zero exit status."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pc_align.errors import ConfigError, LabelError, PcAlignError, PointCloudReadError

if TYPE_CHECKING:  # torch and all that is on it load only when a command needs them, so that --help is quick
    from pc_align.data.dataset import PointTextDataset
    from pc_align.metrics import Evaluation
    from pc_align.report import GalleryItem

DESCRIPTION = """Point clouds and language in one space.

  pc-align prepare synthetic --out data/shapes          make the built-in data set
  pc-align train --config configs/demo.yaml             train (or: accelerate launch scripts/train.py --config ...)
  pc-align evaluate --model runs/demo --data data/shapes
  pc-align classify chair.ply --model runs/demo --labels "chair,table,lamp"
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `pc-align`; exits with 0, 1 (an input is not usable) or 2 (a wrong command line or config)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # These two have a parser of their own, which knows every one of their options.
    if arguments[:1] == ["prepare"]:
        raise SystemExit(subprocess.call([sys.executable, "-m", "data_prep", *arguments[1:]]))
    if arguments[:1] == ["train"]:
        train_main(arguments[1:], prog="pc-align train")
        raise SystemExit(0)
    args = _parser().parse_args(arguments)
    raise SystemExit(_run("pc-align " + args.command, lambda: args.run(args)))


def train_main(arguments: Sequence[str] | None = None, prog: str = "train.py") -> None:
    """Entry point of training, for `pc-align train` and scripts/train.py."""
    from pc_align.config import config_from_command_line

    config = config_from_command_line(list(sys.argv[1:] if arguments is None else arguments), prog)

    def run() -> int:
        from pc_align.trainer import train

        folder = train(config)
        if os.environ.get("RANK", "0") == "0":
            print(f"checkpoint: {folder / 'best'}", flush=True)
        return 0

    status = _run(prog, run)
    if status:
        raise SystemExit(status)


def _run(prog: str, work: Callable[[], int]) -> int:
    try:
        return work()
    except PcAlignError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2 if isinstance(error, (ConfigError, LabelError)) else 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="pc-align", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("prepare", help="make a data set from shapes; see `pc-align prepare --help`")
    commands.add_parser("train", help="train a model; see `pc-align train --help`")

    evaluate = commands.add_parser(
        "evaluate",
        help="zero-shot classification of prepared data, with figures, protocol and report",
        description="Classify the clouds of a prepared data set by prompts of their class names, and write a report.",
    )
    evaluate.add_argument("--model", required=True, help="run folder, model folder or hub id")
    evaluate.add_argument("--data", required=True, type=Path, help="folder made by `pc-align prepare`")
    evaluate.add_argument("--splits", nargs="+", help="by default every split whose name starts with 'test'")
    evaluate.add_argument("--num-points", type=int, help="use only the first N points of each cloud")
    evaluate.add_argument(
        "--out", type=Path, help="folder of report.html, report.png, results.json; default MODEL/evaluation"
    )
    evaluate.add_argument("--seed", type=int, default=0, help="chooses the clouds that the report shows")
    evaluate.set_defaults(run=_evaluate)

    classify = commands.add_parser(
        "classify",
        help="name point clouds and meshes by text prompts",
        description="Rank text labels for each file by their probability.",
    )
    classify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="mesh or point cloud")
    classify.add_argument("--model", required=True, help="run folder, model folder or hub id")
    classify.add_argument("--labels", required=True, help="names with commas between, or @FILE with one name a line")
    classify.add_argument(
        "--templates", nargs="+", help="prompt templates with {} for the name; default: the model's own"
    )
    classify.add_argument("--top-k", type=int, default=3, help="how many names to print for each file (default 3)")
    classify.add_argument(
        "--up-axis", choices=("x", "y", "z"), help="axis that points up in the files (default: by kind)"
    )
    classify.add_argument("--json", action="store_true", help="one JSON object a line, with all scores")
    classify.add_argument("--report", type=Path, metavar="FOLDER", help="also draw the clouds with their scores there")
    classify.set_defaults(run=_classify)
    return parser


def _classify(args: argparse.Namespace) -> int:
    import torch

    from pc_align.data.io import read_points
    from pc_align.model import PointTextModel
    from pc_align.zeroshot import ZeroShotClassifier, check_labels

    labels = check_labels(_labels(args.labels))
    if args.top_k < 1:
        raise ConfigError(f"--top-k {args.top_k}: must be at least 1")
    model = PointTextModel.from_pretrained(args.model)
    try:
        classifier = ZeroShotClassifier(model, labels, args.templates)
    except ValueError as error:
        raise ConfigError(f"--templates: {error}") from None
    failed, gallery = 0, []
    for path in args.files:
        try:
            points = read_points(path, model.cloud_format.num_points, up_axis=args.up_axis)
        except PointCloudReadError as error:
            print(f"pc-align classify: {error}", file=sys.stderr)
            failed += 1
            continue
        scores = classifier(torch.from_numpy(points)[None])[0].tolist()
        ranked = sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])
        _print_ranked(path, ranked, args)
        if args.report:
            gallery.append(_gallery_item(str(path), points, "", ranked))
    if args.report and gallery:
        from pc_align.report import write_report

        write_report(
            args.report, title="Zero-shot classification", evaluations=[], gallery={"files": gallery}, history=[]
        )
        print(f"report: {args.report / 'report.html'}", file=sys.stderr)
    return 1 if failed else 0


def _labels(text: str) -> list[str]:
    if not text.startswith("@"):
        return [name.strip() for name in text.split(",")]
    try:
        lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LabelError(f"--labels {text}: {error.strerror}") from None
    return [line.strip() for line in lines if line.strip()]


def _print_ranked(path: Path, ranked: list[tuple[str, float]], args: argparse.Namespace) -> None:
    if args.json:
        top = [{"label": label, "probability": round(score, 6)} for label, score in ranked]
        print(json.dumps({"file": str(path), "ranked": top}, ensure_ascii=False), flush=True)
        return
    print(path)
    width = max(len(label) for label, _ in ranked[: args.top_k])
    for place, (label, score) in enumerate(ranked[: args.top_k], start=1):
        print(f"  {place:>2}. {label:<{width}}  {score:6.1%}  {'█' * round(score * 30)}", flush=True)


def _evaluate(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from pc_align.data.dataset import PointTextDataset
    from pc_align.data.storage import read_card
    from pc_align.model import PointTextModel
    from pc_align.report import write_report
    from pc_align.zeroshot import evaluate

    model = PointTextModel.from_pretrained(args.model)
    notes = model.notes
    card = read_card(args.data)
    splits = args.splits or [name for name in card.splits if name.startswith("test")]
    out = args.out or Path(args.model) / "evaluation"
    evaluations, gallery = [], {}
    for split in splits:
        dataset = PointTextDataset(args.data, split)
        with tqdm(total=len(dataset), desc=split, unit="cloud", leave=False) as bar:
            result = evaluate(model, dataset, num_points=args.num_points, progress=bar.update)
        result.protocol["checkpoint"] = (
            f"{args.model}, {notes.get('checkpoint_rule', 'unknown rule')}, epoch {notes.get('epoch', '?')}"
        )
        result.protocol["training seed"] = str(notes.get("seed", "unknown"))
        evaluations.append(result)
        gallery[split] = _sample_gallery(result, dataset, args.seed)
        print(_protocol_text(result), flush=True)
    print(results_table(evaluations))
    history = _read_history(Path(args.model) / "metrics.jsonl")
    title = f"{card.name}: zero-shot classification"
    picture, page = write_report(out, title=title, evaluations=evaluations, gallery=gallery, history=history)
    results = out / "results.json"
    results.write_text(json.dumps([_as_json(result) for result in evaluations], indent=1), encoding="utf-8")
    print(f"picture: {picture}\nreport:  {page}\nresults: {results}")
    return 0


def results_table(evaluations: Sequence[Evaluation]) -> str:
    """The figures of evaluations as a text table."""
    names = ("top1", "top3", "top5", "class_accuracy", "chance")
    titles = ("top-1", "top-3", "top-5", "class acc.", "chance")
    width = max(len(result.name) for result in evaluations)
    lines = [
        f"{'split':<{width}}  {'clouds':>6} {'classes':>7} "
        + " ".join(f"{title:>10}" for title in titles)
        + "   95 % interval"
    ]
    for result in evaluations:
        figures = " ".join(f"{result.metrics[name]:>10.1%}" for name in names)
        interval = f"{result.metrics['top1_low']:.1%} to {result.metrics['top1_high']:.1%}"
        lines.append(
            f"{result.name:<{width}}  {len(result.ids):>6} {len(result.class_names):>7} {figures}   {interval}"
        )
    return "\n".join(lines)


def _protocol_text(result: Evaluation) -> str:
    width = max(map(len, result.protocol))
    return "\n".join(
        [
            f"{result.name}: {result.description}",
            *(f"  {key:<{width}}  {value}" for key, value in result.protocol.items()),
        ]
    )


def _as_json(result: Evaluation) -> dict[str, object]:
    predictions = [result.class_names[i] for i in result.scores.argmax(axis=1)]
    return {
        "split": result.name,
        "description": result.description,
        "metrics": result.metrics,
        "protocol": result.protocol,
        "class_names": result.class_names,
        "predictions": dict(zip(result.ids, predictions, strict=True)),
    }


def _sample_gallery(result: Evaluation, dataset: PointTextDataset, seed: int, count: int = 24) -> list[GalleryItem]:
    """Clouds drawn at random, so that right and wrong answers show as they come."""
    import numpy as np

    from pc_align.data.transforms import turn_up_axis

    chosen = np.random.default_rng(seed).permutation(len(dataset))[:count]
    items = []
    for index in chosen.tolist():
        scores = result.scores[index]
        ranked = [(result.class_names[k], float(scores[k])) for k in np.argsort(-scores)[:5]]
        points = turn_up_axis(dataset.cloud(index), dataset.card.format.up_axis, "z")
        items.append(_gallery_item(result.ids[index], points, result.class_names[result.labels[index]], ranked))
    return items


def _gallery_item(name: str, points: object, label: str, ranked: list[tuple[str, float]]) -> GalleryItem:
    import numpy as np

    from pc_align.data.transforms import normalize
    from pc_align.report import GalleryItem

    return GalleryItem(name, normalize(np.asarray(points, dtype=np.float32)[:, :3]), label, ranked[:5])


def _read_history(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
