"""A script for tests: two ranks started by accelerate check every objective and gradient caching; prints a summary."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator, debug_launcher
from accelerate.utils import DistributedDataParallelKwargs

sys.path.insert(0, str(Path(__file__).parent / "objectives"))
from test_across_ranks import Tiny, _global_batch, check_all
from test_gradient_cache import _alone, _own_rows, assert_same, make

from pc_align.distributed import all_reduce_sum, set_timeout
from pc_align.gradient_cache import cached_step

COUNTS = [5, 2]


def check_against_one_process() -> None:
    """Prepared models and accelerator.backward; raises where something differs from one process."""
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True, kwargs_handlers=[DistributedDataParallelKwargs()])
    set_timeout(20)
    rank = accelerator.process_index
    whole = _global_batch(sum(COUNTS), seed=3)
    start = sum(COUNTS[:rank])
    own = {name: value[start : start + COUNTS[rank]] for name, value in whole.items()}
    prepared, alone = accelerator.prepare(Tiny()), Tiny()
    loss = prepared("info_nce", own, {})
    accelerator.backward(loss)
    wanted = alone("info_nce", whole, {}, reference=True)
    wanted.backward()
    pairs = zip(accelerator.unwrap_model(prepared).parameters(), alone.parameters(), strict=True)
    worst = max(float((one.grad - other.grad).abs().max()) for one, other in pairs)
    mean = all_reduce_sum(loss) / accelerator.num_processes - wanted.detach()
    check_all(COUNTS)
    prepared, alone = accelerator.prepare(make()), make()
    _alone(alone, sum(COUNTS))
    cached_step(prepared, _own_rows(COUNTS), 2, accelerator.backward)
    assert_same(accelerator.unwrap_model(prepared), alone)
    seen = {"ranks": accelerator.num_processes, "loss_error": abs(float(mean)), "gradient_error": worst}
    if rank == 0:
        print(json.dumps(seen))


if __name__ == "__main__":
    debug_launcher(check_against_one_process, num_processes=2)
