"""Real gloo ranks for tests: processes that are started once and then run one function after the other.

    ranks(4).run(function, *arguments)   # the function runs on every rank; results in the order of ranks

The function must be importable (a top-level function of a test file). A rank that raises makes `run` raise.
"""

from __future__ import annotations

import atexit
import pickle
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# A fork server that has torch loaded starts a rank in milliseconds; plain fork would inherit OpenMP's threads.
_context = get_context("forkserver")
_context.set_forkserver_preload(["torch.distributed", "torch.nn.parallel", "pc_align.alignment"])


class RankError(AssertionError):
    """A function raised on a rank. `errors` has the exception of each rank, None where it passed."""

    def __init__(self, errors: list[BaseException | None], text: str) -> None:
        super().__init__(text)
        self.errors = errors


class Ranks:
    """A group of processes.

    Args:
        world_size: how many.
        timeout: of the package's collectives, in seconds.
        set_up: whether the package's own groups are made at the start, as the trainer does.
    """

    def __init__(self, world_size: int, timeout: float = 20.0, set_up: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory()
        store = str(Path(self._folder.name) / "store")
        self._connections: list[Connection] = []
        self.last: list[Any] = []
        self.processes = []
        for rank in range(world_size):
            here, there = _context.Pipe()
            arguments = (rank, world_size, store, timeout, set_up, there)
            process = _context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            there.close()
            self._connections.append(here)
            self.processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any, patience: float = 90.0) -> list[Any]:
        """What the function returns on each rank.

        Raises:
            RankError: it raised somewhere, a rank died, or one took longer than `patience` seconds.
        """
        for connection in self._connections:
            connection.send_bytes(pickle.dumps((function, arguments)))
        results, errors, texts = [], [], []
        for rank, connection in enumerate(self._connections):
            result, error, text = None, None, ""
            try:
                if connection.poll(patience):
                    result, error, text = pickle.loads(connection.recv_bytes())
                else:
                    error = text = TimeoutError(f"no answer within {patience} s")
            except (EOFError, ConnectionError) as gone:
                error = text = gone
            results.append(result)
            errors.append(error)
            texts += [f"rank {rank}: {text}"] if error is not None else []
        self.last = results
        if texts:
            raise RankError(errors, "\n".join(texts))
        return results

    def close(self) -> None:
        """Ends the processes."""
        for connection in self._connections:
            connection.close()
        for process in self.processes:
            process.join(3)
            if process.is_alive():
                process.kill()
        self._folder.cleanup()

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def ranks(world_size: int) -> Ranks:
    """The group of that size that all tests share; nothing may break its collectives."""
    group = Ranks(world_size)
    atexit.register(group.close)
    return group


def _serve(rank: int, world_size: int, store: str, timeout: float, set_up: bool, connection: Connection) -> None:
    import torch
    import torch.distributed as dist

    from pc_align import distributed
    from pc_align.distributed import set_timeout

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    if set_up:
        set_timeout(timeout)
    else:
        distributed._groups.timeout = timeout
    while True:
        try:
            function, arguments = pickle.loads(connection.recv_bytes())
        except (EOFError, ConnectionError):
            return
        try:
            answer = (function(*arguments), None, "")
        except Exception as error:
            answer = (None, _picklable(error), traceback.format_exc())
        connection.send_bytes(pickle.dumps(answer))


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(repr(error))
