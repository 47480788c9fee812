"""Hundreds of bad inputs, over every command, option, file and key: one sentence, exit code 2, and finished work as it was."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.cli import bad_inputs
from tests.harness.cli.bad_inputs import Case
from tests.harness.cli.finished import answering
from tests.harness.cli.forked import Ended, Forked
from tests.harness.conftest import Run, environment

#: In characters, of what stands behind "Error: "; and in seconds.
LONGEST, SLOWEST = 400, 30

#: Of each kind so many cases run, evenly drawn from them; all, in minutes, where XREASON_BATTERY is 10000.
AT_MOST = int(os.environ.get("XREASON_BATTERY") or 60)

#: What a command may say before its error: how far it has come.
_PROGRESS = re.compile(r".*(: (scored|trained) before|: \d+ of \d+ verdicts changed|^engine: starting vLLM with .*)$")
#: What a comparison says besides, where one row fails: the others go on, the board says so, and the exit code is 3.
_GOES_ON = re.compile(r".* failed, what else there is goes on: .*|written to .*")
_ROW_FAILED, _BOARD, _SAMPLES = 3, "leaderboard.", "samples"


class Battery(NamedTuple):
    """The finished world, what runs commands, and the address of a server that answers."""

    world: Path
    forked: Forked
    url: str

    def run(self, case: Case) -> str:
        """Runs a case in a copy of the world; returns what is wrong with how it ends, "" for nothing."""
        # as long a name as the world's, so that the paths in its files are as long
        place = self.world.with_name("place")
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.world, place, symlinks=True)
        for path in place.rglob("checkpoint.json"):
            path.write_text(path.read_text().replace(str(self.world), str(place)))
        case.make(place)
        before = _hashes(place)
        arguments = [each.replace("{url}", self.url) for each in case.arguments]
        ended = self.forked.run(*arguments, at=place, timeout=SLOWEST)
        after = _hashes(place)
        lost = [name for name, content in before.items() if after.get(name) != content]
        if _is_of_a_row(ended, case):
            lost = [name for name in lost if not Path(name).name.startswith(_BOARD) and Path(name).parent.name != _SAMPLES]
        wrong = [*problems_of(ended, case), *(f"{name} is not what it was" for name in lost)]
        return f"{case.name}: {'; '.join(wrong)}: {ended.err[-300:]}" if wrong else ""


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _is_of_a_row(ended: Ended, case: Case) -> bool:
    return case.arguments[:1] == ("compare",) and ended.code == _ROW_FAILED


def problems_of(ended: Ended, case: Case) -> Iterator[str]:
    """Yields what is wrong with how a command ended."""
    *before, last = ended.err.strip().split("\n")
    of_a_row, comparison = _is_of_a_row(ended, case), case.arguments[:1] == ("compare",)
    begins = "Failed: " if of_a_row else "Error: "
    if ended.code != 2 and not of_a_row:
        yield f"exit code {ended.code}"
    if "Traceback" in ended.err:
        yield "a traceback"
    if not last.startswith(begins) or len(last) > LONGEST + len(begins):
        yield f"no one sentence of at most {LONGEST} characters"
    yield from (f"also says {line!r}" for line in before if not (_PROGRESS.match(line) or (comparison and _GOES_ON.match(line))))
    yield from (f"does not say {each!r}" for each in case.says if each not in last)


@pytest.fixture(scope="module")
def battery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battery]:
    folder = tmp_path_factory.mktemp("bad-inputs")
    world = folder / "world"
    world.mkdir()
    with answering() as url, Forked(folder, environment()) as forked:
        made = forked.run(world, url, at=world, call="tests.harness.cli.finished:make", timeout=300)
        assert made.code == 0, made.err
        yield Battery(world, forked, url)


def _evenly(cases: Sequence[Case]) -> list[Case]:
    step = max(1, -(-len(cases) // AT_MOST))
    return list(cases)[::step]


def _assert_all(battery: Battery, cases: Sequence[Case]) -> None:
    assert len({case.name for case in cases}) == len(cases)
    wrong = [said for case in _evenly(cases) if (said := battery.run(case))]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


def test_the_battery_is_of_hundreds_and_leaves_out_no_command_and_no_option(battery: Battery) -> None:
    cases = bad_inputs.of_everything(battery.world)
    assert len(cases) >= 300
    assert {words for words, _ in bad_inputs.commands()} == set(bad_inputs.RUNS)


def test_a_finished_world_is_good(battery: Battery) -> None:
    for arguments in (
        bad_inputs.COMPARE,
        ("rescore", "runs"),
        ("board", "runs/quick"),
        ("tasks", "--tasks", "own"),
        bad_inputs.FIND,
    ):
        ended = battery.forked.run(*arguments, at=battery.world)
        assert ended.code == 0, ended.err


def test_a_damaged_file_is_one_sentence_that_names_it(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_files()))


def test_a_wrong_key_is_one_sentence_that_names_its_file(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_keys(battery.world)))


def test_a_wrong_option_is_one_sentence(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_options()))


def test_a_wrong_experiment_is_one_sentence(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_experiments()))


def test_a_server_that_answers_nothing_of_use_is_one_sentence(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_servers()))


def test_a_wrong_table_is_one_sentence_that_names_it(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_tables()))


def test_a_model_that_is_damaged_is_one_sentence(battery: Battery) -> None:
    _assert_all(battery, list(bad_inputs.of_models()))


def test_what_is_nowhere_or_in_the_way_is_one_sentence(battery: Battery) -> None:
    _assert_all(battery, bad_inputs.REST)


def test_a_dry_run_says_what_is_wrong_in_the_command_s_own_words(battery: Battery) -> None:
    for arguments in (
        ("compare", "nowhere.yaml"),
        ("compare", "exp.yaml", "--methods", "slm"),
        ("compare", "exp.yaml", "--languages", "xx"),
        ("train", "slam", "--model", "model", "--layers", "99", "--source", "pocket"),
        ("train", "full", "--model", "./nowhere"),
        ("train", "full", "--model", "model", "--source", "pocket", "--corpora", "nothing"),
        ("score",),
        ("score", "./nowhere", "--suites", "pocket"),
    ):
        said = [battery.forked.run(*arguments, *more, at=battery.world, timeout=SLOWEST) for more in ((), ("--dry-run",))]
        assert [each.code for each in said] == [2, 2], arguments
        assert said[0].err == said[1].err, arguments
    finished = battery.forked.run(*bad_inputs.COMPARE, "--dry-run", "--json", at=battery.world, timeout=SLOWEST)
    assert finished.code == 0, finished.err
    told = json.loads(finished.out)
    assert (told["steps"], told["steps_done"], told["engines"]) == (5, 5, [])
    alone = battery.forked.run(*bad_inputs.COMPARE, "--tflops", "1", at=battery.world, timeout=SLOWEST)
    assert (alone.code, "add --dry-run" in alone.err) == (2, True)


#: Every one of these is a process of its own, as a person starts it: seconds each, for what it imports.
AS_A_PERSON = (
    ("compare", "exp.yaml", "--limit", "0"),
    ("compare", "nowhere.yaml"),
    ("board", "nowhere"),
    ("count", "./nowhere"),
    ("score", "./nowhere", "--suites", "pocket"),
    ("score", "x", "--suites", "pocket", "--endpoint", "http://127.0.0.1:9"),
    ("rescore", "nowhere"),
    ("export", "nowhere", "new"),
    ("tasks", "--tasks", "nowhere"),
    ("language", "add", "qqq", "--suite", "mgsm"),
    ("suite", "remove", "mgsm"),
    ("pocket", "build", "/dev/null"),
    ("nothing",),
)


@pytest.mark.parametrize("arguments", AS_A_PERSON, ids=" ".join)
def test_a_process_of_its_own_says_the_same_sentence(xreason: Run, arguments: tuple[str, ...]) -> None:
    done = xreason(*arguments)
    ended = Ended(done.returncode, done.stdout, done.stderr, 0)
    assert not list(problems_of(ended, Case("", arguments))), done.stderr
