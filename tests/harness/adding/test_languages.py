"""Languages and suites come and go by a command, in a copy of the program: what is added is scored, what is removed is gone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness.test_cli import assert_sentence

from tests.harness.conftest import PROGRAM, environment
from xreason.tasks.suites import TASKS_FOLDER

ROOT = TASKS_FOLDER.parent
QUESTIONS = [
    ("Marco ha 12 mele e ne mangia 5. Quante mele gli restano?", "7"),
    ("Un treno percorre 80 km all'ora. Quanti km percorre in 3 ore?", "240"),
    ("Anna legge 15 pagine al giorno. Quante pagine legge in una settimana?", "105"),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Returns a copy of the program that a test may change."""
    for package in ("harness", "leaderboards", "tasks", "trainers"):
        shutil.copytree(ROOT / package, tmp_path / "clone" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "clone"


@pytest.fixture
def run(clone: Path) -> Run:
    """Returns what runs `xreason ARGUMENTS` in the copy."""

    def run(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return python(clone, PROGRAM[-1], *arguments, **extra)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.tsv"
    path.write_text("".join(f"{question}\t{answer}\n" for question, answer in QUESTIONS), encoding="utf-8")
    return path


def python(clone: Path, code: str, *arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    settings = environment({"PYTHONDONTWRITEBYTECODE": "1", **extra})
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=500, env=settings, check=False)


def tree(clone: Path) -> dict[str, bytes | None]:
    """Returns every file of the tasks folder with its content, and every folder."""
    found = sorted((clone / "tasks").rglob("*"))
    return {str(path.relative_to(clone)): path.read_bytes() if path.is_file() else None for path in found}


def listed(run: Run) -> dict[str, dict[str, dict[str, object]]]:
    """Returns suite to code to what `xreason tasks` says."""
    suites = json.loads(run("tasks", "--json").stdout)
    return {suite["suite"]: {each["code"]: each for each in suite["languages"]} for suite in suites}


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_italian_is_added_scored_and_removed(clone: Path, run: Run, file: Path, tmp_path: Path) -> None:
    before = tree(clone)
    added = done(run("language", "add", "it", "--suite", "mgsm", "--file", file))
    assert "3 questions in tasks/mgsm/mgsm_it.jsonl" in added
    assert "the pocket model answered 2 questions" in added
    assert "xreason score MODEL --suites mgsm --languages it" in added
    arguments = ("score", "pocket", "--suites", "mgsm", "--languages", "it", "--limit", "2", "--out", tmp_path / "runs", "--json")
    (board,) = json.loads(done(run(*arguments)))["boards"]
    assert board["questions"] == {"it": 2}
    done(run("language", "remove", "it", "--suite", "mgsm"))
    assert tree(clone) == before


def test_an_added_language_is_a_task_of_stock_lm_eval_and_a_row_of_the_table(clone: Path, run: Run, file: Path) -> None:
    before = tree(clone)
    done(run("language", "add", "ita", "--suite", "mgsm", "--file", file, "--no-proof"))
    assert set(tree(clone)) - set(before) == {"tasks/added.json", "tasks/mgsm/mgsm_it.jsonl", "tasks/mgsm/mgsm_it.yaml"}
    italian = listed(run)["mgsm"]["it"]
    assert (italian["native"], italian["questions"], italian["in_average"]) == ("italiano", 3, False)
    assert italian["where"] == "tasks/mgsm/mgsm_it.jsonl"
    assert italian["styles"] == ["alpaca", "octopus", "chat"]
    assert "italiano" in done(run("tasks"))
    probe = (
        "from lm_eval.tasks import TaskManager\n"
        "task = TaskManager(include_path='tasks', include_defaults=False).load(['mgsm_it'])['tasks']['mgsm_it']\n"
        "print([(row['question'], row['answer']) for row in task.test_docs()] == " + repr(QUESTIONS) + ")"
    )
    result = python(clone, probe)
    assert result.stdout.strip().endswith("True"), result.stderr[-2000:]
    again = run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof")
    assert_sentence(again, "MGSM has Italian (it) already", "xreason language remove it --suite mgsm")
    done(run("language", "remove", "it", "--suite", "mgsm"))
    assert tree(clone) == before


def test_a_language_in_code_is_removed_and_put_back(clone: Path, run: Run) -> None:
    before = tree(clone)
    assert "puts it back" in done(run("language", "remove", "sw", "--suite", "msvamp"))
    assert "sw" not in listed(run)["msvamp"]
    assert "msvamp_sw" not in (clone / "tasks" / "msvamp" / "_msvamp_group.yaml").read_text()
    done(run("language", "add", "sw", "--suite", "msvamp", "--no-proof"))
    assert tree(clone) == before


def test_a_language_is_added_from_the_data_folder(clone: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "msvamp").mkdir(parents=True)
    rows = [{"m_query": question, "query": "How many?", "response": answer} for question, answer in QUESTIONS]
    (folder / "msvamp" / "it.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    before = tree(clone)
    arguments = ("language", "add", "it", "--suite", "msvamp", "--no-proof")
    missing = run(*arguments)
    assert_sentence(missing, "No questions for msvamp in it", "Mathoctopus/MSVAMP", "--file")
    assert tree(clone) == before
    added = done(run(*arguments, "--data", folder))
    assert f"xreason score MODEL --suites msvamp --languages it --data {folder}" in added
    assert listed(run)["msvamp"]["it"]["questions"] == 3
    done(run("language", "remove", "it", "--suite", "msvamp"))
    assert tree(clone) == before


def test_a_suite_of_files_comes_and_goes(clone: Path, run: Run, file: Path) -> None:
    before = tree(clone)
    about = ("--title", "Little", "--source", "ours", "--max-new-tokens", "40", "--no-proof")
    done(run("suite", "add", "little-one", *about, "--file-for", f"it={file}", "--file-for", f"no={file}"))
    assert set(listed(run)["little_one"]) == {"it", "no"}
    assert "max_gen_toks: 40" in (clone / "tasks" / "little_one" / "_little_one_template").read_text()
    probe = (
        "from lm_eval.tasks import TaskManager\n"
        "tasks = TaskManager(include_path='tasks', include_defaults=False).load(['little_one'])['tasks']\n"
        "print(sorted(tasks), [task.config.generation_kwargs['max_gen_toks'] for task in tasks.values()])"
    )
    result = python(clone, probe)
    assert result.stdout.strip().endswith("['little_one_it', 'little_one_no'] [40, 40]"), result.stderr[-2000:]
    done(run("language", "add", "es", "--suite", "little_one", "--file", file, "--no-proof"))
    done(run("language", "remove", "no", "--suite", "little_one"))
    assert set(listed(run)["little_one"]) == {"es", "it"}
    done(run("suite", "remove", "little-one"))
    assert tree(clone) == before


@pytest.mark.parametrize("moment", ["settle", "_prove", "final"])
@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), 9)", "exec('raise KeyboardInterrupt')", "exec('raise OSError(28, \"full\")')"]
)
def test_an_interrupted_addition_leaves_nothing(clone: Path, run: Run, file: Path, moment: str, how: str) -> None:
    before = tree(clone)
    # the final step is the last writing of the registry, the only one with nothing unfinished
    probe = (
        "import os\nfrom pathlib import Path\nfrom xreason.harness.adding import languages\n"
        "from xreason.harness.adding.question_files import Columns\n"
        "moment, first = " + repr(moment) + ", []\n"
        "write, settle = languages.write_registry, languages.settle\n"
        f"def stop(*arguments):\n    first.append(arguments)\n    {how}\n"
        "def now(*arguments):\n    return settle(*arguments) if first else stop(*arguments)\n"
        "def last(registry):\n    return write(registry) if registry.unfinished or first else stop(registry)\n"
        "languages.settle = now if moment == 'settle' else settle\n"
        "languages.write_registry = last if moment == 'final' else write\n"
        "languages._prove = stop if moment == '_prove' else lambda *arguments: None\n"
        f"languages.add_language('it', 'mgsm', Path({str(file)!r}), Columns(), prove=True)\n"
    )
    result = python(clone, probe)
    assert result.returncode != 0
    if "kill" in how:
        assert tree(clone) != before
        assert "it" not in listed(run)["mgsm"]
        assert_sentence(run("language", "remove", "it", "--suite", "mgsm"), "There is no language in MGSM 'it'")
    assert tree(clone) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("language", "add", "Italian", "--suite", "mgsm"), ("did you mean 'it'",)),
        (("language", "add", "it", "--suite", "mgms"), ("There is no suite 'mgms'; did you mean 'mgsm'?",)),
        (("language", "add", "it", "--suite", "pocket"), ("tasks/pocket/world.py",)),
        (("language", "add", "ru", "--suite", "mgsm"), ("MGSM has Russian (ru) already",)),
        (("language", "add", "it", "--suite", "mgsm", "--file", "nowhere.tsv"), ("There is no file nowhere.tsv",)),
        (
            ("language", "add", "ar", "--suite", "mgsm", "--file", "FILE"),
            ("only 0% of the letters are Arabic", "nothing was added"),
        ),
        (("language", "remove", "it", "--suite", "mgsm"), ("There is no language in MGSM 'it'",)),
        (("suite", "remove", "mgsm"), ("MGSM comes with xreason",)),
        (("suite", "remove", "nowhere"), ("There is no suite 'nowhere'",)),
        (("suite", "add", "../evil"), ("'../evil' is no name for a suite",)),
        (("suite", "add", "mgsm"), ("There is a suite mgsm already",)),
        (("suite", "add", "mgsm_it"), ("how a language of MGSM would be called",)),
        (("suite", "add", "data"), ("is taken by something else",)),
        (("suite", "add", "new"), ("new would have no language",)),
        (("suite", "add", "new", "--languages", "am=amh"), ("name it with --hub",)),
        (("suite", "add", "new", "--languages", "am=amh", "--hub", "masakhane/afrimgsm"), ("No questions for new in am",)),
        (("suite", "add", "new", "--file-for", "FILE"), ("is not CODE=VALUE",)),
        (("suite", "add", "new", "--file-for", "it=FILE", "--file-for", "ita=FILE"), ("A language is named twice",)),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    clone: Path, run: Run, file: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    before = tree(clone)
    about = ("--title", "New", "--source", "ours") if arguments[:2] == ("suite", "add") else ()
    assert_sentence(run(*(each.replace("FILE", str(file)) for each in arguments), *about), *says)
    assert tree(clone) == before


def test_a_file_of_the_persons_own_is_not_written_over(clone: Path, run: Run, file: Path) -> None:
    mine = clone / "tasks" / "mgsm" / "mgsm_it.yaml"
    mine.write_text("task: mine\n")
    before = tree(clone)
    assert_sentence(run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof"), "mgsm_it.yaml is there")
    assert tree(clone) == before


def test_a_folder_that_cannot_be_written_is_one_sentence(clone: Path, file: Path) -> None:
    # root may write anywhere, so the answer of the system is given by hand
    refusing = "may = os.access; os.access = lambda path, *how: not str(path).endswith('clone/tasks') and may(path, *how); "
    probe = "import os; " + refusing + PROGRAM[-1]
    result = python(clone, probe, "language", "add", "it", "--suite", "mgsm", "--file", file)
    assert_sentence(result, "cannot be written; run this in a clone of xreason")


def test_two_changes_at_once_are_refused(clone: Path, run: Run, file: Path) -> None:
    import fcntl
    import os

    handle = os.open(clone / "tasks", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert_sentence(run("language", "remove", "te", "--suite", "mgsm"), "Another xreason is changing")
    finally:
        os.close(handle)
    done(run("language", "remove", "te", "--suite", "mgsm"))
