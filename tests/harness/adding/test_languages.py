"""Languages and suites come and go by a command: what is added is scored, what is removed is gone, the program stays as it was."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.cli.test_cli import assert_sentence
from tests.harness.conftest import PROGRAM, environment
from xreason.tasks.suites import TASKS_FOLDER

ROOT = TASKS_FOLDER.parent
QUESTIONS = [
    ("Marco ha 12 mele e ne mangia 5. Quante mele gli restano?", "7"),
    ("Un treno percorre 80 km all'ora. Quanti km percorre in 3 ore?", "240"),
    ("Anna legge 15 pagine al giorno. Quante pagine legge in una settimana?", "105"),
]
ITALIAN = ("added.json", "_papers_template", "mgsm/_mgsm_template", "mgsm/mgsm_it.jsonl", "mgsm/mgsm_it.yaml")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """Returns a working folder; whatever is done there, the program's own files stay as they are."""
    (tmp_path / "work").mkdir()
    before = tree(ROOT / "tasks") | tree(ROOT / "harness")
    yield tmp_path / "work"
    assert tree(ROOT / "tasks") | tree(ROOT / "harness") == before


@pytest.fixture
def run(work: Path) -> Run:
    """Returns what runs `xreason ARGUMENTS` in the working folder."""

    def run(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return python(work, *PROGRAM[1:], *arguments, **extra)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.tsv"
    path.write_text("".join(f"{question}\t{answer}\n" for question, answer in QUESTIONS), encoding="utf-8")
    return path


def python(folder: Path, *arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    settings = environment({"PYTHONDONTWRITEBYTECODE": "1", "XREASON_TASKS": "", **extra})
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, env=settings, check=False)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Returns every file of a folder with its content, and every folder."""
    found = [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def names(folder: Path) -> set[str]:
    """Returns the files of a folder, by their paths in it."""
    return {name for name, content in tree(folder).items() if content is not None}


def listed(run: Run) -> dict[str, dict[str, dict[str, object]]]:
    """Returns suite to code to what `xreason tasks` says."""
    suites = json.loads(run("tasks", "--json").stdout)
    return {suite["suite"]: {each["code"]: each for each in suite["languages"]} for suite in suites}


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_italian_is_added_scored_and_removed(work: Path, run: Run, file: Path) -> None:
    before = tree(work)
    added = done(run("language", "add", "it", "--suite", "mgsm", "--file", file))
    assert "3 questions in xreason_tasks/mgsm/mgsm_it.jsonl" in added
    assert "the pocket model answered 2 questions" in added
    assert "xreason score MODEL --suites mgsm --languages it\n" in added
    assert names(work / "xreason_tasks") == set(ITALIAN)
    # the pocket model has answered some
    arguments = ("score", "dummy", "--suites", "mgsm", "--languages", "it", "--limit", "2", "--out", file.parent / "runs", "--json")
    (board,) = json.loads(done(run(*arguments)))["boards"]
    assert board["questions"] == {"it": 2}
    done(run("language", "remove", "it", "--suite", "mgsm"))
    assert tree(work) == before


STOCK = (
    "import sys\nfrom lm_eval.tasks import TaskManager\n"
    "found = TaskManager(include_path=sys.argv[1], include_defaults=False).load(sys.argv[2:])\n"
    "for name, task in sorted(found['tasks'].items()):\n"
    "    print(name, task.config.generation_kwargs['max_gen_toks'], len(task.test_docs()), task.test_docs()[0]['question'])\n"
)


def stock(folder: Path, include_path: Path | str, *tasks: str, **extra: str) -> list[str]:
    """Returns a line a task that stock lm-eval finds in one include path: its name, longest response, questions, the first one."""
    return done(python(folder, "-c", STOCK, include_path, *tasks, **extra)).splitlines()


def test_an_added_language_is_a_task_of_stock_lm_eval_and_a_row_of_the_table(work: Path, run: Run, file: Path) -> None:
    done(run("language", "add", "ita", "--suite", "mgsm", "--file", file, "--no-proof"))
    italian = listed(run)["mgsm"]["it"]
    assert (italian["native"], italian["questions"], italian["in_average"]) == ("italiano", 3, False)
    assert italian["where"] == "xreason_tasks/mgsm/mgsm_it.jsonl"
    assert italian["styles"] == ["alpaca", "metamath", "octopus", "chat"]
    assert "italiano" in done(run("tasks"))
    line = f"mgsm_it 600 3 {QUESTIONS[0][0]}"
    assert stock(work, "xreason_tasks", "mgsm_it") == [line]
    # from anywhere else too, and after the folder has moved
    (work / "xreason_tasks").rename(file.parent / "moved")
    assert stock(file.parent, file.parent / "moved", "mgsm_it") == [line]
    (file.parent / "moved").rename(work / "xreason_tasks")
    again = run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof")
    assert_sentence(again, "MGSM has Italian (it) already", "xreason language remove it --suite mgsm")
    done(run("language", "remove", "it", "--suite", "mgsm"))
    assert tree(work) == {}


def test_a_language_in_the_box_is_removed_and_put_back(work: Path, run: Run) -> None:
    assert "puts it back" in done(run("language", "remove", "sw", "--suite", "msvamp"))
    assert json.loads((work / "xreason_tasks" / "added.json").read_text()) == {"removed": {"msvamp": ["sw"]}}
    assert "sw" not in listed(run)["msvamp"]
    data = file_data(work.parent / "data")
    left = sorted({"bn", "de", "en", "es", "fr", "ja", "ru", "th", "zh"})
    asked = stock(work, "xreason_tasks", "msvamp", XREASON_DATA=str(data))
    assert [line.split()[0] for line in asked] == [f"msvamp_{code}" for code in left]
    added = done(run("language", "add", "sw", "--suite", "msvamp", "--no-proof"))
    assert f"--include_path {TASKS_FOLDER} --tasks msvamp_sw" in added
    assert tree(work) == {}


def file_data(folder: Path) -> Path:
    """Writes a data folder in which MSVAMP has three questions in each language, and in Italian."""
    (folder / "msvamp").mkdir(parents=True)
    rows = [{"m_query": question, "query": "How many?", "response": answer} for question, answer in QUESTIONS]
    for code in ("bn", "de", "en", "es", "fr", "it", "ja", "ru", "sw", "th", "zh"):
        (folder / "msvamp" / f"{code}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_a_removed_language_is_in_no_mean_that_is_scored(work: Path, run: Run, tmp_path: Path) -> None:
    data = file_data(tmp_path / "data")
    done(run("language", "remove", "sw", "--suite", "msvamp"))
    # which model answers is no matter: the mean is of lm-eval's group
    arguments = ("score", "dummy", "--suites", "msvamp", "--limit", "1", "--out", tmp_path / "runs")
    done(run(*arguments, "--data", data))
    (path,) = tmp_path.rglob("results_*.json")
    results = json.loads(path.read_text())
    assert "msvamp" in results["groups"]
    assert len(results["group_subtasks"]["msvamp"]) == 9
    assert "msvamp_sw" not in results["group_subtasks"]["msvamp"]


def test_a_language_is_added_from_the_data_folder(work: Path, run: Run, tmp_path: Path) -> None:
    folder = file_data(tmp_path / "data")
    arguments = ("language", "add", "it", "--suite", "msvamp", "--no-proof")
    missing = run(*arguments)
    assert_sentence(missing, "No questions for msvamp in it", "Mathoctopus/MSVAMP", "--file")
    assert tree(work) == {}
    added = done(run(*arguments, "--data", folder))
    assert f"xreason score MODEL --suites msvamp --languages it --data {folder}" in added
    assert listed(run)["msvamp"]["it"]["questions"] == 3
    done(run("language", "remove", "it", "--suite", "msvamp"))
    assert tree(work) == {}


def test_a_suite_of_files_comes_and_goes(work: Path, run: Run, file: Path) -> None:
    about = ("--title", "Little", "--source", "ours", "--max-new-tokens", "40", "--no-proof")
    kinds = ("--in-domain", "gsm8k,our-drills")
    done(run("suite", "add", "little-one", *about, *kinds, "--file-for", f"it={file}", "--file-for", f"no={file}"))
    assert set(listed(run)["little_one"]) == {"it", "no"}
    suites = {each["suite"]: each["in_domain"] for each in json.loads(run("tasks", "--json").stdout)}
    assert (suites["little_one"], suites["mgsm"], suites["msvamp"]) == (["gsm8k", "our-drills"], ["gsm8k"], ["svamp"])
    first = f"40 3 {QUESTIONS[0][0]}"
    assert stock(work, "xreason_tasks", "little_one") == [f"little_one_it {first}", f"little_one_no {first}"]
    done(run("language", "add", "es", "--suite", "little_one", "--file", file, "--no-proof"))
    done(run("language", "remove", "no", "--suite", "little_one"))
    assert set(listed(run)["little_one"]) == {"es", "it"}
    done(run("suite", "remove", "little-one"))
    assert tree(work) == {}


def test_a_suite_of_the_hub_and_of_files_counts_both(work: Path, run: Run, file: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "both").mkdir(parents=True)
    rows = [{"question": question, "answer_number": answer} for question, answer in QUESTIONS[:2]]
    (tmp_path / "data" / "both" / "it.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    about = ("--title", "Both", "--source", "ours", "--hub", "some/one", "--no-proof", "--data", tmp_path / "data")
    added = done(run("suite", "add", "both", *about, "--languages", "ita=first", "--file-for", f"es={file}"))
    assert added.startswith("Both has Spanish (es, español): 3 questions in xreason_tasks/both/both_es.jsonl\nBoth has Italian (it")
    written = json.loads((work / "xreason_tasks" / "added.json").read_text())
    assert written["questions"]["both"] == {"es": {"file": True, "questions": 3}, "it": {"config": "first", "questions": 2}}
    assert written["suites"]["both"]["hub"] == {"answer": "answer_number", "id": "some/one", "question": "question"}
    done(run("suite", "remove", "both"))
    assert tree(work) == {}


def test_a_folder_of_another_name_keeps_to_itself(work: Path, run: Run, file: Path) -> None:
    done(run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof"))
    mine = {"XREASON_TASKS": str(file.parent / "mine")}
    added = done(run("language", "add", "pt", "--suite", "mgsm", "--file", file, "--no-proof", **mine))
    assert f"--languages pt --tasks {file.parent / 'mine'}" in added
    assert names(work / "xreason_tasks") == set(ITALIAN)
    assert "mgsm/mgsm_pt.yaml" in names(file.parent / "mine")
    assert "pt" not in listed(run)["mgsm"]
    done(run("language", "remove", "pt", "--suite", "mgsm", **mine))
    assert not (file.parent / "mine").exists()


def test_what_another_version_wrote_is_written_again_before_it_is_used(work: Path, run: Run, file: Path) -> None:
    done(run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof"))
    before = tree(work)
    template = work / "xreason_tasks" / "_papers_template"
    template.write_text(template.read_text().replace("version: 3.0", "version: 1.0"))
    probe = "from xreason.tasks.suites import include_paths; print(*include_paths())"
    assert done(python(work, "-c", probe)).split() == [str(TASKS_FOLDER), str(work / "xreason_tasks")]
    assert tree(work) == before


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Returns a copy of the program that a test may change."""
    for package in ("harness", "leaderboards", "tasks", "trainers", "xreason"):
        shutil.copytree(ROOT / package, tmp_path / "clone" / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "clone"


@pytest.mark.parametrize("folder", ["tasks", "xreason/tasks"])
def test_in_a_checkout_the_project_itself_is_changed_where_its_own_folder_is_named(clone: Path, file: Path, folder: str) -> None:
    def run(*arguments: str | Path) -> str:
        return done(python(clone, *PROGRAM[1:], *arguments, XREASON_TASKS=folder))

    before = tree(clone)
    assert "--include_path tasks --tasks mgsm_it" in run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof")
    run("language", "remove", "sw", "--suite", "msvamp")
    assert names(clone) - before.keys() == {"tasks/added.json", "tasks/mgsm/mgsm_it.jsonl", "tasks/mgsm/mgsm_it.yaml"}
    assert before.keys() - names(clone) >= {"tasks/msvamp/msvamp_sw.yaml"}
    assert "msvamp_sw" not in (clone / "tasks" / "msvamp" / "_msvamp_group.yaml").read_text()
    # a person's folder builds on what the project has now
    mine = {"XREASON_TASKS": str(file.parent / "mine")}
    done(python(clone, *PROGRAM[1:], "language", "add", "sw", "--suite", "msvamp", "--file", file, "--no-proof", **mine))
    seen = listed(lambda *arguments: python(clone, *PROGRAM[1:], *arguments, **mine))
    assert seen["mgsm"]["it"]["where"] == "tasks/mgsm/mgsm_it.jsonl"
    assert (seen["msvamp"]["sw"]["where"], seen["msvamp"]["sw"]["in_average"]) == ("mine/msvamp/msvamp_sw.jsonl", True)
    run("language", "add", "sw", "--suite", "msvamp", "--no-proof")
    run("language", "remove", "it", "--suite", "mgsm")
    assert tree(clone) == before


@pytest.mark.parametrize("moment", ["settle", "_prove", "final"])
@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), 9)", "exec('raise KeyboardInterrupt')", "exec('raise OSError(28, \"full\")')"]
)
def test_an_interrupted_addition_leaves_nothing(work: Path, run: Run, file: Path, moment: str, how: str) -> None:
    # the final step is the last writing of the registry, the only one with nothing unfinished
    probe = (
        "import os\nfrom pathlib import Path\nfrom xreason.harness.adding import languages\n"
        "from xreason.harness.adding.question_files import Columns\n"
        "moment, first = " + repr(moment) + ", []\n"
        "write, settle = languages.write_registry, languages.settle\n"
        f"def stop(*arguments):\n    first.append(arguments)\n    {how}\n"
        "def now(paths):\n    return settle(paths) if first or not (paths := list(paths)) else stop(paths)\n"
        "def last(registry):\n    return write(registry) if registry.unfinished or first else stop(registry)\n"
        "languages.settle = now if moment == 'settle' else settle\n"
        "languages.write_registry = last if moment == 'final' else write\n"
        "languages._prove = stop if moment == '_prove' else lambda *arguments: None\n"
        f"languages.add_language('it', 'mgsm', Path({str(file)!r}), Columns(), prove=True)\n"
    )
    result = python(work, "-c", probe)
    assert result.returncode != 0
    if "kill" in how:
        assert "xreason_tasks/added.json" in names(work)
        assert "it" not in listed(run)["mgsm"]
        assert_sentence(run("language", "remove", "it", "--suite", "mgsm"), "There is no language in MGSM 'it'")
    assert tree(work) == {}


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
    work: Path, run: Run, file: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    about = ("--title", "New", "--source", "ours") if arguments[:2] == ("suite", "add") else ()
    assert_sentence(run(*(each.replace("FILE", str(file)) for each in arguments), *about), *says)
    assert tree(work) == {}


@pytest.mark.parametrize("name", ["mgsm_it.yaml", "mgsm_it.jsonl", "_mgsm_template"])
def test_a_file_of_the_persons_own_is_not_written_over(work: Path, run: Run, file: Path, name: str) -> None:
    mine = work / "xreason_tasks" / "mgsm" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("task: mine\n")
    before = tree(work)
    assert_sentence(run("language", "add", "it", "--suite", "mgsm", "--file", file, "--no-proof"), f"{name} is there")
    assert tree(work) == before


def test_a_folder_that_cannot_be_written_is_one_sentence(work: Path, file: Path) -> None:
    # root may write anywhere, so the answer of the system is given by hand
    refusing = "import os; may = os.access; os.access = lambda path, *how: path.name != 'xreason_tasks' and may(path, *how); "
    probe = refusing + "from xreason.harness.cli.app import main; main()"
    result = python(work, "-c", probe, "language", "add", "it", "--suite", "mgsm", "--file", file)
    assert_sentence(result, "xreason_tasks cannot be written; name a folder of yours")
    assert tree(work) == {}


def test_a_folder_that_cannot_be_made_is_one_sentence(run: Run, file: Path) -> None:
    for folder in (file, file.parent / "no" / "where"):
        result = run("language", "remove", "it", "--suite", "mgsm", XREASON_TASKS=str(folder))
        assert_sentence(result, f"{folder} cannot be made", "name another with --tasks")


def test_two_changes_at_once_are_refused(work: Path, run: Run) -> None:
    import fcntl

    (work / "xreason_tasks").mkdir()
    handle = os.open(work / "xreason_tasks", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert_sentence(run("language", "remove", "te", "--suite", "mgsm"), "Another xreason is changing")
    finally:
        os.close(handle)
    done(run("language", "remove", "te", "--suite", "mgsm"))
