"""What commands share: options, how their texts are read, and how results are printed.

`--data` and `--tasks` take hold while the line is parsed: before a command imports what looks for data, languages and suites.
"""

import json
import math
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown

if TYPE_CHECKING:
    from xreason.harness.plan import Plan
    from xreason.leaderboards.board import Board

RUNS = Path("runs")


def use_data(folder: Path | None) -> Path | None:
    """Makes a data folder, or else that of XREASON_DATA, hold for this process and those that it starts.

    Raises:
        UserError: there is no such folder.
    """
    missing = "The data folder {} does not exist; give another with --data, or unset XREASON_DATA to use the hub."
    return _use("XREASON_DATA", folder, missing)


def data_folder() -> Path | None:
    """Returns the data folder that holds for this process, or None."""
    named = os.environ.get("XREASON_DATA")
    return Path(named) if named else None


def _use_tasks(folder: Path | None) -> Path | None:
    missing = "The folder of languages and suites {} does not exist; give another with --tasks, or unset XREASON_TASKS."
    return _use("XREASON_TASKS", folder, missing)


def _use_new_tasks(folder: Path | None) -> Path | None:
    return _use("XREASON_TASKS", folder)


def _writable(folder: Path) -> Path:
    from xreason.harness.store.writable import check_writable

    check_writable(folder)
    return folder


def _rate(tflops: float | None) -> float | None:
    if tflops is not None and not 0 < tflops < 10**9:
        raise UserError(f"--tflops {tflops:g} is no rate; give what a device reaches, in 10^12 operations a second, such as 400.")
    return tflops


def _finite(minutes: float | None) -> float | None:
    if minutes is not None and not math.isfinite(minutes):
        raise UserError(f"--save-minutes {minutes} is no number of minutes; give one such as 15, or 0 for no step checkpoints.")
    return minutes


def _cluster(address: str | None) -> str | None:
    if address in (None, "auto", "local"):
        return address
    host, _, port = str(address).rpartition(":")
    if not host or "/" in host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UserError(f"--ray {address!r} is no address of a Ray cluster; give HOST:PORT, auto, or local.")
    return address


def _use(variable: str, folder: Path | None, missing: str = "") -> Path | None:
    if named := str(folder or os.environ.get(variable) or ""):
        os.environ[variable] = str(Path(named).expanduser())
        if missing and not Path(os.environ[variable]).is_dir():
            raise UserError(missing.format(named))
    return folder


_TASKS_HELP = "Folder of your own languages and suites (or XREASON_TASKS); xreason_tasks by default."

# An option's flag is the name of the command's parameter, where it does not say another.
Model = Annotated[str | None, typer.Option(help="Base model: a folder, a hub id, or pocket.")]
Suites = Annotated[str | None, typer.Option(help="Suites, by commas: mgsm, msvamp, pocket, or any task of lm-eval: lm-eval:xcopa.")]
Languages = Annotated[str | None, typer.Option(help="Codes, or groups such as low, by commas; all of the suite by default.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many questions a language.")]
MaxNewTokens = Annotated[int | None, typer.Option(min=1, help="Longest response, in tokens.")]
Data = Annotated[Path | None, typer.Option(help="Folder with local copies of the data sets (or XREASON_DATA).", callback=use_data)]
Tasks = Annotated[Path | None, typer.Option(help=_TASKS_HELP, callback=_use_tasks)]
NewTasks = Annotated[Path | None, typer.Option(help=_TASKS_HELP, callback=_use_new_tasks)]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"] | None,
    typer.Option(help="Serve in this; auto: as stored, float32 on a GPU as bfloat16."),
]
Engine = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Any argument of vLLM, such as tensor_parallel_size=2; repeatable.")
]
ModelArgs = Annotated[
    str | None,
    typer.Option("--model-args", "--model_args", help="As lm-eval has them: pretrained=M,dtype=bfloat16,tensor_parallel_size=2."),
]
FreshEngines = Annotated[bool | None, typer.Option("--fresh-engines", help="Start an engine for every model; swap no weights.")]
Prompt = Annotated[
    str | None,
    typer.Option(help="Prompt style: alpaca, metamath, octopus, native-cot, en-cot, direct, chat, published, published-chat."),
]
Shots = Annotated[int | None, typer.Option(min=0, help="Worked examples before every question.")]
Samples = Annotated[int | None, typer.Option(min=1, help="Responses to every question (with --temperature).")]
WorkedExamples = Annotated[
    Literal["drawn", "first"] | None, typer.Option(help="Drawn anew for every question, or the first for all.")
]
Temperature = Annotated[float | None, typer.Option(min=0, help="Of sampling; 0 is greedy.")]
GenKwargs = Annotated[
    str | None,
    typer.Option("--gen-kwargs", "--gen_kwargs", help="As lm-eval has them: temperature=0.7,top_p=0.9,top_k=50,min_p=0.05."),
]
SystemInstruction = Annotated[
    str | None, typer.Option(help="Text that stands before every question, in the system's turn of a chat.")
]
ChatArg = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="What the chat template is told, such as enable_thinking=false; repeatable."),
]
ThinkEnd = Annotated[str | None, typer.Option(help="What ends a model's thinking, such as '</think>'; nothing before it is read.")]
ThinkingTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens after which thinking is ended, beside those of --max-new-tokens (with --think-end)."),
]
Reading = Annotated[Literal["paper", "strict", "metamath"] | None, typer.Option(help="What the board ranks by; paper by default.")]
Mean = Annotated[
    Literal["all", "without-english"] | None, typer.Option(help="What ranks and gains are of: all languages, or all but English.")
]
Source = Annotated[Literal["papers", "pocket"] | None, typer.Option(help="Training text; the pocket world's for the pocket model.")]
Seed = Annotated[int, typer.Option(help="Of all that is left to chance.")]
Layers = Annotated[str | None, typer.Option(help="For slam: auto, a count of lowest layers, or indices by commas.")]
Launch = Annotated[int, typer.Option(min=1, help="Processes (GPUs) to shard a training over; starts them with torchrun.")]
SaveMinutes = Annotated[
    float | None,
    typer.Option(min=0, help="Minutes between step checkpoints of a training, 15 by default; 0 for none.", callback=_finite),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Let a Ray cluster do it: auto for the one that runs here, HOST:PORT, or local for one of this machine.",
        callback=_cluster,
    ),
]
ReportTo = Annotated[str | None, typer.Option(help="Also log to tensorboard, wandb, trackio, ...")]
QuestionColumn = Annotated[str | None, typer.Option(help="Name or number of the column; found by its name by default.")]
AnswerColumn = Annotated[str | None, typer.Option(help="The same for the gold answer.")]
ChoiceColumns = Annotated[str | None, typer.Option(help="The same for options: one column with all, or one for each: a,b,c,d.")]
IdColumn = Annotated[str | None, typer.Option(help="The same for what tells a question in all languages; none for none.")]
LevelColumn = Annotated[str | None, typer.Option(help="The same for the level that a question is of; these take turns.")]
Answers = Annotated[
    Literal["letter", "text", "0", "1"] | None,
    typer.Option(help="How answers name an option: its letter, its text, its number from 0 or from 1; found by default."),
]
AsPublished = Annotated[
    bool, typer.Option("--as-published", help="Keep what is doubtful: golds not read back, questions twice or in another script.")
]
Proof = Annotated[bool, typer.Option("--proof/--no-proof", help="Let the pocket model answer two questions a language.")]
Out = Annotated[Path, typer.Option(help="Run store.", callback=_writable)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be done and what that takes; no weights, no network, seconds.")
]
Tflops = Annotated[
    float | None,
    typer.Option(help="For --dry-run: 10^12 operations a second that a device reaches; else a product is timed.", callback=_rate),
]
Exact = Annotated[bool, typer.Option("--exact", help="For --dry-run: tokenize every row, however long that takes.")]
Wide = Annotated[
    bool, typer.Option("--wide", help="Print all of a board, in 100 columns: both readings, pairs, samples, responses.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def listed(text: str | None) -> tuple[str, ...] | None:
    """Returns the names that stand between commas, one at least (else it is a UserError); None for None."""
    # commas within braces are of one name: lm-eval:xcopa_{sw,ta}
    names = tuple(part.strip() for part in re.split(r",(?![^{}]*\})", text or "") if part.strip())
    if text is not None and not names:
        raise UserError(f"{text!r} names nothing; give names with commas between them, or leave the option out.")
    return names or None


def codes(text: str | None, known: Collection[str] = ()) -> tuple[str, ...] | None:
    """Returns the languages that stand between commas, by their codes in the table: in any usual spelling, or groups of them.

    `known` are codes beside the table's.
    """
    from xreason.tasks.cldr.codes import chosen

    return None if text is None else chosen(listed(text) or (), known)


def layers_of(text: str | None) -> int | list[int] | str | None:
    """Returns what `--layers` says: "auto", a count, or indices (also of one, where a comma follows); None for None.

    Raises:
        UserError: it is none of these.
    """
    if text is None or text == "auto":
        return text
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers:
        raise UserError(f"--layers {text!r} is neither auto, nor a count, nor indices; give 6, or 0,1,2 (one layer alone: 3,).")
    return numbers[0] if "," not in text else numbers


def in_flight(text: str | None) -> int | None:
    """Returns what `--concurrency` says: how many requests, None for auto; a UserError for anything else."""
    if text is None or text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 6 or int(text) == 0:
        raise UserError(f"--concurrency {text[:20]!r} is neither auto nor a number of requests; give such as 256.")
    return int(text)


#: lm-eval's names to the experiment's.
_GEN_KWARGS = {**{name: name for name in ("temperature", "top_p", "top_k", "min_p")}, "max_gen_toks": "max_new_tokens"}


def asked(**flags: Any) -> dict[str, Any]:
    """Returns the experiment's keys that are given by their own flags, and by `gen_kwargs`, in lm-eval's form, among them.

    Raises:
        UserError: an argument of `gen_kwargs` is unknown, no number, or given by its own flag too.
    """
    given = {key: value for key, value in flags.items() if value is not None and key != "gen_kwargs"}
    for argument in listed(flags["gen_kwargs"]) or ():
        name, _, text = argument.partition("=")
        if name == "do_sample":
            # a temperature says it already, 0 that it is not to be sampled
            if text.lower() == "true":
                continue
            name, text = "temperature", "0"
        if name not in _GEN_KWARGS:
            raise unknown("argument of --gen-kwargs", name, _GEN_KWARGS)
        try:
            value = int(text) if name in ("top_k", "max_gen_toks") else float(text)
        except ValueError:
            value = -1
        if not value >= 0 or (name, value) == ("max_gen_toks", 0):
            raise UserError(f"--gen-kwargs {argument!r} gives no number that can be used; write such as top_p=0.9,top_k=50.")
        if given.setdefault(_GEN_KWARGS[name], value) != value:
            raise UserError(f"{name} is given twice, with different values; give it once.")
    return given


def chat_args(texts: Sequence[str] | None) -> dict[str, Any] | None:
    """Returns what `--chat-arg` tells a chat template, each value as YAML reads it; None for nothing.

    Raises:
        UserError: one is not of the form KEY=VALUE, is told twice, or is no single value.
    """
    import yaml

    from xreason.harness.serving.arguments import told

    read: dict[str, Any] = {}
    for name, text in told(texts or (), "--chat-arg", "enable_thinking=false").items():
        try:
            read[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            read[name] = text
        if not isinstance(read[name], bool | int | float | str | None):
            raise UserError(f"--chat-arg {name}={text!r:.60} is no single value; give one such as enable_thinking=false.")
    return read or None


def show(as_json: bool, content: Any, *tables: Any) -> None:
    """Prints `content` as JSON, or else the tables (what rich can print) that say the same."""
    if as_json:
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    # into a pipe or a file, a table is not cut to the 80 columns that rich takes where there is no terminal and nobody says
    (console if console.is_terminal or "COLUMNS" in os.environ else Console(width=120)).print(*tables, sep="\n")


def show_boards(as_json: bool, boards: "Sequence[Board]", wide: bool) -> None:
    """Prints boards, one a suite."""
    from xreason.leaderboards.forms.as_json import boards_json
    from xreason.leaderboards.forms.terminal import board_tables

    show(as_json, boards_json(boards), board_tables(boards, wide=wide))


def heed_dry_run(dry_run: bool, tflops: float | None, exact: bool) -> None:
    """Keeps the hub's libraries from asking it, where only a plan is asked for; to be called before they are imported.

    Raises:
        UserError: it is said how a dry run reckons, and none is asked for.
    """
    if dry_run:
        os.environ["HF_HUB_OFFLINE"] = "1"
    elif tflops is not None or exact:
        raise UserError("--tflops and --exact say how a dry run reckons; add --dry-run, or leave them out.")


def show_outlook(as_json: bool, plan: "Plan", store: Path, tflops: float | None, exact: bool) -> None:
    """Prints what a plan will take, planned in outline."""
    from xreason.harness.outlook import outlook
    from xreason.harness.showing.outlook import outlook_tables

    seen = outlook(plan, store, tflops=tflops, exact=exact)
    show(as_json, seen.model_dump(mode="json"), outlook_tables(seen))


def end_with(failures: Sequence[tuple[str, str]]) -> None:
    """Says once more which rows failed, and why, and ends with exit code 3; goes on where none did."""
    for row, reason in failures:
        typer.echo(f"Failed: {row}: {reason}", err=True)
    if failures:
        raise typer.Exit(3)


def say_where(path: Path) -> None:
    """Says, on the error stream, what has been written."""
    from xreason.harness import progress

    progress.say(f"written to {path}")
