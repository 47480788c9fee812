"""What each of several processes runs that train one model together; `train.py` writes what to do as JSON, and starts it.

python -m xreason.harness.training.launched --standalone --nproc-per-node 2 -m xreason.harness.training.launched WORK
"""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from xreason.harness.progress import is_first_process
from xreason.harness.training.train import FAILED_FILE, KILLED, LAUNCH_FILE, TRAINING_FILE, Launch, run_here
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import UserError


def main() -> int:
    """Trains what the file in the folder says; the first process leaves the report beside it."""
    work = Path(sys.argv[1])
    if not os.environ.get("XREASON_DEBUG"):
        warnings.simplefilter("ignore")
    launch = Launch.model_validate_json((work / LAUNCH_FILE).read_text(encoding="utf-8"))
    try:
        training = run_here(launch, work)
    except UserError as error:
        if is_first_process():
            write_whole(work / FAILED_FILE, str(error))
        return 2
    except RuntimeError as error:
        # another process is gone, of which the launcher tells
        if "onnection" not in str(error) or os.environ.get("XREASON_DEBUG"):
            raise
        return 1
    if is_first_process():
        write_whole(work / TRAINING_FILE, training.model_dump_json(indent=1) + "\n")
    return 0


def launch(arguments: Sequence[str]) -> int:
    """Starts the processes as `python -m torch.distributed.run` does, but for what that says of itself; returns the exit code."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    if not os.environ.get("XREASON_DEBUG"):
        logging.disable(logging.CRITICAL)
        # what it would set, with a line of its own that it did
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        torchrun(list(arguments))
    except ChildFailedError as error:
        if any(failure.exitcode == -signal.SIGKILL for failure in error.failures.values()):
            return KILLED
        if os.environ.get("XREASON_DEBUG"):
            raise
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]) if sys.argv[1].startswith("-") else main())
