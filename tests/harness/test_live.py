from pathlib import Path

from xreason.harness.live import LiveTable
from xreason.harness.placing import Hands, Job
from xreason.harness.store.steps import Step


class _Score(Job):
    def do(self, hands: Hands) -> None:
        raise NotImplementedError


def _speeds(table: LiveTable) -> list[str]:
    return [str(cell) for cell in table.table().columns[-1].cells]


def test_what_is_done_shows_its_speed_and_not_how_far_it_was_said_to_be_last(tmp_path: Path) -> None:
    steps = (Step(folder=tmp_path / "step", key="1"),)
    jobs = [_Score(name=name, what="scoring", rows=(name,), steps=steps) for name in ("slam", "full")]
    table = LiveTable(jobs)
    for job in jobs:
        table.state(job, "begun", "here")
    table.moved(jobs[0].key, 1424, 1500, "1,424 questions")
    table.moved(jobs[1].key, 1500, 1500, "loss 0.10, 7,504 tokens/s")
    assert _speeds(table) == ["1,424 of 1,500", "7,504 tokens/s"]
    for job in jobs:
        table.state(job, "done")
    assert _speeds(table) == ["", "7,504 tokens/s"]
