"""Run a function on two ranks that talk through gloo, without a port and without a launcher."""

import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

WORLD = 2


def run_two_ranks(
    fn: Callable[..., Any], tmp_path: Path, *args: Any, timeout: float = 120.0
) -> list[Any]:
    """Call ``fn(rank, *args)`` in two processes of one gloo group.

    Args:
        fn: Function at the top level of a test file. The file is imported again in each process.
        tmp_path: Folder for what the processes exchange.
        *args: Tensors and plain values, the same for both ranks.
        timeout: Seconds until the ranks are stopped and the test fails.

    Returns:
        What the two ranks returned (tensors and plain containers), in rank order.
    """
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    torch.save(args, folder / "args.pt")
    source = fn.__code__.co_filename
    # The server is a fresh process that has only imported torch: forking it is quick, and safe,
    # because nothing has run there that starts threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch.distributed"])
    ranks = [
        context.Process(target=_run_rank, args=(source, fn.__name__, rank, str(folder)))
        for rank in range(WORLD)
    ]
    for process in ranks:
        process.start()
    deadline = time.monotonic() + timeout
    # One rank that failed leaves the other waiting for it, so both are watched.
    while any(p.is_alive() for p in ranks) and not any(p.exitcode for p in ranks):
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    failed = [rank for rank, process in enumerate(ranks) if process.exitcode != 0]
    for process in ranks:
        process.kill()
        process.join()
    if failed:
        reports = [p.read_text() for r in failed if (p := folder / f"error{r}.txt").exists()]
        raise RuntimeError(
            f"ranks {failed} did not finish within {timeout} s or failed\n" + "\n".join(reports)
        )
    return [torch.load(folder / f"result{rank}.pt", weights_only=True) for rank in range(WORLD)]


def _run_rank(source: str, name: str, rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    # As a launcher would set them, for code that reads the environment.
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(WORLD))
    try:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD
        )
        spec = importlib.util.spec_from_file_location(Path(source).stem, source)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        args = torch.load(f"{folder}/args.pt", weights_only=True)
        result = getattr(module, name)(rank, *args)
        torch.save(result, f"{folder}/result{rank}.pt")
        dist.barrier()
        dist.destroy_process_group()
    except BaseException:
        Path(folder, f"error{rank}.txt").write_text(traceback.format_exc())
        raise SystemExit(1) from None
