"""What `accelerate launch` and `torchrun` start.

accelerate launch scripts/train.py --config configs/modelnet40.yaml --train.lr 3e-4
torchrun --nproc_per_node 2 scripts/train.py --config configs/modelnet40.yaml
"""

from pc_align.cli import train_main

if __name__ == "__main__":
    train_main()
