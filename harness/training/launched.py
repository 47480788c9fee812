"""What each of several processes runs that train one model together; training.py starts it.

python -m torch.distributed.run --nproc-per-node 2 -m xreason.harness.training.launched WORK
"""

import pickle
import sys
from pathlib import Path

from xreason.harness.progress import is_first_process
from xreason.harness.training.training import LAUNCH_FILE, TRAINING_FILE, Launch, run_here
from xreason.leaderboards.files import write_whole
from xreason.tasks.errors import UserError


def main() -> int:
    """Trains what the plan in the folder says; the first process leaves the report beside it."""
    work = Path(sys.argv[1])
    # written by the very program that started this one, a moment ago, into a folder of its own
    launch: Launch = pickle.loads((work / LAUNCH_FILE).read_bytes())  # noqa: S301
    try:
        training = run_here(launch.plan, launch.directory, launch.title, work, launch.report_to)
    except UserError as error:
        if is_first_process():
            sys.stderr.write(f"{error}\n")
        return 2
    if is_first_process():
        write_whole(work / TRAINING_FILE, training.model_dump_json(indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
