"""The command line. Nothing heavy is imported before the command that needs it runs, so that `--help` answers at once."""

import functools
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from xreason.tasks.errors import UserError

if TYPE_CHECKING:
    from xreason.leaderboards.board import Board
    from xreason.leaderboards.records import Reading

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

app = typer.Typer(
    name="xreason",
    help="Compare ways of teaching language models to reason in many languages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
pocket = typer.Typer(help="The pocket model: the default that needs no download.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(pocket, name="pocket")
language = typer.Typer(help="Languages of a suite: add one, take one out.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(language, name="language")
suite = typer.Typer(help="Suites: add one, take one out.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(suite, name="suite")

ModelOption = Annotated[str | None, typer.Option("--model", help="Base model: a folder, a hub id, or pocket.")]
SuitesOption = Annotated[str | None, typer.Option("--suites", help="Suites, by commas: mgsm, msvamp, pocket.")]
LanguagesOption = Annotated[str | None, typer.Option("--languages", help="Language codes, by commas; all of the suite by default.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many questions a language.")]
TokensOption = Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="Longest response, in tokens.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder with local copies of the data sets (or XREASON_DATA).")]
OutOption = Annotated[Path, typer.Option("--out", help="Run store.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
QuestionColumnOption = Annotated[
    str | None, typer.Option("--question-column", help="Name or number of the column; found by its name by default.")
]
AnswerColumnOption = Annotated[str | None, typer.Option("--answer-column", help="The same for the gold answer, a number.")]
ProofOption = Annotated[bool, typer.Option("--proof/--no-proof", help="Let the pocket model answer two questions a language.")]
DtypeOption = Annotated[str | None, typer.Option("--dtype", help="Serve in auto (as stored), float32, bfloat16 or float16.")]

PromptOption = Annotated[
    str | None, typer.Option("--prompt", help="Prompt style: alpaca, octopus, native-cot, en-cot, direct, chat.")
]
ShotsOption = Annotated[int | None, typer.Option("--shots", min=0, help="Worked examples before every question.")]
SamplesOption = Annotated[int | None, typer.Option("--samples", min=1, help="Responses to every question (with --temperature).")]
TemperatureOption = Annotated[float | None, typer.Option("--temperature", min=0, help="Of sampling; 0 is greedy.")]
ReadingOption = Annotated[str | None, typer.Option("--reading", help="What the board ranks by: paper or strict.")]

LaunchOption = Annotated[
    int, typer.Option("--launch", min=1, help="Processes (GPUs) to shard a training over; starts them with torchrun.")
]
ReportToOption = Annotated[str | None, typer.Option("--report-to", help="Also log to tensorboard, wandb, trackio, ...")]
LayersOption = Annotated[
    str | None, typer.Option("--layers", help="For slam: auto, a count of lowest layers, or indices by commas.")
]

RUNS = Path("runs")


def main() -> None:
    """Runs the command line; `--debug` may stand anywhere on it."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        os.environ["XREASON_DEBUG"] = "1"
        arguments.remove("--debug")
    app(args=arguments)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and the libraries' logs.")] = False,
) -> None:
    """Sets what holds for all commands."""
    if debug or os.environ.get("XREASON_DEBUG"):
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    else:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TQDM_DISABLE", "1")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _command(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turns what a person can put right into one sentence and exit code 2, and an interrupt into one line and 130."""

    @functools.wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        from xreason.harness import progress

        progress.heed_interrupts()
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            _fail("Interrupted. What was finished is kept; the same command goes on from there.", 130)
        except Exception as error:
            if os.environ.get("XREASON_DEBUG") or not _is_users(error):
                raise
            _fail(f"Error: {_sentence(error)}", 2)

    return run


def _is_users(error: Exception) -> bool:
    from xreason.leaderboards.board import BoardError
    from xreason.leaderboards.records import RecordError

    # an OSError with a file name is about a file or folder that the person named: gone, full, or not to be written
    return isinstance(error, UserError | BoardError | RecordError) or (isinstance(error, OSError) and error.filename is not None)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, UserError):
        return f"{error.filename}: {error.strerror or error}; mend that, or choose another folder with --out."
    return str(error)


def _fail(text: str, code: int) -> NoReturn:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@app.command()
@_command
def compare(
    experiment: Annotated[str | None, typer.Argument(help="Experiment file, or one in the box; pocket by default.")] = None,
    model: ModelOption = None,
    methods: Annotated[str | None, typer.Option("--methods", help="Methods, by commas: slam, two-stage, full, ...")] = None,
    suites: SuitesOption = None,
    languages: LanguagesOption = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="Seeds, by commas.")] = None,
    limit: LimitOption = None,
    max_new_tokens: TokensOption = None,
    data: DataOption = None,
    dtype: DtypeOption = None,
    prompt: PromptOption = None,
    shots: ShotsOption = None,
    samples: SamplesOption = None,
    temperature: TemperatureOption = None,
    reading: ReadingOption = None,
    launch: LaunchOption = 1,
    report_to: ReportToOption = None,
    out: OutOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Trains methods, serves every model with one engine, scores all, and writes a leaderboard."""
    from xreason.harness import progress
    from xreason.harness.experiment import experiment_file, experiment_of_flags, read_experiment
    from xreason.harness.plan import plan_comparison
    from xreason.harness.run import run

    if not progress.is_first_process():
        raise UserError("A comparison starts its own processes; run it without torchrun, with --launch N.")
    _use_data(data)
    flags = {
        "base": model,
        "suites": _listed(suites),
        "languages": _listed(languages),
        "seeds": _listed(seeds),
        "limit": limit,
        "max_new_tokens": max_new_tokens,
        "dtype": dtype,
        "prompt": prompt,
        "shots": shots,
        "samples": samples,
        "temperature": temperature,
        "reading": reading,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    chosen = _listed(methods)
    if experiment is None and model is not None and model != "pocket":
        settled = experiment_of_flags({"name": _row_name(model), **given, **({"methods": list(chosen)} if chosen else {})})
    else:
        settled = read_experiment(experiment_file(experiment or "pocket"), given, chosen)
    if settled.data is not None:
        _use_data(settled.data)
    boards = run(plan_comparison(settled, out, devices=launch), report_to=_listed(report_to) or ())
    _print_boards(boards, as_json)
    _say_where(out / settled.name)


@app.command()
@_command
def train(
    method: Annotated[str, typer.Argument(help="slam, two-stage, full, or another package's.")],
    model: ModelOption = None,
    languages: Annotated[
        str | None, typer.Option("--languages", help="Codes to train on, by commas; the papers' ten by default.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Training text: papers or pocket.")] = None,
    data: DataOption = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    layers: LayersOption = None,
    corpora: Annotated[
        str | None, typer.Option("--corpora", help="Train on these corpora instead of the method's own, by commas.")
    ] = None,
    epochs: Annotated[float | None, typer.Option("--epochs")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Sequences an optimizer step.")] = None,
    max_steps: Annotated[int | None, typer.Option("--max-steps", help="Optimizer steps at most, each stage.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="Rows at most, a language and corpus.")] = None,
    launch: LaunchOption = 1,
    report_to: ReportToOption = None,
    out: OutOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Trains one method into one checkpoint, and reports what it took."""
    from xreason.harness import progress
    from xreason.harness.plan import plan_training_alone
    from xreason.harness.run import run
    from xreason.harness.training.train import read_training

    _use_data(data)
    settings = {
        "layers": _layers(layers),
        "corpora": list(_listed(corpora) or ()) or None,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "max_steps": max_steps,
        "rows": rows,
    }
    plan = plan_training_alone(
        method,
        {key: value for key, value in settings.items() if value is not None},
        model,
        out,
        languages=_listed(languages),
        source=source,
        data=data,
        seed=seed,
        devices=launch,
    )
    run(plan, report_to=_listed(report_to) or ())
    if not progress.is_first_process():
        return
    training, folder = read_training(plan.trainings[0].report), plan.trainings[0].folder
    if as_json:
        _print_json(training.model_dump(mode="json") | {"checkpoint": str(folder)})
        return
    from xreason.harness.showing.tables import training_table

    _print(training_table(training))
    _say_where(folder)


@app.command()
@_command
def score(
    models: Annotated[list[str] | None, typer.Argument(help="Hub ids, model folders, checkpoints, or pocket.")] = None,
    suites: SuitesOption = None,
    languages: LanguagesOption = None,
    limit: LimitOption = None,
    max_new_tokens: TokensOption = None,
    data: DataOption = None,
    dtype: DtypeOption = None,
    prompt: PromptOption = None,
    shots: ShotsOption = None,
    samples: SamplesOption = None,
    temperature: TemperatureOption = None,
    reading: ReadingOption = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of a running vLLM (or another OpenAI-style server).")
    ] = None,
    out: OutOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Scores anything: hub ids, folders, checkpoints, or a running server."""
    from xreason.harness.plan import plan_endpoint, plan_scoring
    from xreason.harness.run import run
    from xreason.harness.scoring.questions import Asking, scorings
    from xreason.tasks.prompts import DEFAULT_STYLE

    if not models and endpoint is None:
        raise UserError("There is nothing to score; name a model (a folder, a hub id, a checkpoint, pocket), or --endpoint URL.")
    _use_data(data)
    asking = Asking(style=prompt or DEFAULT_STYLE, shots=shots or 0, samples=samples or 1, temperature=temperature or 0.0)
    named = _listed(suites) or ("mgsm", "msvamp")
    asked = scorings(named, _listed(languages), limit=limit, max_new_tokens=max_new_tokens, asking=asking)
    if endpoint is not None:
        plan = plan_endpoint(endpoint, models or (), asked, out, reading=_reading(reading))
    else:
        plan = plan_scoring(models or (), asked, out, dtype=dtype or "auto", reading=_reading(reading))
    boards = run(plan)
    _print_boards(boards, as_json)
    _say_where(plan.folder)


@app.command()
@_command
def board(
    records: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or record.json files.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write leaderboard.md and leaderboard.json into this folder.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="Put the board between the board marks of this markdown file.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown instead of a table.")] = False,
    reading: ReadingOption = None,
    across_styles: Annotated[
        bool, typer.Option("--across-styles", help="Also rank rows that were asked in different prompt styles.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Puts finished records side by side: table, markdown, JSON."""
    from xreason.harness.scoring.records import boards_of
    from xreason.leaderboards.forms.markdown import board_markdown, insert_board, write_board
    from xreason.leaderboards.records import read_record, read_records

    found = [record for path in records for record in (read_records(path) if path.is_dir() else (read_record(path),))]
    boards = boards_of(found, reading=_reading(reading), across_styles=across_styles)
    if out is not None:
        write_board(boards, out)
    if into is not None:
        insert_board(boards, into)
    if markdown and not as_json:
        sys.stdout.write(board_markdown(boards))
        return
    _print_boards(boards, as_json)


@app.command()
@_command
def rescore(
    run: Annotated[Path, typer.Argument(help="Folder of finished runs, such as runs/pocket.")],
    as_json: JsonOption = False,
) -> None:
    """Applies the present readings to stored responses: no model, no GPU."""
    from xreason.harness import progress
    from xreason.harness.scoring.rescore import rescore as read_again

    done, boards = read_again(run)
    for each in done:
        name = f"{each.record.method}, seed {each.record.seed}"
        progress.say(f"{name}: {each.changed:,} of {each.verdicts:,} verdicts changed")
    _print_boards(boards, as_json)
    _say_where(run)


@app.command()
@_command
def tasks(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Lists suites, their languages, and where each one's questions are."""
    from xreason.harness.showing.tables import suites_as_dicts, suites_table

    _use_data(data)
    if as_json:
        _print_json(suites_as_dicts())
    else:
        _print(suites_table())


@language.command("add")
@_command
def language_add(
    code: Annotated[str, typer.Argument(help="ISO 639 code: it, or kab.")],
    suite: Annotated[str, typer.Option("--suite", help="Suite that gets it: mgsm, msvamp, ...")],
    file: Annotated[
        Path | None, typer.Option("--file", help="TSV, CSV, JSONL or Parquet with questions; else --data or the hub.")
    ] = None,
    question_column: QuestionColumnOption = None,
    answer_column: AnswerColumnOption = None,
    data: DataOption = None,
    proof: ProofOption = True,
) -> None:
    """Adds a language to a suite: from a file of your own, or from where the suite's questions are."""
    from xreason.harness.adding.languages import add_language
    from xreason.harness.adding.question_files import Columns

    _use_data(data)
    _say(add_language(code, suite, file, Columns(question_column, answer_column), prove=proof))


@language.command("remove")
@_command
def language_remove(
    code: Annotated[str, typer.Argument(help="Its code.")],
    suite: Annotated[str, typer.Option("--suite", help="Suite that loses it.")],
) -> None:
    """Takes a language out of a suite, with all that adding it wrote."""
    from xreason.harness.adding.languages import remove_language

    _say(remove_language(code, suite))


@suite.command("add")
@_command
def suite_add(
    name: Annotated[str, typer.Argument(help="What it is called on the command line: afrimgsm.")],
    title: Annotated[str, typer.Option("--title", help="Its name on boards.")],
    source: Annotated[str, typer.Option("--source", help="Who made it, and its licence: arXiv 2406.03368, Apache-2.0.")],
    hub: Annotated[str | None, typer.Option("--hub", help="Data set on the hub, split test: OWNER/NAME.")] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", help="Codes on the hub, by commas; am=amh where its config is called amh.")
    ] = None,
    file_for: Annotated[
        list[str] | None, typer.Option("--file-for", help="CODE=PATH of a language's questions; once a language.")
    ] = None,
    question_column: QuestionColumnOption = None,
    answer_column: AnswerColumnOption = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest response, in tokens.")] = 600,
    data: DataOption = None,
    proof: ProofOption = True,
) -> None:
    """Adds a suite whose answers are numbers: from the hub, or from a file a language."""
    from xreason.harness.adding import languages as change
    from xreason.harness.adding.question_files import Columns
    from xreason.tasks.added import AddedSuite

    _use_data(data)
    columns = Columns(question_column, answer_column)
    said = AddedSuite(title, source, max_new_tokens, change.hub(hub, columns))
    files = {code: Path(path) for code, path in _assigned("--file-for", file_for or ()).items()}
    configs = _assigned("--languages", [part if "=" in part else f"{part}={part}" for part in _listed(languages) or ()])
    _say(change.add_suite(name.replace("-", "_"), said, files, configs, columns, prove=proof))


@suite.command("remove")
@_command
def suite_remove(name: Annotated[str, typer.Argument(help="A suite that was added.")]) -> None:
    """Takes an added suite out, with all that adding it wrote."""
    from xreason.harness.adding.languages import remove_suite

    _say(remove_suite(name.replace("-", "_")))


@app.command()
@_command
def layers(
    model: Annotated[str, typer.Argument(help="A folder, a hub id, or pocket.")],
    suite: Annotated[str | None, typer.Option("--suite", help="Ask this suite's questions; training questions by default.")] = None,
    languages: LanguagesOption = None,
    questions: Annotated[int, typer.Option("--questions", min=1, help="Parallel questions a language.")] = 1000,
    source: Annotated[str | None, typer.Option("--source", help="Training questions: papers or pocket.")] = None,
    data: DataOption = None,
    out: OutOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Finds which layers hold languages: table, JSON, and a plot (PNG and SVG)."""
    from xreason.harness.plan import plan_finding
    from xreason.harness.run import run
    from xreason.harness.training.found import layers_table
    from xreason.harness.training.layers import find_layers

    _use_data(data)
    plan = plan_finding(model, out, suite=suite, languages=_listed(languages), questions=questions, source=source, data=data)
    run(plan)
    found = find_layers(plan.layers[0])
    if as_json:
        _print_json(found.as_dict())
    else:
        _print(layers_table(found))
    _say_where(plan.layers[0].folder)


@app.command()
@_command
def methods(as_json: JsonOption = False) -> None:
    """Lists methods, the box's and other packages': their stages and sources."""
    from xreason.harness.showing.tables import methods_as_dicts, methods_table

    if as_json:
        _print_json(methods_as_dicts())
    else:
        _print(methods_table())


@app.command()
@_command
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of a training.")],
    directory: Annotated[Path, typer.Argument(help="Folder for the whole model.")],
    push: Annotated[str | None, typer.Option("--push", help="Also upload it to this repository of the hub.")] = None,
) -> None:
    """Writes a checkpoint as a whole Transformers folder with a model card."""
    from xreason.harness.showing.export import export as write

    _say_where(write(checkpoint, directory, push=push))


@app.command()
@_command
def count(
    model: Annotated[str, typer.Argument(help="A model, or a folder with nothing but its config.json.")],
    method: Annotated[str, typer.Option("--method", help="slam, two-stage, full, or another package's.")] = "slam",
    layers: LayersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Counts what a method tunes of a model, and estimates what training takes; no weights are needed."""
    from xreason.harness.training.counting import count_method, count_table
    from xreason.trainers.methods import load_method

    settings = {} if layers is None else {"layers": _layers(layers)}
    counted = count_method(model, load_method(method, settings))
    if as_json:
        _print_json(counted.as_dict())
    else:
        _print(count_table(counted))


@app.command()
@_command
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Says what this machine has, and what a 7B model would need."""
    from xreason.harness.showing.doctor import diagnose, doctor_tables

    _use_data(data)
    diagnosis = diagnose()
    if as_json:
        _print_json(diagnosis)
        return
    for table in doctor_tables(diagnosis):
        _print(table)


@pocket.command("build")
@_command
def pocket_build(
    directory: Annotated[Path, typer.Argument(help="Folder for the model.")],
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Makes the pocket model again from nothing: tokenizer and weights (minutes on two cores)."""
    from xreason.harness import progress
    from xreason.trainers.pocket.build import build

    if directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory} is not empty; name a new folder.")
    with progress.bar("building the pocket model") as report:
        build(directory, seed=seed, progress=lambda step, steps, loss: report(step, steps, f"loss {loss:.3f}"))
    _say_where(directory)


def _listed(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _reading(name: str | None) -> "Reading":
    from xreason.tasks.names import unknown

    if name not in (None, "paper", "strict"):
        raise unknown("reading", name, ("paper", "strict"))
    return "strict" if name == "strict" else "paper"


def _assigned(flag: str, texts: Iterable[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for code, _, value in pairs:
        if not code or not value:
            raise UserError(f"{flag} {code or value!r} is not CODE=VALUE; give, for instance, {flag} en=questions.tsv.")
    if len({code for code, _, _ in pairs}) != len(pairs):
        raise UserError(f"{flag} names a language twice; name each once.")
    return {code: value for code, _, value in pairs}


def _layers(text: str | None) -> int | list[int] | str | None:
    if text is None or text == "auto":
        return text
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UserError(
            f"--layers {text!r} is neither auto, nor a count, nor indices; give 6, or 0,1,2 (one layer alone: 3,)."
        ) from None
    return numbers[0] if len(numbers) == 1 and "," not in text else numbers


def _row_name(reference: str) -> str:
    from xreason.harness.serving.models import row_name

    return row_name(reference)


def _use_data(data: Path | None) -> None:
    """Makes `--data` hold for everything that looks for data, lm-eval's tasks among them."""
    if data is not None:
        os.environ["XREASON_DATA"] = str(data)
    folder = os.environ.get("XREASON_DATA")
    if folder and not Path(folder).is_dir():
        raise UserError(f"The data folder {folder} does not exist; give another with --data, or unset XREASON_DATA to use the hub.")


def _print_boards(boards: "list[Board]", as_json: bool) -> None:
    if as_json:
        from xreason.leaderboards.forms.as_json import boards_json

        _print_json(boards_json(boards))
        return
    from xreason.leaderboards.forms.terminal import board_table

    for each in boards:
        _print(board_table(each))


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console()
    # into a pipe or a file, a table is not cut to the 80 columns that rich takes where there is no terminal
    (console if console.is_terminal else Console(width=120)).print(renderable)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say_where(path: Path) -> None:
    from xreason.harness import progress

    progress.say(f"written to {path}")


if __name__ == "__main__":
    main()
