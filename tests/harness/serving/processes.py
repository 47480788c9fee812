"""vLLM in processes of its own, as it runs on GPUs, here with two workers; started by test_processes.py, in a process of its own.

    python -m tests.harness.serving.processes FOLDER

Four rows: the pocket model; a checkpoint of it, swapped in; another checkpoint, whose scoring loses a worker in the middle; and the
first checkpoint as a whole folder, on which the next engine starts.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

MOVED = 16


def checkpoint(folder: Path, seed: int) -> Path:
    """Writes a checkpoint of the pocket model that differs in 16 tensors: those of five feed-forward layers and the last norm."""
    import torch
    from transformers import AutoModelForCausalLM

    from xreason.trainers.checkpoints.delta import save_checkpoint
    from xreason.trainers.pocket import MODEL

    model, chance = AutoModelForCausalLM.from_pretrained(MODEL), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (".mlp." in name and ".5." not in name) or name == "model.norm.weight":
                parameter += 0.02 * torch.randn(parameter.shape, generator=chance)
    assert len(save_checkpoint(model, "pocket", folder, method="sixteen", seed=seed).tensors) == MOVED
    return folder


def main(place: Path) -> None:
    import psutil

    from xreason.harness import progress
    from xreason.harness.plan import plan_scoring
    from xreason.harness.run import run
    from xreason.harness.scoring.questions import scorings
    from xreason.trainers.checkpoints.delta import materialise, read_checkpoint

    swapped, doomed = checkpoint(place / "swapped", 0), checkpoint(place / "doomed", 1)
    started = materialise(read_checkpoint(swapped), place / "started")
    out, said = place / "runs", list[str]()

    def kill() -> None:
        # as soon as the row's first responses are there
        while not any(path.stat().st_size for path in out.rglob(".answers-*") if "doomed" in str(path)):
            time.sleep(0.01)
        next(each for each in psutil.Process().children(recursive=True) if "Worker" in each.name()).kill()

    progress.say = said.append
    # blocks of 32 tokens: prompts begin alike for several of them, which a prefix cache that was not dropped would answer from
    # 8 at a time: the row's first responses are there long before its last
    engine = {"tensor_parallel_size": 2, "block_size": 32, "max_num_seqs": 8}
    models = ["pocket", *map(str, (swapped, doomed, started))]
    plan = plan_scoring(models, scorings(["pocket"], ["en", "sw"], limit=40, max_new_tokens=24), out, engine=engine)
    threading.Thread(target=kill, daemon=True).start()
    done = run(plan)
    left = [each.name() for each in psutil.Process().children(recursive=True) if "VLLM" in each.name()]
    (place / "result.json").write_text(json.dumps({"failures": done.failures, "said": said, "left": left}))


if __name__ == "__main__":
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "OMP_NUM_THREADS": "1"}
    main(Path(sys.argv[1]))
