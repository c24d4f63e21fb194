"""Mine triplets from the embeddings of a trained model, for `triplet_loss` and `TripletDataset`.

python scripts/mine_triplets.py --model runs/modelnet40 --data data/modelnet40 --out triplets.parquet
"""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from pc_align.data.dataset import PointTextDataset
from pc_align.data.triplets import mine_triplets, write_triplets
from pc_align.errors import PcAlignError
from pc_align.model import PointTextModel
from pc_align.zeroshot import embed_split


def main() -> int:
    """Embeds the split, mines, writes the file, and says how many triplets it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="run or checkpoint folder")
    parser.add_argument("--data", required=True, help="folder made by `pc-align prepare`")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", default="triplets.parquet", help="Parquet file to write")
    parser.add_argument("--kind", default="semi_hard", choices=["semi_hard", "hard", "violating"])
    parser.add_argument("--margin", type=float, default=0.2)
    parser.add_argument("--per-anchor", type=int, default=1, help="positives of each anchor")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        model, data = PointTextModel.from_pretrained(given.model), PointTextDataset(given.data, given.split)
        with tqdm(total=len(data), desc="embedding", unit="cloud") as bar:
            embeddings = embed_split(model, data, num_points=model.cloud_format.num_points, progress=bar.update)
        rule = {"kind": given.kind, "margin": given.margin, "per_anchor": given.per_anchor, "seed": given.seed}
        triplets = mine_triplets(embeddings.numpy(), data.labels, **rule)
        notes = {**rule, "model": given.model, "data_set": data.card.name, "split": given.split}
        write_triplets(given.out, triplets, data.ids(), {**notes, "content_sha256": data.info.content_sha256})
    except (PcAlignError, ValueError, OSError) as error:
        print(f"mine_triplets: {error}", file=sys.stderr)
        return 1
    print(f"{given.out}: {len(triplets)} triplets of {len(data)} shapes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
