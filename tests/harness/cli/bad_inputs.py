"""What people can get wrong, as data: how the files are made, and what is typed.

Every case begins in a copy of the finished world (finished.py). Most are mutations of the real files in it, made by going through
their keys, and of the real commands, made by going through their options; the rest are written out. What a program may well accept
(a record of another seed, an option that takes any text) is no case.
"""
# ruff: noqa: E501  # a case is a line

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_origin

import yaml

from tests.harness.cli.finished import CHECKPOINT, EXPERIMENT, RUN, WRONG_ANSWERS

Make = Callable[[Path], object]


class Case(NamedTuple):
    """A bad input: {url} in an argument is the address of a server that answers as it should, or in a wrong way (its path says)."""

    name: str
    arguments: tuple[str, ...]
    make: Make = lambda folder: None
    says: tuple[str, ...] = ()  #: what the error says beside its sentence: the file, for instance


TRAIN = ("--max-steps", "1", "--batch-size", "4", "--rows", "8", "--learning-rate", "1e-3", "--languages", "en,sw", "--out", "new")
POCKET = ("--suites", "pocket", "--languages", "en,sw", "--limit", "2", "--out", "new")
#: What stands in an argument for the folder of the world.
COMPARE = ("compare", "exp.yaml")
SLAM = ("train", "slam", "--model", "model", "--layers", "1", "--source", "pocket", *TRAIN)
SCORE = ("score", "model", *POCKET)
SLAM_ROW = f"{RUN}/slam/0"
#: A step's folder ends in the first letters of its key.
SCORES = f"{SLAM_ROW}/scores/pocket-*"


# --- whole files ------------------------------------------------------------------------------------------------------------------


def found(folder: Path, name: str) -> Path:
    """Returns the file of a name, which may be a pattern; the first where there are several."""
    return sorted(folder.glob(name))[0] if "*" in name else folder / name


def put(name: str, content: bytes | str) -> Make:
    """Returns what writes a file."""

    def make(folder: Path) -> None:
        path = found(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def changed(name: str, change: Callable[[bytes], bytes]) -> Make:
    """Returns what writes a file anew, made of what it was."""

    def make(folder: Path) -> None:
        path = found(folder, name)
        path.write_bytes(change(path.read_bytes()))

    return make


def as_folder(name: str) -> Make:
    def make(folder: Path) -> None:
        path = found(folder, name)
        path.unlink()
        path.mkdir()

    return make


def as_file(name: str) -> Make:
    """Returns what puts a file in the place of a folder."""

    def make(folder: Path) -> None:
        path = found(folder, name)
        shutil.rmtree(path, ignore_errors=True)
        path.write_text("not a folder\n")

    return make


def dangling(name: str) -> Make:
    def make(folder: Path) -> None:
        path = found(folder, name)
        path.unlink()
        path.symlink_to("nowhere")

    return make


def gone(name: str) -> Make:
    def make(folder: Path) -> None:
        path = found(folder, name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return make


def unreadable(name: str) -> Make:
    return lambda folder: found(folder, name).chmod(0)


DEEP = 100_000

#: What can become of any text file; what its reader must refuse in every case.
DAMAGED: dict[str, Callable[[str], Make]] = {
    "is empty": lambda name: put(name, b""),
    "is blank": lambda name: put(name, b"\n \n\n"),
    "is cut short": lambda name: changed(name, lambda content: content.rstrip()[:-2]),
    "is UTF-16": lambda name: changed(name, lambda content: content.decode().encode("utf-16")),
    "is NULs": lambda name: changed(name, lambda content: b"\0" * len(content)),
    "has a NUL": lambda name: changed(name, lambda content: content[: len(content) // 2] + b"\0" + content[len(content) // 2 :]),
    "is not UTF-8": lambda name: changed(name, lambda content: content[:20] + b"\xff\xfe\xfa" + content[20:]),
    "is a folder": as_folder,
    "is a dangling link": dangling,
}
if os.geteuid():
    DAMAGED["is unreadable"] = unreadable

#: What else can become of a JSON file.
DAMAGED_JSON: dict[str, Callable[[str], Make]] = {
    **DAMAGED,
    "is half there": lambda name: changed(name, lambda content: content.rstrip()[: len(content.split(b"\n")[0]) // 2 or 1]),
    "is a list": lambda name: put(name, "[]"),
    "is null": lambda name: put(name, "null"),
    "is a number": lambda name: put(name, "3"),
    "is a text": lambda name: put(name, '"x"'),
    "is NaN": lambda name: put(name, "NaN"),
    "is an empty object": lambda name: put(name, "{}"),
    "is lists nested deep": lambda name: put(name, "[" * DEEP + "]" * DEEP),
    "is objects nested deep": lambda name: put(name, '{"a":' * DEEP + "1" + "}" * DEEP),
    "is nested and cut": lambda name: put(name, '{"a":[' * DEEP),
    "is a number of many digits": lambda name: put(name, "9" * 100_000),
}


class Reader(NamedTuple):
    """A command that reads a file, the name of which its error says; `but` are the damages that it may take."""

    file: str
    arguments: tuple[str, ...]
    damaged: Mapping[str, Callable[[str], Make]]
    but: tuple[str, ...] = ()


DATA = ("--data", "data")
ADD = ("language", "add", "it", "--suite", "msvamp", "--no-proof", "--tasks", "mine", "--file")
GONE = ("is a folder", "is a dangling link")  # a file that is not there is asked of the hub, which says so in its own way
FIND = ("layers", "model", "--suite", "pocket", "--languages", "en,sw", "--questions", "4")
MGSM, MSVAMP = (("score", "model", "--suites", suite, "--languages", "en", *DATA, "--out", "new") for suite in ("mgsm", "msvamp"))
EXAMPLES = (*MGSM, "--shots", "1", "--prompt", "native-cot")
TRAIN_ON = ("train", "full", "--model", "model", "--source", "papers", *DATA, *TRAIN, "--corpora")

OWN_TEXT = "data/gsm8k/train_en.jsonl"
SHOWN = ("corpora", f"file:{OWN_TEXT}", "--model", "model")

READERS = (
    Reader("exp.yaml", COMPARE, DAMAGED),
    Reader(f"{SLAM_ROW}/record.json", ("board", RUN), DAMAGED_JSON),
    Reader(f"{SLAM_ROW}/record.json", ("board", f"{SLAM_ROW}/record.json"), DAMAGED_JSON),
    Reader(f"{SLAM_ROW}/record.json", ("rescore", RUN), DAMAGED_JSON),
    Reader(f"{CHECKPOINT}/training.json", COMPARE, DAMAGED_JSON),
    Reader(f"{CHECKPOINT}/training.json", ("export", CHECKPOINT, "new"), DAMAGED_JSON, GONE),
    Reader(f"{SCORES}/verdicts.json", COMPARE, DAMAGED_JSON),
    Reader(f"{SCORES}/verdicts.json", ("rescore", RUN), DAMAGED_JSON),
    Reader(f"{SCORES}/scored.json", COMPARE, DAMAGED_JSON),
    Reader(f"{SCORES}/*/samples_pocket_en_*.jsonl", ("rescore", RUN), DAMAGED_JSON, ("is NaN",)),
    Reader(f"{RUN}/leaderboard.json", ("rescore", RUN), DAMAGED_JSON, ("is a dangling link",)),
    Reader(f"{CHECKPOINT}/checkpoint.json", ("export", CHECKPOINT, "new"), DAMAGED_JSON),
    Reader(f"{CHECKPOINT}/checkpoint.json", ("score", CHECKPOINT, *POCKET), DAMAGED_JSON, GONE),
    Reader(f"{CHECKPOINT}/checkpoint.json", COMPARE, DAMAGED_JSON),
    Reader(f"{CHECKPOINT}/model.safetensors", ("export", CHECKPOINT, "new"), {k: v for k, v in DAMAGED.items() if "UTF" not in k}),
    Reader("model/config.json", ("count", "model"), DAMAGED_JSON),
    Reader("model/config.json", SLAM, DAMAGED_JSON),
    Reader("model/config.json", SCORE, DAMAGED_JSON),
    Reader("model/generation_config.json", SCORE, DAMAGED_JSON, (*GONE, "is an empty object")),
    Reader("model/tokenizer.json", SLAM, DAMAGED_JSON),
    Reader("model/tokenizer.json", SCORE, DAMAGED_JSON),
    Reader("model/tokenizer_config.json", SLAM, DAMAGED_JSON, ("is a dangling link", "is an empty object")),
    Reader(
        "runs/layers/model/languages/en-*/counts.npz",
        ("layers", "model", "--suite", "pocket", "--languages", "en,sw", "--questions", "4"),
        {k: v for k, v in DAMAGED.items() if "UTF" not in k},
    ),
    Reader("own/added.json", ("tasks", "--tasks", "own"), DAMAGED_JSON, ("is an empty object",)),
    Reader("own/added.json", ("language", "remove", "it", "--suite", "mgsm", "--tasks", "own"), DAMAGED_JSON),
    Reader(
        "own/mgsm/mgsm_it.jsonl",
        ("score", "model", "--suites", "mgsm", "--languages", "it", "--tasks", "own", "--out", "new"),
        DAMAGED_JSON,
    ),
    Reader("data/mgsm/mgsm_en.tsv", MGSM, DAMAGED, GONE),
    Reader("data/msvamp/en.jsonl", MSVAMP, DAMAGED_JSON, GONE),
    Reader("data/mgsm/exemplars.jsonl", EXAMPLES, DAMAGED_JSON, GONE),
    Reader("data/metamath/train.jsonl", (*TRAIN_ON, "english-reasoning"), DAMAGED_JSON, GONE),
    Reader("data/gsm8kinstruct_parallel/train.jsonl", (*TRAIN_ON, "multilingual-reasoning"), DAMAGED_JSON, GONE),
    Reader("data/question_translation/sw-en/train.sw", (*TRAIN_ON, "question-translation"), DAMAGED, ("is cut short",)),
    Reader(OWN_TEXT, (*TRAIN_ON, f"file:{OWN_TEXT}"), DAMAGED_JSON),
    Reader(OWN_TEXT, SHOWN, DAMAGED_JSON),
    Reader("questions.tsv", (*ADD, "questions.tsv"), DAMAGED),
    Reader("page.md", ("board", RUN, "--into", "page.md"), DAMAGED, ("is NULs",)),
)


def of_files() -> Iterator[Case]:
    """Yields a case for every damage of every file, by every command that reads it."""
    for reader in READERS:
        for damage, make in reader.damaged.items():
            if damage not in reader.but:
                said = Path(reader.file).name.partition("*")[0]
                yield Case(
                    f"{' '.join(reader.arguments)[:90]}: {reader.file} {damage}", reader.arguments, make(reader.file), (said,)
                )


# --- keys of JSON files -----------------------------------------------------------------------------------------------------------


class Missing:
    """In the place of a value: the key is left out."""


def wrong_values(value: Any) -> dict[str, Any]:
    """Returns what a value is replaced by: a word for it, to the value."""
    other = {bool: "x", int: "x", float: "x", str: 7, list: "x", dict: ["x"], type(None): {"x": "x"}}[type(value)]
    wrong: dict[str, Any] = {"missing": Missing, "null": None, "of another type": other}
    if isinstance(value, int | float) and not isinstance(value, bool):
        wrong |= {"NaN": float("nan"), "negative": -1}
    return {word: each for word, each in wrong.items() if each is Missing or each != value}


def places_of(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yields every key of a JSON value with what stands there; of lists the first entry."""
    entries = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, each in entries:
        yield (*at, key), each
        yield from places_of(each, (*at, key))


def with_value(name: str, at: Sequence[str | int], value: Any) -> Make:
    """Returns what replaces one value of a JSON file; of JSON lines in the first."""

    def make(folder: Path) -> None:
        path = found(folder, name)
        first, *others = path.read_text().split("\n") if path.suffix == ".jsonl" else [path.read_text()]
        content = inner = json.loads(first)
        for key in at[:-1]:
            inner = inner[key]
        if value is Missing:
            del inner[at[-1]]
        else:
            inner[at[-1]] = value
        path.write_text("\n".join([json.dumps(content), *others]))

    return make


class Keyed(NamedTuple):
    """A command that reads a JSON file. `only` and `but` are patterns of "KEY WORD": what is wrong, and what may well be so."""

    file: str
    arguments: tuple[str, ...]
    only: str = ""
    but: str = "^$"


_SHAPES = "hidden_size|intermediate_size|num_attention_heads|vocab_size"
#: Keys of a config that any value may have, as far as Transformers is concerned.
_ANY_TYPE = "transformers_version|architectures|_token_id|head_dim|use_cache"
#: What records of format 2 lacked, what may be null, and what is one of several.
_MAY_BE_WRONG = "|".join(
    (
        r"(metamath|questions_hash|truncated|recipe|devices?|weights_hash|dtype|engine|sampling|system|chat_args|think_end|worked_examples|machine)\S* (missing|null)",
        r"training\.\w+ (missing|null)",
        r"(cut_off|in_language|identifier|limit|checkpoint_bytes|tokens|elected|sources|families|weights|in_domain)\S* (missing|null)",
        r"(frame|objective) (missing|null)|(held_out|rewards|cautions|kept_step|folders|measures)\S* missing",
        r"(languages|losses|cut_off|paper|strict|answered|in_language)\.0 missing",
        r"losses\S* |^seed negative|versions\.\S+ missing|(max_new_tokens|data)\.pocket |^(version|identifier) ",
        # what no board can hold against the others: the error names the rows
        r"scores\.pocket\.\w+ missing|^training null|limit negative",
    )
)

KEYED = (
    Keyed(f"{SLAM_ROW}/record.json", ("board", RUN), but=_MAY_BE_WRONG),
    Keyed(f"{CHECKPOINT}/training.json", COMPARE, "another type|stages (missing|null)|NaN|negative", _MAY_BE_WRONG),
    Keyed(f"{SCORES}/verdicts.json", COMPARE, but=_MAY_BE_WRONG),
    Keyed(
        f"{SCORES}/scored.json",
        COMPARE,
        but=r"versions\..* missing|^(dtype|signature|questions|seconds) (missing|null)|^engine missing",
    ),
    Keyed(
        f"{SCORES}/*/samples_pocket_en_*.jsonl",
        ("rescore", RUN),
        r"^(doc_id|doc|doc\.(question|answer|language)|resps.*) ",
        "doc_id negative",
    ),
    Keyed(
        f"{RUN}/leaderboard.json",
        ("rescore", RUN),
        r"^(boards|boards\.0|boards\.0\.(rows|rows\.0|rows\.0\.(method|seeds))) ",
        r"boards\.0 missing|rows\.0 missing",
    ),
    Keyed(f"{CHECKPOINT}/checkpoint.json", ("export", CHECKPOINT, "new"), but="tensors.0 missing|seed negative"),
    Keyed("model/config.json", ("count", "model"), "another type", _ANY_TYPE),
    Keyed("model/config.json", SLAM, f"^({_SHAPES}) (another type|negative|of another)|^(model_type|architectures) "),
    Keyed("model/config.json", SCORE, f"^({_SHAPES}) (another type|negative|of another)|^(model_type|architectures) "),
    Keyed("own/added.json", ("tasks", "--tasks", "own"), but=r"questions\S* missing|file missing"),
    Keyed("data/msvamp/en.jsonl", MSVAMP, but="response of another type"),
    Keyed("data/mgsm/exemplars.jsonl", EXAMPLES, "missing|null|^(q|a) |NaN", "^id |^language null"),
    Keyed("data/metamath/train.jsonl", (*TRAIN_ON, "english-reasoning")),
    Keyed("data/gsm8kinstruct_parallel/train.jsonl", (*TRAIN_ON, "multilingual-reasoning")),
    Keyed(OWN_TEXT, SHOWN, but="answer of another type"),
)


def of_keys(world: Path) -> Iterator[Case]:
    """Yields a case for every key of every JSON file, and every wrong value there."""
    for keyed in KEYED:
        content = found(world, keyed.file).read_text()
        read = json.loads(content.split("\n")[0] if keyed.file.endswith(".jsonl") else content)
        for at, value in places_of(read):
            for word, wrong in wrong_values(value).items():
                place = ".".join(map(str, at))
                if not re.search(keyed.only, f"{place} {word}") or re.search(keyed.but, f"{place} {word}"):
                    continue
                said = Path(keyed.file).name.partition("*")[0]
                yield Case(
                    f"{keyed.arguments[0]}: {keyed.file}, {place} {word}",
                    keyed.arguments,
                    with_value(keyed.file, at, wrong),
                    (said,),
                )


# --- commands and their options ---------------------------------------------------------------------------------------------------

#: Each command with arguments under which it would run; a command that is not here fails the walk.
RUNS: dict[str, tuple[str, ...]] = {
    "compare": COMPARE,
    "train": SLAM,
    "layers": FIND,
    "count": ("count", "model"),
    "doctor": ("doctor",),
    "methods": ("methods",),
    "export": ("export", CHECKPOINT, "new"),
    "score": SCORE,
    "board": ("board", RUN),
    "rescore": ("rescore", RUN),
    "overlap": ("overlap", "--suites", "pocket", "--source", "pocket", "--corpora", "english-reasoning"),
    "runs list": ("runs", "list"),
    "runs clean": ("runs", "clean", "quick/slam", "--yes"),
    "tasks": ("tasks",),
    "corpora": SHOWN,
    "language add": (*ADD, "questions.tsv"),
    "language remove": ("language", "remove", "it", "--suite", "mgsm", "--tasks", "own"),
    "suite add": (
        "suite",
        "add",
        "quiz",
        *("--title", "Quiz", "--source", "me", "--no-proof", "--tasks", "mine"),
        "--file-for",
        "it=questions.tsv",
    ),
    "suite remove": ("suite", "remove", "quiz", "--tasks", "own"),
    "pocket build": ("pocket", "build", "new"),
}

#: Wrong values of the options that take text or a path, by their names; one that is not here fails the walk.
WRONG: dict[str, tuple[str, ...]] = {
    "model": ("./nowhere", "data", "model/config.json", "a/b/c", "no such model", "/dev/null", "\x01"),
    "method": ("slan", "", "layers", "layer-swap", "translate-test"),
    "methods": ("slan", ",", "slam,slan", "base", "../slam"),
    "suites": ("mgms", ",", "pocket,mgms", "../pocket", "x" * 5000),
    "suite": ("mgms", "", "../mgsm"),
    "languages": ("swahili", ",", "en,xx", "te", "x" * 5000),
    "groups": ("lowest", ",", "", "cyrillic", "low,xx", "x" * 5000),
    "seeds": ("one", ",", "1.5", "0,x"),
    "data": ("nowhere", "exp.yaml", "/dev/null"),
    "tasks": ("exp.yaml", "/dev/null", "exp.yaml/own"),
    "dtype": ("float", "", "int8", "Float32"),
    "prompt": ("alpacca", "", "../alpaca"),
    "chat_arg": ("enable_thinking", "=", "a=[1]", "tokenize=true", "a b=1", "enable_thinking=perhaps", "\x01=1"),
    "think_end": ("", " ", "x" * 5000),
    "layers": ("six", ",", "99", "-1", "0", "1,1", "1.5", "0,99", "", "auto,1"),
    "corpora": ("nope", ",", "question-translatoin", "file:", "file:nowhere.jsonl", "file:exp.yaml", "hub:x", "hub:no-such/set"),
    "held_out": ("0", "2", "-0.5", "half", "", "file:", "file:nowhere.jsonl"),
    "report_to": ("nope", ",", "wandb"),
    "out": ("exp.yaml", "exp.yaml/new", "/dev/null", "/proc/new"),
    "pictures": ("exp.yaml", "exp.yaml/new", "/dev/null", "/proc/new"),
    "into": ("nowhere.md", "exp.yaml", "model", "/dev/null"),
    "endpoint": (
        "http://127.0.0.1:9",
        "nonsense",
        "ftp://127.0.0.1",
        "http://",
        "http://[",
        "",
        "http://no.such.host.invalid",
        "file:///etc/passwd",
    ),
    "ray": ("", "nowhere", "host:port", ":6379", "host:", "/dev/null", "host:99999"),
    "concurrency": ("x", "0", "-1", "1.5", "", "many", "999999", "²"),
    "file": ("nowhere.tsv", "exp.yaml", "model", "", "data/mgsm/exemplars.jsonl", "/dev/null"),
    "question_column": ("nope", "99", "0", "-1"),
    "answer_column": ("nope", "99", "1"),
    "choice_columns": ("nope", "99", ",", "question,nope"),
    "id_column": ("nope", "99", "0"),
    "level_column": ("nope", "99", "0"),
    "weights": ("", ",", "low", "low=", "low=x", "low=0", "low=-1", "low=1.5", "=1", "low=1,high=99999999"),
    "hub": ("", "not an id", "../x", "a/b/c"),
    "lm_eval": ("", "no_such_task", "xcopa_{sw", "sw=", "../x", "xcopa@no_such_metric"),
    "file_for": ("it", "=questions.tsv", "it=", "it=nowhere.tsv", "xx=questions.tsv", "it=model"),
    "gen_kwargs": ("top_p", "top_p=x", "top_p=2", "no_such=1", ",", "temperature=-1", "temperature=nan", "top_p=nan"),
    "engine": (
        "tensor_parallel_size",
        "=2",
        "tensor_parallel_size=two",
        "tensor_parallel_size=0",
        "tensor_parallel_size=999",
        "tensor_paralel_size=2",
        "dtype=float32",
        "kv_cache_dtype=fp7",
        "hf_overrides={",
    ),
    "model_args": ("pretrained", "pretrained=./nowhere", "pretrained=model,batch_size=8", "device=cuda", "max_lenght=8", ",="),
    "in_domain": (",", "GSM 8K", "../gsm8k"),
    "push": ("a/b/c", "not an id", "", "../x"),
}
#: Those that take any text.
ANY_TEXT = {
    ("suite add", "title"),
    ("suite add", "source"),
    ("suite add", "split"),
    ("compare", "system_instruction"),
    ("score", "system_instruction"),
}


def commands() -> Iterator[tuple[str, Any]]:
    """Yields the words of every command, and typer's description of it."""
    from typer.main import get_command

    from xreason.harness.cli.app import app

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words), command
        for name, each in (inner or {}).items():
            yield from walk(each, (*words, name))

    yield from walk(get_command(app), ())


def wrong_for(words: str, parameter: Any) -> Iterator[str]:
    """Yields values that an option does not take, told by its type, or by its name where it takes text."""
    kind = parameter.type_descriptor.annotation
    if (words, parameter.name) in ANY_TEXT:
        return
    if kind is int:
        yield from ("x", "1.5", "", "1e3", "0x10")
        if parameter.min is not None:
            yield from (str(parameter.min - 1), "-99999999999999999999")
    elif kind is float:
        yield from ("x", "nan", "-1", "inf", "")
    elif get_origin(kind) is Literal:
        yield from ("nope", "")
    else:
        yield from WRONG[parameter.name]


def of_options() -> Iterator[Case]:
    """Yields a case for every wrong value of every option of every command, and for what is no option."""
    for words, command in commands():
        run = RUNS[words]
        yield Case(f"{words} --no-such-option", (*run, "--no-such-option"), says=("--no-such-option",))
        yield Case(
            f"{words} with an argument too many",
            (
                *run,
                *["one-more"] * (0 if words in ("score", "board") else 1),
                *(["nowhere"] if words in ("score", "board") else []),
            ),
        )
        for parameter in command.params:
            flag = next((each for each in parameter.opts if each.startswith("--")), "")
            if not flag or flag == "--help":
                continue
            if parameter.type_descriptor.annotation is bool:
                yield Case(f"{words} {flag}=yes", (*run, f"{flag}=yes"), says=(flag,))
                continue
            if flag != "--ray":  # which means a cluster of this machine's then
                yield Case(f"{words} {flag} without a value", (*run, flag), says=(flag,))
            if flag in run and parameter.required:
                at = run.index(flag)
                yield Case(f"{words} without {flag}", (*run[:at], *run[at + 2 :]), says=(flag,))
            for value in wrong_for(words, parameter):
                shown = value if len(value) < 40 else f"{value[:8]}..."
                given = (*run, flag, value)
                if parameter.name == "endpoint":
                    given = ("score", "tiny", *POCKET, flag, value)
                yield Case(f"{words} {flag} {shown!r}", given)


# --- experiments ------------------------------------------------------------------------------------------------------------------


def experiment(**values: Any) -> Make:
    """Returns what writes the experiment file with other values."""

    def make(folder: Path) -> None:
        said = yaml.safe_load(EXPERIMENT) | values
        (folder / "exp.yaml").write_text(yaml.safe_dump({key: value for key, value in said.items() if value is not Missing}))

    return make


#: What each key of an experiment does not take.
_NESTED: Any = "x"
for _ in range(300):
    _NESTED = [_NESTED]
NO_EXPERIMENT: dict[str, tuple[Any, ...]] = {
    "name": (7, "", "../x", "a/b", "a\n", None, ["x"], {"x": 1}, "x" * 5000),
    "base": (7, "", None, ["model"], "./nowhere", "data"),
    "methods": (
        None,
        [],
        {},
        7,
        [7],
        "slan",
        {"slam": 7},
        {"slam": {"layers": "six"}},
        {"slam": {"epochs": -1}},
        {"full": {"corpora": {"gsm8k": -1}}},
        {"full": {"corpora": ["file:nowhere.jsonl"]}},
        {"full": {"held_out": 2}},
        {"full": {"keep": "best"}},
        {"": {}},
        {"base": {}},
        {"linear": {"of": ["slam", "nope"]}},
        {"linear": {"of": ["slam", "linear"]}},
        {"linear": {"of": ["slam", "base"]}},
        {"linear": {"of": ["slam", "full"], "weights": [1, 1]}},
        {"linear": {"of": ["slam", "full"], "epochs": 1}},
        {"linear": {"of": _NESTED}},
        {"layer-swap": {"of": ["slam"]}},
        {"layer-swap": {"of": ["full", "english-sft"], "bottom": 99}},
        {"layer-swap": {"share": 2}},
        {"task-arithmetic": {"of": "full", "scale": "x"}},
        {"translate-test": {"of": "nope"}},
        {"translate-test": {"of": ["full", "slam"]}},
        {"translate-test": {"translator": "./nowhere"}},
        {"self-consistency": {"samples": 1}},
        {"self-consistency": {"of": "self-consistency", "temperature": "x"}},
    ),
    "suites": (None, [], 7, "mgms", [None], {"pocket": 1}, [["pocket"]]),
    "languages": ([], "", 7, "swahili", [None], ["en", 7], {"en": "sw"}),
    "train_languages": (7, ["xx"], "swahili", [None]),
    "seeds": (None, [], "one", [0.5], [None], {"0": 1}, True, float("nan")),
    "source": ("paper", None, 7, ["pocket"]),
    "data": (7, ["data"], "nowhere", "exp.yaml"),
    "limit": (0, -1, 1.5, "x", True, [1], float("nan")),
    "max_new_tokens": (0, -1, "x", {"mgms": 8}, {"pocket": 0}, {"pocket": None}, [8]),
    "engine": (
        "x",
        7,
        ["x"],
        {7: 1},
        {"tensor_parallel_size": "two"},
        {"tensor_parallel_size": None},
        {"tensor_paralel_size": 2},
        {"dtype": "float32"},
        {"enforce_eager": [1]},
        {"kv_cache_dtype": _NESTED},
    ),
    "dtype": ("float", 32, None, ["auto"]),
    "prompt": ("alpacca", None, 7, ["alpaca"]),
    "chat_args": ("no", 7, ["a"], {"enable_thinking": False}, {"a": [1]}),
    "think_end": (" ", 7, ["</think>"]),
    "thinking_tokens": ("many", 0, -1, 8, True),
    "shots": (-1, None, "x", 1.5, 3),
    "samples": (0, -1, None, "x", 4),
    "temperature": (-0.1, None, "x", float("nan"), float("inf"), [0]),
    "reading": ("papers", None, 7),
    "mean": ("all-but-english", None, 7),
    "english_margin": (-1, None, "x", float("nan"), float("inf"), True, [1]),
    "save_minutes": (-1, None, "x", float("nan"), float("inf"), True, [1]),
    "no_such_key": (1,),
}
SETTINGS: dict[str, tuple[Any, ...]] = {
    "layers": (0, -1, 99, "six", [], [0, 0], [99], 1.5, None, True, {}, _NESTED),
    "max_steps": (0, -1, "x", 1.5, float("nan"), [1], True),
    "epochs": (0, -1, "x", float("nan"), float("inf"), None, []),
    "learning_rate": (0, -1, "x", float("nan"), float("inf"), None, []),
    "batch_size": (0, -1, "x", 1.5, None, []),
    "rows": (0, -1, "x", 1.5, []),
    "method": ("slan", "", 7),
    "corpora": ("nope", [], [None], 7, {}),
    "no_such_setting": (1,),
}
#: Whole experiment files.
EXPERIMENT_FILES: dict[str, str | bytes] = {
    "is a list": "- slam\n",
    "is a text": "slam\n",
    "is a number": "7\n",
    "is two documents": EXPERIMENT + "---\n" + EXPERIMENT,
    "has a tab": "name: quick\n\tbase: model\n",
    "has a key twice": EXPERIMENT + "limit: 5\n",
    "has an unhashable key": EXPERIMENT + "? [1, 2]\n: 3\n",
    "has an unknown alias": EXPERIMENT + "reading: *nowhere\n",
    "has a tag of Python": EXPERIMENT + "reading: !!python/object/apply:os.system [true]\n",
    "has a date that is none": EXPERIMENT + "reading: 2024-13-45\n",
    "has a number of many digits": EXPERIMENT.replace("limit: 3", f"limit: {'9' * 10_000}"),
    "is within itself": "methods: &m\n  slam: *m\n",
    "is aliases of aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    + "name: *a59\n",
    "is lists nested deep": "methods: " + "[" * DEEP + "]" * DEEP,
    "is mappings nested deep": "methods: " + "{a: " * DEEP + "}" * DEEP,
    "is blocks nested deep": "".join(f"{' ' * n}a:\n" for n in range(2000)),
    "is large": EXPERIMENT + "#" * 2_000_000,
    "is JSON cut short": '{"name": "quick", "base": ',
}


def of_experiments() -> Iterator[Case]:
    """Yields a case for every wrong value of every key and setting of an experiment, and for whole files."""
    for key, values in NO_EXPERIMENT.items():
        for value in values:
            yield Case(f"experiment, {key}: {value!r:.40}", COMPARE, experiment(**{key: value}))
    for key, values in SETTINGS.items():
        for value in values:
            yield Case(f"experiment, slam's {key}: {value!r:.40}", COMPARE, experiment(methods={"slam": {key: value}}))
    for name, content in EXPERIMENT_FILES.items():
        yield Case(f"experiment {name}", COMPARE, put("exp.yaml", content), ("exp.yaml",))


# --- servers, weights, tables, folders --------------------------------------------------------------------------------------------


def of_servers() -> Iterator[Case]:
    """Yields a case for every wrong answer of a server: where its models are asked for, and where it is to complete a prompt."""
    for where in ("list", "answer"):
        for wrong in WRONG_ANSWERS:
            if wrong == "hangs" and where == "list":
                continue  # one that hangs is waited for
            url = f"{{url}}/{where}-{wrong}"
            yield Case(f"server: {where} {wrong}", ("score", "tiny", *POCKET, "--endpoint", url), says=("/v1",))
    yield Case("server: another model", ("score", "other", *POCKET, "--endpoint", "{url}"), says=("other",))
    yield Case("server: samples", ("score", "tiny", *POCKET, "--endpoint", "{url}", "--samples", "2", "--temperature", "1"))
    yield Case("server: a chat template", ("score", "tiny", *POCKET, "--endpoint", "{url}", "--prompt", "chat"))


def tensors(name: str, change: Callable[[dict[str, Any]], object]) -> Make:
    """Returns what writes a safetensors file anew, its tensors changed."""

    def make(folder: Path) -> None:
        from safetensors.numpy import load_file, save_file

        held = load_file(folder / name)
        change(held)
        save_file(held, folder / name, metadata={"format": "pt"})

    return make


def index(content: Any) -> Make:
    return put("model/model.safetensors.index.json", json.dumps(content))


_UP = "model.layers.0.mlp.up_proj.weight"
WEIGHTS: dict[str, Make] = {
    "are empty": put("model/model.safetensors", b""),
    "are garbage": put("model/model.safetensors", b"\xff" * 1000),
    "are cut short": changed("model/model.safetensors", lambda content: content[:-100]),
    "are a header alone": changed("model/model.safetensors", lambda content: content[:500]),
    "have a header of another length": changed("model/model.safetensors", lambda content: b"\x01" + content[1:]),
    "have an endless header": changed("model/model.safetensors", lambda content: b"\xff" * 8 + content[8:]),
    "have another shape": tensors("model/model.safetensors", lambda held: held.update({_UP: held[_UP][:5]})),
    "have other dimensions": tensors("model/model.safetensors", lambda held: held.update({_UP: held[_UP].reshape(-1)})),
    "are a folder": as_folder("model/model.safetensors"),
    "are gone": gone("model/model.safetensors"),
    "are a link to nothing": dangling("model/model.safetensors"),
    "have an index without them": index({"weight_map": {_UP: "model-1.safetensors"}}),
    "have an index that is a list": index([]),
    "have an index without a map": index({"metadata": {}}),
    "have an index of numbers": index({"weight_map": {_UP: 1}}),
    "have an index that is a map of lists": index({"weight_map": {_UP: ["model.safetensors"]}}),
    "have an index that is cut": put("model/model.safetensors.index.json", '{"weight_map": {'),
    "have an index nested deep": put("model/model.safetensors.index.json", '{"a":' * DEEP),
}
NOT_TRAINED = {"lack a tensor": tensors("model/model.safetensors", lambda held: held.pop(_UP))}

#: Lines of a person's own questions that are none, by the suffix of their file.
QUESTIONS: dict[str, tuple[str | bytes, ...]] = {
    "tsv": (
        "question\n",
        "question\tanswer\n",
        "question\tanswer\n\t5\n",
        "question\tanswer\nQuanto fa 2 più 3?\t\n",
        "question\tanswer\nQuanto fa 2 più 3?\teighteen\n",
        "question\tanswer\nQuanto fa 2 più 3?\tnan\n",
        "question\tanswer\nQuanto fa 2 più 3?\tinf\n",
        "question\tanswer\nQuanto fa 2 più 3?\t1.000\n",
        "question\tanswer\nQuanto fa 2 più 3?\t5\t6\n",
        "question\tanswer\nСколько будет 2 и 3?\t5\n",
        "question\tanswer\n" + "Quanto fa 2 più 3?\t5\n" * 2,
        "question\tanswer\n" + "Quanto fa 2 più 3?\tx\n" * 500,
        "a\tb\nQuanto fa 2 più 3?\t5\n",
        b"Quanto fa 2 pi\xf9 3?\t5\n",
    ),
    "csv": (
        'question,answer\n"Quanto fa,5\n',
        "question,answer\nQuanto fa 2, 3?,5\n",
        'question,answer\n"Quanto" fa 2?,5\n',
        "question,answer\n" + "x" * 200_000 + ",5\n",
        b"question,answer\nQuanto fa\0 2?,x\n",
    ),
    "jsonl": (
        '{"question": "Quanto fa 2 più 3?"}\n',
        '{"question": null, "answer": 5}\n',
        '{"question": "", "answer": 5}\n',
        '{"question": "Quanto fa 2 più 3?", "answer": null}\n',
        '{"question": "Quanto fa 2 più 3?", "answer": NaN}\n',
        '{"question": "Quanto fa 2 più 3?", "answer": true}\n',
        '{"question": "Quanto fa 2 più 3?", "answer": [5]}\n',
        '{"question": 7, "answer": {}}\n',
        '["Quanto fa 2 più 3?", 5]\n',
        "7\n",
        '{"question": "Quanto fa 2 più 3?", "answer": 5\n',
        '{"a":' * DEEP + "\n",
        "[" * DEEP + "\n",
    ),
    "parquet": (b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", "question\tanswer\n"),
    "xlsx": (b"PK",),
    "": ("Quanto fa 2 più 3?\t5\n",),
}


def of_tables() -> Iterator[Case]:
    for suffix, contents in QUESTIONS.items():
        name = f"own questions.{suffix}" if suffix else "questions"
        for number, content in enumerate(contents, start=1):
            yield Case(f"language add, {suffix or 'no suffix'} {number}", (*ADD, name), put(name, content), ("questions",))
    for number, line in enumerate(("What is 2 plus 2?", "\t4", "What is 2?\t", "What is 2?\t4\t5"), start=1):
        put_line = changed("data/mgsm/mgsm_en.tsv", lambda content, line=line: content + line.encode() + b"\n")
        yield Case(f"score, mgsm row {number}", MGSM, put_line, ("mgsm_en.tsv", "line 3"))


def of_models() -> Iterator[Case]:
    """Yields a case for every state of a model's weights, by the commands that read them."""
    for state, make in WEIGHTS.items():
        yield Case(f"score: weights {state}", SCORE, make)
        yield Case(f"train: weights {state}", SLAM, make)
    for state, make in NOT_TRAINED.items():
        yield Case(f"train: weights {state}", SLAM, make)
    for state in ("are cut short", "are gone", "have an index that is a list"):
        yield Case(f"layers: weights {state}", (*FIND[:-1], "5"), WEIGHTS[state])
        yield Case(f"compare: weights {state}", COMPARE, WEIGHTS[state])
    yield Case("layers: a tensor is missing", (*FIND[:-1], "5"), NOT_TRAINED["lack a tensor"])
    for name in ("tokenizer.json", "config.json"):
        yield Case(f"score: no {name}", SCORE, gone(f"model/{name}"), (name,))
        yield Case(f"train: no {name}", SLAM, gone(f"model/{name}"), (name,))
    yield Case("count: no config.json", ("count", "model"), gone("model/config.json"), ("config.json",))
    for command in ("export", "score"):
        arguments = (command, CHECKPOINT, *(("new",) if command == "export" else POCKET))
        for state in ("are empty", "are garbage", "are cut short", "are gone"):
            broken = {"are empty": b"", "are garbage": b"\xff" * 1000}.get(state)
            weights = f"{CHECKPOINT}/model.safetensors"
            cut = changed(weights, lambda content: content[:-100])
            make = gone(weights) if state == "are gone" else cut if broken is None else put(weights, broken)
            yield Case(f"{command}: the checkpoint's weights {state}", arguments, make)
        yield Case(f"{command}: the base is gone", arguments, gone("model"), ("model",))
        yield Case(f"{command}: the base has changed", arguments, with_value("model/config.json", ("rms_norm_eps",), 0.5))


REST = (
    Case("no such command", ("compares",), says=("compares",)),
    Case("no such option", ("--no-such",), says=("--no-such",)),
    Case("a group's command is unknown", ("language", "ad"), says=("ad",)),
    Case("board of nothing", ("board",)),
    Case("board of a folder without records", ("board", "data"), says=("data",)),
    Case("board of no folder", ("board", "nowhere"), says=("nowhere",)),
    Case("board of another file", ("board", "exp.yaml"), says=("exp.yaml",)),
    Case("board of a model folder", ("board", "model"), says=("model",)),
    Case("board of the same record twice", ("board", RUN, f"{SLAM_ROW}/record.json")),
    Case("board into a page without marks", ("board", RUN, "--into", "page.md"), put("page.md", "# Mine\n"), ("page.md",)),
    Case("board into a page with one mark", ("board", RUN, "--into", "page.md"), put("page.md", "<!-- board -->\n"), ("page.md",)),
    Case("board of scores of nothing", ("board", RUN), with_value(f"{SLAM_ROW}/record.json", ("scores",), {}), ("record.json",)),
    Case(
        "board of a huge count",
        ("board", RUN),
        with_value(f"{SLAM_ROW}/record.json", ("checkpoint_bytes",), 10**400),
        ("record.json",),
    ),
    Case("board of another format", ("board", RUN), with_value(f"{SLAM_ROW}/record.json", ("format",), 99), ("record.json",)),
    Case("board of an unknown key", ("board", RUN), with_value(f"{SLAM_ROW}/record.json", ("more",), 1), ("record.json",)),
    Case("runs of nothing", ("runs", "nowhere"), says=("nowhere",)),
    Case("runs of a file", ("runs", "exp.yaml"), says=("exp.yaml",)),
    Case("runs clean of nothing", ("runs", "clean", "nowhere", "--yes"), says=("nowhere",)),
    Case("runs clean of what is outside", ("runs", "clean", "../model", "--yes"), says=("model",)),
    Case(
        "runs clean of one that is not there beside one that is",
        ("runs", "clean", "quick/slam", "nowhere", "--yes"),
        says=("nowhere",),
    ),
    Case("rescore of no folder", ("rescore", "nowhere"), says=("nowhere",)),
    Case("rescore of a file", ("rescore", "exp.yaml"), says=("exp.yaml",)),
    Case("rescore of nothing finished", ("rescore", "data"), says=("data",)),
    Case("rescore without samples", ("rescore", RUN), gone(f"{SCORES}/slam"), ("samples",)),
    Case("rescore without verdicts", ("rescore", RUN), gone(f"{SCORES}/verdicts.json"), ("verdicts.json",)),
    Case("rescore without scores", ("rescore", RUN), gone(f"{SLAM_ROW}/scores"), ("verdicts.json",)),
    Case("rescore where scores is a file", ("rescore", RUN), as_file(f"{SLAM_ROW}/scores"), ("scores",)),
    Case("compare where the run is a file", COMPARE, as_file("runs"), ("runs",)),
    Case("compare where the row is a file", (*COMPARE, "--seeds", "5"), as_file(f"{RUN}/slam"), ("slam",)),
    Case("compare with a training's report gone", COMPARE, gone(f"{CHECKPOINT}/training.json"), ("training.json",)),
    Case("compare with verdicts gone", COMPARE, gone(f"{SCORES}/verdicts.json"), ("verdicts.json",)),
    Case("compare with circumstances gone", COMPARE, gone(f"{SCORES}/scored.json"), ("scored.json",)),
    Case("compare with a checkpoint's description gone", COMPARE, gone(f"{CHECKPOINT}/checkpoint.json"), ("checkpoint",)),
    Case("compare of a folder", ("compare", "data"), says=("data",)),
    Case("compare of no experiment", ("compare", "nowhere.yaml"), says=("nowhere.yaml",)),
    Case("compare of a model", ("compare", "model"), says=("model",)),
    Case("compare of a device", ("compare", "/dev/null")),
    Case("compare of an empty name", ("compare", "")),
    Case("train of no method", ("train", "slan", *SLAM[2:]), says=("slan",)),
    Case("train of nothing", ("train",)),
    Case("train on a column that is not there", (*TRAIN_ON, f"file:{OWN_TEXT}#question=nope"), says=("nope",)),
    Case("train with the best of nothing", (*SLAM, "--keep", "best"), says=("held_out",)),
    Case("train with all held out", (*TRAIN_ON, f"file:{OWN_TEXT}", "--held-out", f"file:{OWN_TEXT}"), says=("hold out fewer",)),
    Case("rows of no corpus", ("corpora", "nope"), says=("nope",)),
    Case("train without a corpus", (*TRAIN_ON, "english-reasoning"), gone("data/metamath"), ("etaMath",)),
    Case(
        "train with unequal translations",
        (*TRAIN_ON, "question-translation"),
        put("data/question_translation/sw-en/train.sw", "moja\n"),
    ),
    Case(
        "train with translations gone",
        (*TRAIN_ON, "question-translation"),
        gone("data/question_translation/sw-en/train.en"),
        ("train.en",),
    ),
    Case("count of nothing", ("count", "nowhere")),
    Case("count of a file", ("count", "exp.yaml")),
    Case("layers of nothing", ("layers", "./nowhere")),
    Case("layers of one language", ("layers", "model", "--suite", "pocket", "--languages", "en", "--questions", "2")),
    Case("layers of a suite and a source", (*FIND, "--source", "pocket")),
    Case("score of nothing", ("score",)),
    Case("score of a checkpoint's row", ("score", SLAM_ROW, *POCKET), says=("config.json",)),
    Case("score with shots that the suite has not", (*SCORE, "--shots", "1", "--prompt", "native-cot"), says=("--shots",)),
    Case("score with too many shots", (*EXAMPLES, "--shots", "9"), says=("--shots",)),
    Case("score with a style without examples", (*SCORE, "--shots", "1"), says=("--shots",)),
    Case("score with greedy samples", (*SCORE, "--samples", "2"), says=("--temperature",)),
    Case("score of a blank", ("score", " ", *POCKET)),
    Case("export of nothing", ("export", "nowhere", "new"), says=("nowhere",)),
    Case("export of a model", ("export", "model", "new"), says=("model",)),
    Case("export into a folder that is not empty", ("export", CHECKPOINT, "data"), says=("data",)),
    Case("export into a file", ("export", CHECKPOINT, "exp.yaml"), says=("exp.yaml",)),
    Case("export into a file's folder", ("export", CHECKPOINT, "exp.yaml/new"), says=("exp.yaml",)),
    Case(
        "export with a damaged record beside", ("export", CHECKPOINT, "new"), put(f"{SLAM_ROW}/record.json", "{"), ("record.json",)
    ),
    Case("pocket build into a folder that is not empty", ("pocket", "build", "data"), says=("data",)),
    Case("pocket build into a file", ("pocket", "build", "exp.yaml"), says=("exp.yaml",)),
    Case("pocket build into a file's folder", ("pocket", "build", "exp.yaml/new"), says=("exp.yaml",)),
    Case("language that is none", ("language", "add", "qqq", *ADD[3:], "questions.tsv"), says=("qqq",)),
    Case("language with a region", ("language", "add", "it-IT", *ADD[3:], "questions.tsv"), says=("it",)),
    Case("language that is there", ("language", "add", "sw", *ADD[3:], "questions.tsv"), says=("sw",)),
    Case("language of two columns of one", (*ADD, "questions.tsv", "--question-column", "1", "--answer-column", "1")),
    Case("language removed that is not there", ("language", "remove", "it", "--suite", "pocket", "--tasks", "own"), says=("it",)),
    Case(
        "suite that is there",
        ("suite", "add", "mgsm", "--title", "X", "--source", "me", "--file-for", "it=questions.tsv", "--tasks", "mine"),
    ),
    Case(
        "suite whose name is none",
        ("suite", "add", "../x", "--title", "X", "--source", "me", "--file-for", "it=questions.tsv", "--tasks", "mine"),
    ),
    Case("suite of nothing", ("suite", "add", "quiz", "--title", "X", "--source", "me", "--no-proof", "--tasks", "mine")),
    Case(
        "suite of a language twice",
        (
            "suite",
            "add",
            "quiz",
            "--title",
            "X",
            "--source",
            "me",
            "--file-for",
            "it=questions.tsv",
            "--file-for",
            "it=questions.tsv",
            "--tasks",
            "mine",
        ),
    ),
    Case(
        "suite of a hub's languages without a hub",
        ("suite", "add", "quiz", "--title", "X", "--source", "me", "--languages", "it", "--tasks", "mine"),
    ),
    Case(
        "suite of a hub's set that is nowhere",
        ("suite", "add", "quiz", *("--title", "X", "--source", "me", "--hub", "no-such-owner/no-such-set", "--languages", "it")),
    ),
    Case("suite of the box removed", ("suite", "remove", "mgsm", "--tasks", "own"), says=("MGSM",)),
    Case(
        "own questions gone",
        ("score", "model", "--suites", "mgsm", "--languages", "it", "--tasks", "own", "--out", "new"),
        gone("own/mgsm/mgsm_it.jsonl"),
        ("mgsm_it.jsonl",),
    ),
    Case("own folder is a file", ("tasks", "--tasks", "own"), as_file("own"), ("own",)),
)


def of_everything(world: Path) -> list[Case]:
    """Returns all cases."""
    made = (of_files(), of_keys(world), of_options(), of_experiments(), of_servers(), of_tables(), of_models(), REST)
    return [case for cases in made for case in cases]
