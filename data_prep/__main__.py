"""`python -m data_prep SOURCE ...`, which `pc-align prepare` starts: one subcommand a source."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from data_prep import modelnet40
from data_prep.synthetic import generate as synthetic
from pc_align.config import CloudFormat
from pc_align.data.storage import DatasetCard, write_dataset
from pc_align.errors import PcAlignError

# A source has NAME, LICENCE, add_arguments(parser) and prepare(args) -> splits.
SOURCES = {"synthetic": synthetic, "modelnet40": modelnet40}


def main(arguments: list[str] | None = None) -> int:
    """Prepare a data set; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pc-align prepare", description="Make a data set for training and evaluation."
    )
    subparsers = parser.add_subparsers(dest="source_name", required=True, metavar="SOURCE")
    for name, module in SOURCES.items():
        text = (module.__doc__ or "").splitlines()[0]
        sub = subparsers.add_parser(
            name, help=text, description=module.__doc__, formatter_class=argparse.RawTextHelpFormatter
        )
        module.add_arguments(sub)
        sub.add_argument("--out", type=Path, required=True, help="folder to be made; an existing data set is replaced")
    args = parser.parse_args(arguments)
    try:
        _prepare(args)
    except PcAlignError as error:
        print(f"pc-align prepare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pc-align prepare: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _prepare(args: argparse.Namespace) -> None:
    module = SOURCES[args.source_name]
    command = "pc-align prepare " + shlex.join(sys.argv[1:])
    splits = module.prepare(args)
    card = DatasetCard(
        name=module.NAME,
        source=str(getattr(args, "source", args.source_name)),
        licence=module.LICENCE,
        command=command,
        format=CloudFormat(num_points=getattr(args, "num_points", 1024)),
    )
    also = synthetic.write_samples if module is synthetic else None
    card = write_dataset(args.out, card, splits, also=also)
    print(f"{args.out}: {card.name}")
    for name, split in card.splits.items():
        sizes = f"{split.count:>7} shapes  {len(split.class_names):>3} classes"
        print(f"  {name:<20} {sizes}  sha256 {split.content_sha256[:16]}")


if __name__ == "__main__":
    raise SystemExit(main())
