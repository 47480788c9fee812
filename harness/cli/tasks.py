"""Commands about what is measured: tasks, language add and remove, suite add and remove."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError


def tasks(
    data: options.Data = None,
    tasks: options.Tasks = None,
    paths: Annotated[bool, typer.Option("--paths", help="Print only what to hand to lm-eval's --include_path.")] = False,
    as_json: options.Json = False,
) -> None:
    """Lists suites, their languages, and where each one's questions are."""
    from xreason.harness.showing.tables import suites_as_dicts, suites_table
    from xreason.tasks.suites import include_paths

    if paths:
        typer.echo("\n".join(map(str, include_paths())))
    else:
        options.show(as_json, suites_as_dicts(), suites_table())


def language_add(
    code: Annotated[str, typer.Argument(help="ISO 639 code: it, or kab.")],
    suite: Annotated[str, typer.Option(help="Suite that gets it: mgsm, msvamp, ...")],
    file: Annotated[Path | None, typer.Option(help="TSV, CSV, JSONL or Parquet with questions; else --data or the hub.")] = None,
    question_column: options.QuestionColumn = None,
    answer_column: options.AnswerColumn = None,
    choice_columns: options.ChoiceColumns = None,
    id_column: options.IdColumn = None,
    level_column: options.LevelColumn = None,
    answers: options.Answers = None,
    as_published: options.AsPublished = False,
    data: options.Data = None,
    tasks: options.NewTasks = None,
    proof: options.Proof = True,
) -> None:
    """Adds a language to a suite: from a file of your own, or from where the suite's questions are."""
    from xreason.harness.adding.languages import add_language
    from xreason.harness.adding.question_files import Columns, Form

    columns = Columns(question_column, answer_column, choice_columns, id_column, level_column)
    typer.echo(add_language(code, suite, file, columns, Form(None, answers, as_published), prove=proof))


def language_remove(
    code: Annotated[str, typer.Argument(help="Its code.")],
    suite: Annotated[str, typer.Option(help="Suite that loses it.")],
    tasks: options.NewTasks = None,
) -> None:
    """Takes a language out of a suite, with all that adding it wrote."""
    from xreason.harness.adding.languages import remove_language

    typer.echo(remove_language(code, suite))


def suite_add(
    name: Annotated[str, typer.Argument(help="What it is called on the command line: my_questions.")],
    title: Annotated[str, typer.Option(help="Its name on boards.")] = "",
    source: Annotated[str, typer.Option(help="Who made it, and its licence: arXiv 2406.03368, Apache-2.0.")] = "",
    lm_eval: Annotated[
        str | None, typer.Option(help="Tasks of lm-eval that it is made of: belebele, global_mmlu_full_{en,sw}.")
    ] = None,
    hub: Annotated[str | None, typer.Option(help="Data set on the hub: OWNER/NAME.")] = None,
    split: Annotated[str, typer.Option(help="Its split with the questions.")] = "test",
    languages: Annotated[str | None, typer.Option(help="Codes on the hub, by commas; am=amh: its config is amh.")] = None,
    file_for: Annotated[list[str] | None, typer.Option(help="CODE=PATH of a language's questions; once a language.")] = None,
    kind: Annotated[
        Literal["number", "expression", "choice"] | None, typer.Option(help="What answers are; found from them by default.")
    ] = None,
    question_column: options.QuestionColumn = None,
    answer_column: options.AnswerColumn = None,
    choice_columns: options.ChoiceColumns = None,
    id_column: options.IdColumn = None,
    level_column: options.LevelColumn = None,
    weights: Annotated[
        str | None, typer.Option(help="What levels weigh in a language's score: low=1,high=4; equal: all the same.")
    ] = None,
    answers: options.Answers = None,
    as_published: options.AsPublished = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest response, in tokens.")] = 600,
    in_domain: Annotated[str | None, typer.Option(help="Data sets of whose kind its questions are, by commas: gsm8k.")] = None,
    data: options.Data = None,
    tasks: options.NewTasks = None,
    proof: options.Proof = True,
) -> None:
    """Adds a suite: numbers, expressions or choices as answers, from the hub or a file a language, or tasks of lm-eval."""
    from xreason.harness.adding import languages as change
    from xreason.harness.adding.question_files import Columns, Form
    from xreason.tasks.added import AddedSuite, Hub

    columns = Columns(question_column, answer_column, choice_columns, id_column, level_column)
    if lm_eval is not None:
        said_of_rows = (hub, languages, file_for, kind, columns != Columns(), weights, answers, as_published, in_domain)
        if any(said_of_rows):
            raise UserError("Tasks of lm-eval have questions of their own; with --lm-eval, give only --title and --source.")
        typer.echo(change.add_lm_eval_suite(name.replace("-", "_"), lm_eval, title, source))
        return
    if not title or not source:
        raise UserError("A suite has a name on boards and somebody who made it; give --title and --source.")
    # as the hub's client asks for it: OWNER/NAME, or the plain name of an old set
    if hub is not None and not re.fullmatch(r"([\w-][\w.-]*/)?[\w-][\w.-]*", hub, re.ASCII):
        raise UserError(f"--hub {hub!r} is no data set's id; give it as OWNER/NAME, such as masakhane/afrimgsm.")
    # columns have MGSM's names on the hub where none are given
    on_hub = None
    if hub:
        choices = tuple(each.strip() for each in (choice_columns or "").split(",") if each.strip())
        asked = (question_column or "question", answer_column or ("answer" if choices else "answer_number"))
        more = (None if id_column == "none" else id_column, level_column)
        on_hub = Hub(hub, *asked, split, choices, answers or "letter", *more)
    said = AddedSuite(title, source, max_new_tokens, on_hub, _sources(in_domain))
    files = {code: Path(path) for code, path in _assigned("--file-for", file_for or ()).items()}
    configs = _assigned("--languages", [part if "=" in part else f"{part}={part}" for part in options.listed(languages) or ()])
    form = Form(kind, answers, as_published)
    typer.echo(change.add_suite(name.replace("-", "_"), said, files, configs, columns, form, _weights(weights), prove=proof))


def suite_remove(
    name: Annotated[str, typer.Argument(help="A suite that was added.")],
    tasks: options.NewTasks = None,
) -> None:
    """Takes an added suite out, with all that adding it wrote."""
    from xreason.harness.adding.languages import remove_suite

    typer.echo(remove_suite(name.replace("-", "_")))


def _weights(text: str | None) -> dict[str, int] | None:
    if text is None or text.strip() == "equal":
        return {} if text else None
    said = {name.strip(): value.strip() for name, _, value in (part.rpartition("=") for part in options.listed(text) or ())}
    if not said or not all(
        name and value.isascii() and value.isdigit() and 1 <= int(value) <= 1_000_000 for name, value in said.items()
    ):
        raise UserError(
            f"--weights {text[:80]!r} is not LEVEL=WEIGHT by commas; give such as low=1,high=4 in whole numbers, or equal."
        )
    return {name: int(value) for name, value in said.items()}


def _sources(text: str | None) -> tuple[str, ...]:
    from xreason.tasks.added import SOURCE_NAME

    sources = tuple(dict.fromkeys(name.lower() for name in options.listed(text) or ()))
    if wrong := [name for name in sources if not re.fullmatch(SOURCE_NAME, name)]:
        raise UserError(f"--in-domain {wrong[0]!r} is no data set's short name; give such as gsm8k, in letters, digits and '-'.")
    return sources


def _assigned(flag: str, texts: Iterable[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for code, _, value in pairs:
        if not code or not value:
            raise UserError(f"{flag} {code or value!r} is not CODE=VALUE; give, for instance, {flag} en=questions.tsv.")
    if len({code for code, _, _ in pairs}) != len(pairs):
        raise UserError(f"{flag} names a language twice; name each once.")
    return {code: value for code, _, value in pairs}
