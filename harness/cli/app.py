"""The command line: all commands in their order, and what holds for every one of them.

Nothing heavy is imported before the command that needs it runs, so that `--help` answers at once.
"""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from xreason.harness.cli.boards import board, overlap, rescore
from xreason.harness.cli.compare import compare, score, train
from xreason.harness.cli.corpora import corpora
from xreason.harness.cli.models import count, doctor, export, layers, methods, pocket_build
from xreason.harness.cli.runs import RunsGroup, runs_clean, runs_list
from xreason.harness.cli.tasks import language_add, language_remove, suite_add, suite_remove, tasks
from xreason.tasks.errors import UserError

#: The longest sentence that says what is wrong, in characters.
_LONGEST = 400

#: What a disk says, without saying which file.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class _Commands(TyperGroup):
    """Turns what a person can put right into one sentence and exit code 2, and an interrupt into one line and 130."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _in_one_sentence():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _in_one_sentence():
            return super().invoke(ctx)


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    try:
        yield
        return
    except KeyboardInterrupt:
        said, code = "Interrupted. What was finished is kept; the same command goes on from there.", 130
    except Exception as error:
        if os.environ.get("XREASON_DEBUG") or not (sentence := _sentence(error)):
            raise
        said, code = f"Error: {_short(sentence)}", 2
    typer.echo(said, err=True)
    raise typer.Exit(code)


class _Command(TyperCommand):
    """Can be interrupted; not before it runs, as `--help` does not wait for the import."""

    def invoke(self, ctx: Any) -> Any:
        from xreason.harness import progress

        progress.heed_interrupts()
        return super().invoke(ctx)


def _sentence(error: Exception) -> str:
    """Returns what a person is told; nothing for an error that they cannot put right."""
    if isinstance(error, OSError) and error.filename is not None:
        # about a file or folder that the person named: gone, full, or not to be written
        return f"{error.filename}: {error.strerror or error}; mend that, or name another."
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return f"Nothing more can be written ({error.strerror}); make room, and give the command again: what was finished is kept."
    if isinstance(error, RecursionError):
        return "Something that was given is nested too deeply; give it flatter (--debug shows where it was met)."
    if isinstance(error, typer.TyperException):
        said, context = error.format_message(), getattr(error, "ctx", None)
        # a group without a command says its whole help
        return "" if "\n" in said else f"{said.rstrip('.')}; see {context.command_path if context else 'xreason'} --help."
    if isinstance(error, ValueError):
        from xreason.leaderboards.comparable import BoardError
        from xreason.leaderboards.records import RecordError

        return str(error) if isinstance(error, BoardError | RecordError) else ""
    return str(error) if isinstance(error, UserError) else ""


def _short(text: str) -> str:
    """Returns text as one line of at most 400 characters: where it is longer, its middle goes."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 153]} … {line[-150:]}"


app = typer.Typer(
    name="xreason",
    cls=_Commands,
    help="Compare ways of teaching language models to reason in many languages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# README's table has the same order
_COMMANDS: tuple[Callable[..., None], ...] = (
    *(compare, train, layers, count, doctor, methods, export),
    *(score, board, rescore, overlap, tasks, corpora),
)
for command in _COMMANDS:
    app.command(cls=_Command)(command)
_GROUPS: tuple[tuple[str, str, dict[str, Callable[..., None]]], ...] = (
    ("runs", "The run store: what it holds; clean removes what is named.", {"list": runs_list, "clean": runs_clean}),
    ("language", "Languages of a suite: add one, take one out.", {"add": language_add, "remove": language_remove}),
    ("suite", "Suites: add one, take one out.", {"add": suite_add, "remove": suite_remove}),
    ("pocket", "The pocket model: the default that needs no download.", {"build": pocket_build}),
)
for name, about, verbs in _GROUPS:
    kind = RunsGroup if name == "runs" else TyperGroup
    group = typer.Typer(cls=kind, help=about, no_args_is_help=kind is TyperGroup, rich_markup_mode=None)
    for verb, command in verbs.items():
        group.command(verb, cls=_Command)(command)
    app.add_typer(group, name=name)


def main() -> None:
    """Runs the command line; `--debug` may stand anywhere on it."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        os.environ["XREASON_DEBUG"] = "1"
        arguments.remove("--debug")
    app(args=_with_address(arguments))


def _with_address(arguments: list[str]) -> list[str]:
    """Returns the arguments with `auto` behind a --ray that stands alone: it means the cluster that runs here."""
    place = arguments.index("--ray") + 1 if "--ray" in arguments else 0
    alone = place and (place == len(arguments) or arguments[place].startswith("-"))
    return [*arguments[:place], "auto", *arguments[place:]] if alone else arguments


def _version(wanted: bool) -> None:
    if wanted:
        from xreason.harness.store.provenance import distribution_version

        typer.echo(f"xreason {distribution_version('xreason')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and the libraries' logs.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Say the version.", is_eager=True, callback=_version)] = False,
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
