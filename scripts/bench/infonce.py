"""Time and peak memory of InfoNCE, forward and backward, beside what others offer; prints a table and draws a plot.

    python scripts/bench/infonce.py --quick          # the sizes that the goals are about
    python scripts/bench/infonce.py                  # all sizes

Every case has a process of its own. The processes of one size take turns, so that a busy machine disturbs them alike,
and the table shows medians. Inputs are raw float32 embeddings; normalising them is part of what is measured. Extra
memory is the peak of the resident memory above what was there when the inputs were ready; their gradients are in it.
Compared are, where they are installed: open_clip_torch, pytorch-metric-learning, sentence-transformers.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
SIZES = [256, 1024, 4096, 8192, 16384, 32768]
QUICK = [4096, 16384, 32768]
# Above these numbers of rows a peer needs more memory than a workstation has (NTXent's grows with the cube).
LARGEST = {"open_clip": 16384, "pytorch-metric-learning": 256, "sentence-transformers": 16384, "logits once": 16384}
ONE_PROCESS = ["pc_align", "open_clip", "logits once", "linear_cross_entropy", "sentence-transformers"]
ONE_PROCESS += ["pytorch-metric-learning"]
TWO_RANKS = ["pc_align", *(f"open_clip local={a} grad={b}" for a in (True, False) for b in (True, False))]
SCALE = 1 / 0.07


def make_loss(case: str, rank: int, world_size: int) -> Loss:
    """The named case as a function of raw points [B, E], raw texts [B, E] and the logit scale."""
    if case == "pc_align":
        from pc_align.objectives import InfoNCE

        return InfoNCE()
    if case.startswith("open_clip"):
        return _open_clip(case, rank, world_size)
    if case == "sentence-transformers":
        losses: Any = importlib.import_module("sentence_transformers.sentence_transformer.losses")

        ranking: Any = losses.MultipleNegativesRankingLoss(
            None, scale=SCALE, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
        )
        return lambda p, t, s: ranking.compute_loss_from_embeddings([p, t], None)
    if case == "pytorch-metric-learning":
        ntxent: Any = importlib.import_module("pytorch_metric_learning.losses").NTXentLoss(temperature=1 / SCALE)

        def both(p: Tensor, t: Tensor, s: Tensor) -> Tensor:
            # The same tensor twice would mean one set of embeddings, without pairs on the diagonal.
            a, b = torch.arange(len(p)), torch.arange(len(p))
            return (ntxent(p, a, ref_emb=t, ref_labels=b) + ntxent(t, a, ref_emb=p, ref_labels=b)) / 2

        return both
    return _logits_once if case == "logits once" else _linear_cross_entropy


def _open_clip(case: str, rank: int, world_size: int) -> Loss:
    # Importing open_clip itself wants torchvision; its file with the losses wants torch only.
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        raise ImportError("open_clip is not installed")
    path = Path(package.submodule_search_locations[0]) / "loss.py"
    spec = importlib.util.spec_from_file_location("open_clip_loss", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loss: Any = module.ClipLoss(
        local_loss="local=True" in case, gather_with_grad="grad=True" in case, rank=rank, world_size=world_size
    )
    return lambda p, t, s: loss(F.normalize(p, dim=-1), F.normalize(t, dim=-1), s)


def _logits_once(p: Tensor, t: Tensor, s: Tensor) -> Tensor:
    logits, labels = s * F.normalize(p, dim=-1) @ F.normalize(t, dim=-1).T, torch.arange(len(p))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def _linear_cross_entropy(p: Tensor, t: Tensor, s: Tensor) -> Tensor:
    chunked: Any = torch.nn.LinearCrossEntropyOptions()
    p, t, labels = F.normalize(p, dim=-1), F.normalize(t, dim=-1), torch.arange(len(p))
    rows = F.linear_cross_entropy(s * p, t, labels, options=chunked)
    return (rows + F.linear_cross_entropy(s * t, p, labels, options=chunked)) / 2


# --- one process: prepares its case, then runs once for each line that it reads ---------------------------------------


def work(case: str, rows: int, width: int, threads: int, rank: int, world_size: int, store: str, reuse: bool) -> None:
    """Prints a JSON line for the first run (memory, loss), then one for each line of standard input (seconds)."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    if reuse:
        from pc_align.memory import reuse_freed_memory

        reuse_freed_memory()
    if world_size > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    loss = make_loss(case, rank, world_size)
    run(loss, *make_inputs(64, width, rank))  # loads libraries and their buffers, which are nobody's extra memory
    inputs = make_inputs(rows, width, rank)
    before = resident(reset_peak=True)
    value = run(loss, *inputs)[1]
    print(json.dumps({"memory": resident()["peak"] - before["now"], "loss": value}), flush=True)
    for _ in sys.stdin:
        if world_size > 1:
            torch.distributed.barrier()
        print(json.dumps(run(loss, *inputs)[0]), flush=True)


def make_inputs(rows: int, width: int, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Raw embeddings [rows, width] and the logit scale, the same for all cases."""
    generator = torch.Generator().manual_seed(rank)
    points = torch.randn(rows, width, generator=generator)
    texts = points + torch.randn(rows, width, generator=generator)
    return points.requires_grad_(), texts.requires_grad_(), torch.tensor(SCALE, requires_grad=True)


def run(loss: Loss, *inputs: Tensor) -> tuple[float, float]:
    """Seconds of one forward and backward pass, and the loss."""
    for x in inputs:
        x.grad = None
    began = time.perf_counter()
    value = loss(*inputs)
    value.backward()
    return time.perf_counter() - began, value.item()


def resident(reset_peak: bool = False) -> dict[str, float]:
    """Resident memory of this process in MB, now and at its peak (Linux)."""
    if reset_peak:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    megabytes = {
        line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines if line.startswith(("VmHWM", "VmRSS"))
    }
    return {"now": megabytes["VmRSS"], "peak": megabytes["VmHWM"]}


# --- the process that the user starts ---------------------------------------------------------------------------------


class Case:
    """One case at one size in one or two processes."""

    def __init__(self, name: str, rows: int, options: argparse.Namespace, ranks: int) -> None:
        self.name, self.rows, self.ranks = name, rows, ranks
        self.seconds: list[float] = []
        self._folder = tempfile.TemporaryDirectory()
        self._processes = [self._start(rank, options) for rank in range(ranks)]
        first = [process.stdout.readline() for process in self._processes if process.stdout]
        self.failed = not all(first)
        answer = {"memory": float("nan"), "loss": float("nan")} if self.failed else json.loads(first[0])
        self.memory, self.loss = answer["memory"], answer["loss"]

    def _start(self, rank: int, options: argparse.Namespace) -> subprocess.Popen[str]:
        settings = {"case": self.name, "rows": self.rows, "width": options.width, "reuse": options.reuse_memory}
        settings |= {"threads": options.threads // self.ranks, "rank": rank, "world_size": self.ranks}
        settings["store"] = str(Path(self._folder.name) / "store")
        command = [sys.executable, __file__, "--work", json.dumps(settings)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self) -> None:
        """One more run; with two ranks the slower one counts."""
        for process in self._processes:
            if process.stdin:
                process.stdin.write("go\n")
                process.stdin.flush()
        self.seconds.append(max(float(process.stdout.readline()) for process in self._processes if process.stdout))

    def close(self) -> None:
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
            process.wait()
        self._folder.cleanup()


def compare(names: list[str], rows: int, options: argparse.Namespace, ranks: int = 1) -> list[Case]:
    """Runs the cases of one size in turns."""
    cases = [Case(name, rows, options, ranks) for name in names if rows <= LARGEST.get(name, rows)]
    for _ in range(options.repeats if rows < 16384 else max(1, options.repeats // 3)):
        for case in cases:
            if not case.failed:
                case.measure()
    for case in cases:
        case.close()
    return [case for case in cases if not case.failed]


def show(cases: list[Case]) -> None:
    """Rows of a Markdown table: the median, and both figures over those of open_clip (local and with gradient)."""
    named = {case.name: case for case in cases}
    against = named.get("open_clip", named.get("open_clip local=True grad=True"))
    for case in cases:
        seconds = statistics.median(case.seconds)
        ratios = ["", ""]
        if against is not None:
            ratios = [f"{seconds / statistics.median(against.seconds):.2f}", f"{case.memory / against.memory:.3f}"]
        where = f"{case.rows}" if case.ranks == 1 else f"{case.ranks} x {case.rows}"
        cells = [
            where,
            case.name,
            f"{seconds * 1000:.1f}",
            ratios[0],
            f"{case.memory:.1f}",
            ratios[1],
            f"{case.loss:.5f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def plot(cases: list[Case], path: Path) -> None:
    """Time and memory over the batch size, one line a case."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name in dict.fromkeys(case.name for case in cases):
        mine = [case for case in cases if case.name == name]
        rows = [case.rows for case in mine]
        style = {"marker": "o", "linewidth": 2.5 if name == "pc_align" else 1.2, "label": name}
        axes[0].loglog(rows, [statistics.median(case.seconds) for case in mine], **style)
        axes[1].loglog(rows, [case.memory for case in mine], **style)
    for axis, label in zip(axes, ("seconds, forward + backward", "extra peak memory, MB"), strict=True):
        axis.set(xlabel="batch size B", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="4096, 16384 and 32768 against open_clip alone")
    parser.add_argument("--sizes", type=int, nargs="*", help=f"batch sizes instead of {SIZES}; --sizes alone: none")
    parser.add_argument("--rank-rows", type=int, default=1024, help="rows of each of two ranks; 0 leaves them out")
    parser.add_argument("--width", type=int, default=512, help="E")
    parser.add_argument("--threads", type=int, default=2, help="in all processes of a case together")
    parser.add_argument("--repeats", type=int, default=9, help="timed runs; a third of it from 16384 up")
    parser.add_argument("--reuse-memory", action="store_true", help="all cases with tuned malloc (see pc_align.memory)")
    parser.add_argument("--plot", type=Path, default=Path("build/bench_infonce.png"))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(**json.loads(options.work))
        return
    sizes = options.sizes if options.sizes is not None else QUICK if options.quick else SIZES
    print("| B | case | ms | x open_clip | extra MB | x open_clip | loss |\n|---|---|---|---|---|---|---|", flush=True)
    everything: list[Case] = []
    for rows in sizes:
        cases = compare(ONE_PROCESS[:2] if options.quick else ONE_PROCESS, rows, options)
        show(cases)
        everything += cases
    if options.rank_rows:
        show(compare(TWO_RANKS, options.rank_rows, options, ranks=2))
    if everything:
        plot(everything, options.plot)
        print(f"plot: {options.plot}")


if __name__ == "__main__":
    main()
