"""Everything a person can get wrong: one sentence, the next thing to do, exit code 2, no traceback."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.harness.conftest import Run
from tests.places import ROOT
from xreason.harness.store.steps import step
from xreason.tasks.suites import TASKS_FOLDER
from xreason.trainers.pocket import MODEL

TRAIN = ("--max-steps", "1", "--batch-size", "4", "--rows", "8", "--source", "pocket", "--languages", "en,sw")


def copied(folder: Path) -> Path:
    shutil.copytree(MODEL, folder)
    return folder


def without_tokenizer(folder: Path) -> Path:
    copied(folder)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    return folder


def no_causal_model(folder: Path) -> Path:
    copied(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert", "architectures": ["BertForMaskedLM"]}))
    return folder


def only_pickled(folder: Path) -> Path:
    copied(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


def assert_sentence(result: object, *says: str) -> None:
    code, error = getattr(result, "returncode"), str(getattr(result, "stderr"))  # noqa: B009
    assert code == 2, error
    assert "Traceback" not in error
    for part in says:
        assert part in error.replace("\n", " "), error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compare", "--methods", "slan"), ("--methods: There is no method 'slan'; did you mean 'slam'?",)),
        (("compare", "--suites", "mgms"), ("--suites: There is no suite 'mgms'; did you mean 'mgsm'?",)),
        (("compare", "--languages", "swahili"), ("--languages: There is no language 'swahili'; did you mean 'sw'?",)),
        (("compare", "nowhere.yaml"), ("There is no experiment file nowhere.yaml", "pocket")),
        (("compare", "--seeds", "one"), ("--seeds",)),
        (("train", "slam", "--layers", "six"), ("--layers 'six' is neither auto, nor a count, nor indices",)),
        (("train", "slam", "--layers", "99", *TRAIN), ("no layers", "`layers`")),
        (("train", "slam", "--source", "pockets"), ("'pockets' is not one of 'papers', 'pocket'",)),
        (("train", "full", "--corpora", "question-translatoin", *TRAIN), ("did you mean 'question-translation'?",)),
        (("train", "slam", "--languages", "en", "--corpora", "question-translation", "--source", "pocket"), ("is empty",)),
        (("score",), ("nothing to score",)),
        (("score", "./nowhere"), ("There is no model folder ./nowhere",)),
        (("score", "some-org/some-model", "--suites", "pocket"), ("hf download some-org/some-model",)),
        (("score", "pocket", "--suites", "mgsm", "--languages", "sw"), ("juletxara/mgsm", "hf download --repo-type dataset")),
        (("score", "pocket", "--data", "nowhere"), ("The data folder nowhere does not exist",)),
        (("score", "x", "--suites", "pocket", "--endpoint", "http://127.0.0.1:9"), ("No server answers at http://127.0.0.1:9/v1",)),
        (("board", "nowhere"), ("nowhere",)),
        (("rescore", "nowhere"), ("nowhere holds no record.json",)),
        (("export", "nowhere", "somewhere"), ("nowhere is not a checkpoint",)),
        (("count", "./nowhere"), ("./nowhere has no config.json",)),
        (("count", "pocket", "--layers", ","), ("--layers ',' is neither auto, nor a count, nor indices",)),
        (("tasks", "--data", "nowhere"), ("The data folder nowhere does not exist",)),
        (
            ("tasks", "--tasks", "nowhere"),
            ("suites nowhere does not exist; give another with --tasks",),
        ),
        (("score", "pocket", "--tasks", "nowhere"), ("The folder of languages and suites nowhere does not exist",)),
        (("score", "pocket", "--suites", ","), ("',' names nothing; give names with commas between them",)),
        (("score", "pocket", "--reading", "stric"), ("'--reading'", "'paper', 'strict'")),
        (("score", "pocket", "--limit", "0"), ("'--limit'",)),
        (("language", "add", "it", "--suite", "mgsm", "--file", "nowhere.tsv"), ("nowhere.tsv",)),
        (("suite", "add", "x", "--title", "X", "--source", "me", "--file-for", "en"), ("--file-for 'en' is not CODE=VALUE",)),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_what_is_mistyped_or_missing_is_one_sentence(
    xreason: Run, tmp_path: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    out = ("--out", tmp_path / "runs") if arguments[0] in ("compare", "train", "score") else ()
    assert_sentence(xreason(*arguments, *out), *says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (without_tokenizer, "tokenizer"),
        (no_causal_model, "BertForMaskedLM"),
        (only_pickled, "safetensors"),
    ],
)
@pytest.mark.parametrize("command", ["score", "compare", "train"])
def test_a_folder_that_is_no_servable_model_is_one_sentence(
    xreason: Run, tmp_path: Path, make: Callable[[Path], Path], says: str, command: str
) -> None:
    folder = make(tmp_path / "model")
    arguments: dict[str, tuple[str | Path, ...]] = {
        "score": ("score", folder, "--suites", "pocket", "--limit", "1"),
        "compare": ("compare", "pocket", "--model", folder, "--limit", "1"),
        "train": ("train", "slam", "--model", folder, "--layers", "1", *TRAIN),
    }
    assert_sentence(xreason(*arguments[command], "--out", tmp_path / "runs"), says)


def test_a_damaged_data_row_is_named_with_file_and_line(xreason: Run, tmp_path: Path) -> None:
    (tmp_path / "mgsm").mkdir()
    (tmp_path / "mgsm" / "mgsm_sw.tsv").write_text("fine\t1\nbroken\n")
    result = xreason("score", "pocket", "--suites", "mgsm", "--languages", "sw", "--data", tmp_path, "--out", tmp_path / "runs")
    assert_sentence(result, "mgsm_sw.tsv, line 2")


def test_data_of_the_command_line_stand_before_those_of_the_file(xreason: Run, tmp_path: Path) -> None:
    for name, text in (("file", "of the file\n"), ("flag", "of the flag\n")):
        (tmp_path / name / "mgsm").mkdir(parents=True)
        (tmp_path / name / "mgsm" / "mgsm_sw.tsv").write_text(text)
    experiment = tmp_path / "mine.yaml"
    experiment.write_text("base: pocket\nsuites: [mgsm]\nlanguages: [sw]\nsource: pocket\nmethods: [slam]\ndata: file\n")
    command = ("compare", experiment, "--out", tmp_path / "runs")
    assert_sentence(xreason(*command), f"{tmp_path / 'file' / 'mgsm' / 'mgsm_sw.tsv'}, line 1")
    assert_sentence(xreason(*command, "--data", tmp_path / "flag"), f"{tmp_path / 'flag' / 'mgsm' / 'mgsm_sw.tsv'}, line 1")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compare", "nowhere.yaml", "--out"), "--out"),
        (("train", "slam", "--model", "./nowhere", "--out"), "--out"),
        (("score", "./nowhere", "--out"), "--out"),
        (("layers", "./nowhere", "--out"), "--out"),
        (("board", "nowhere", "--out"), "--out"),
        (("pocket", "build"), "name another folder"),
        (("export", "nowhere"), "name another folder"),
        (("rescore",), "read a copy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
@pytest.mark.parametrize("place", ["file", "nosystem"])
def test_what_cannot_be_written_is_found_before_all_else(
    xreason: Run, tmp_path: Path, arguments: tuple[str, ...], says: str, place: str
) -> None:
    """Before the work, and before what else is wrong with the line: at a parent that is a file, and on what takes no files."""
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "out" if place == "file" else Path("/proc/xreason/out")
    result = xreason(*arguments, folder, timeout=120)
    assert_sentence(result, "Cannot write to", str(folder), says)


def test_a_board_for_a_page_in_no_folder_is_found_before_records_are_read(xreason: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_sentence(xreason("board", "nowhere", "--into", tmp_path / "file" / "README.md"), "Cannot write to", "--into")


def test_runs_lists_the_store_and_clean_removes_what_is_named_once_asked(xreason: Run, tmp_path: Path) -> None:
    kept, gone = (tmp_path / "runs" / "mine" / "slam" / "0" / f"checkpoint-{name}" for name in ("a", "b"))
    for folder in (kept, gone):
        with step(folder, "key") as directory:
            (directory / "model.safetensors").write_bytes(bytes(2048))
    listed = json.loads(xreason("runs", tmp_path / "runs", "--json").stdout)
    assert [(each["path"], each["what"], each["used_by"]) for each in listed] == [
        ("mine/slam/0/checkpoint-a", "checkpoint", []),
        ("mine/slam/0/checkpoint-b", "checkpoint", []),
    ]
    table = xreason("runs", tmp_path / "runs").stdout
    assert "just now" in table
    assert "2.1 KiB" in table
    command = ("runs", "clean", "mine/slam/0/checkpoint-b", "--out", tmp_path / "runs")
    assert_sentence(xreason(*command), "mine/slam/0/checkpoint-b", "Nothing is removed", "--yes")
    assert gone.is_dir()
    assert xreason(*command, "--yes").returncode == 0
    assert not gone.exists()
    assert kept.is_dir()
    assert_sentence(xreason("runs", "clean", "../..", "--out", tmp_path / "runs", "--yes"), "so it stays")
    assert_sentence(xreason("runs", tmp_path / "nowhere"), "There is no folder")


def test_a_checkpoint_whose_base_changed_since_is_one_sentence(xreason: Run, tmp_path: Path) -> None:
    base, runs = copied(tmp_path / "base"), tmp_path / "runs"
    done = xreason("train", "slam", "--model", base, "--layers", "1", "--learning-rate", "1e-3", *TRAIN, "--out", runs)
    assert done.returncode == 0, done.stderr
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    checkpoint = runs / "train" / "slam" / "0" / "checkpoint"
    assert_sentence(xreason("score", checkpoint, "--suites", "pocket", "--out", runs), "was trained from", "train again")


def test_debug_shows_the_traceback(xreason: Run, tmp_path: Path) -> None:
    result = xreason("score", "./nowhere", "--suites", "pocket", "--debug", "--out", tmp_path)
    assert result.returncode != 0
    assert "Traceback" in result.stderr


def test_tasks_lists_every_suite_and_language_as_a_table_and_as_json(xreason: Run) -> None:
    table = xreason("tasks")
    assert table.returncode == 0, table.stderr
    assert "Kiswahili" in table.stdout
    suites = json.loads(xreason("tasks", "--json").stdout)
    assert {suite["suite"]: len(suite["languages"]) for suite in suites} == {
        **{"mgsm": 11, "msvamp": 10, "pocket": 6, "mgsm_rev2": 11, "afrimgsm": 19, "mnumgluesub": 10},
        **{"polymath": 18, "mmath": 10, "xcsqa": 16, "xcsqa_loglikelihood": 16},
    }
    assert suites[0]["languages"][0]["where"] == "juletxara/mgsm"


def test_a_folder_of_one_s_own_languages_is_made_read_and_named_to_lm_eval(xreason: Run, tmp_path: Path) -> None:
    questions, own = tmp_path / "questions.tsv", tmp_path / "own"
    questions.write_text("Quanto fa 2 più 3?\t5\n")
    added = xreason("language", "add", "it", "--suite", "mgsm", "--file", questions, "--no-proof", "--tasks", own)
    assert added.returncode == 0, added.stderr
    for where, variable in ((("--tasks", own), {}), ((), {"XREASON_TASKS": str(own)})):
        (mgsm, *_) = json.loads(xreason("tasks", "--json", *where, **variable).stdout)
        assert [each["questions"] for each in mgsm["languages"] if each["code"] == "it"] == [1]
        assert xreason("tasks", "--paths", *where, **variable).stdout.splitlines() == [str(TASKS_FOLDER), str(own)]
    assert xreason("tasks", "--paths").stdout.splitlines() == [str(TASKS_FOLDER)]


def test_a_file_is_no_folder_for_one_s_own_languages(xreason: Run, tmp_path: Path) -> None:
    questions = tmp_path / "questions.tsv"
    questions.write_text("Quanto fa 2 più 3?\t5\n")
    command = ("language", "add", "it", "--suite", "mgsm", "--file", questions, "--no-proof", "--tasks", questions)
    assert_sentence(xreason(*command), str(questions))


def test_the_version_is_one_line(xreason: Run) -> None:
    result = xreason("--version")
    assert (result.returncode, result.stdout) == (0, f"xreason {version('xreason')}\n")


def test_help_lists_the_commands_in_the_order_of_the_readme(xreason: Run) -> None:
    listed = re.findall(r"^  (\w+)  ", xreason("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    table = re.findall(r"^\| `xreason (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert listed == table


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compare", "--help"]], ids=" ".join)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    probe = "import sys; from xreason.harness.cli.app import app; app(sys.argv[1:], standalone_mode=False)"
    heavy = {"torch", "vllm", "transformers", "datasets", "accelerate", "lm_eval", "numpy"}
    # typer itself reads a command's options with pydantic
    heavy |= {"rich.progress"} if "compare" in arguments else {"pydantic"}
    probe += f"; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_damaged_training_report_is_one_sentence(xreason: Run, tmp_path: Path) -> None:
    arguments = ("train", "slam", "--layers", "1", "--learning-rate", "1e-3", *TRAIN, "--out", tmp_path)
    assert xreason(*arguments).returncode == 0
    (tmp_path / "train" / "slam" / "0" / "checkpoint" / "training.json").write_text("{")
    assert_sentence(xreason(*arguments), "training.json is not a training report", "and it is trained again")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("Ni ngapi?\teighteen", "the answer 'eighteen' is no number"),
        ("Ni\0ngapi?\t8", "the question holds the character U+0000"),
        ("Wangapi?\t3", "the row is that of line 1"),
    ],
)
def test_a_question_or_gold_that_is_none_is_said_before_an_engine_starts(xreason: Run, tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "mgsm").mkdir()
    (tmp_path / "mgsm" / "mgsm_en.tsv").write_text("How many?\t8\n")
    (tmp_path / "mgsm" / "mgsm_sw.tsv").write_text(f"Wangapi?\t3\n{row}\n")
    asked = ("--suites", "mgsm", "--languages", "en,sw", "--limit", "1", "--data", tmp_path, "--out", tmp_path / "runs")
    result = xreason("score", "pocket", *asked)
    assert_sentence(result, "mgsm_sw.tsv", "line 2: ", says)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("scores"))
