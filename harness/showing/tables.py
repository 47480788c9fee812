"""The tables of commands that are not about a board: suites, methods, and what a training took."""

from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from xreason.leaderboards.records import Training
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import STYLES
from xreason.tasks.suites import METRICS, SUITES
from xreason.trainers.methods import list_methods


def suites_as_dicts() -> list[dict[str, Any]]:
    """Returns every suite with its readings and languages; for each of these, how many questions are where, in which prompt styles.

    Where the questions are on the hub, their number is the one published.
    """
    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "source": suite.source,
            "readings": [metric for metric in METRICS if metric != "answered"],
            "max_new_tokens": suite.max_new_tokens,
            "version": suite.version,
            "languages": [
                {
                    "code": code,
                    "english": LANGUAGES[code].english,
                    "native": LANGUAGES[code].native,
                    "task": suite.task(code),
                    "questions": suite.questions_in(code),
                    "in_average": code in suite.average_languages,
                    "styles": [style.name for style in STYLES.values() if style.speaks(code)],
                    "where": suite.where(code),
                }
                for code in suite.languages
            ],
        }
        for suite in SUITES.values()
    ]


def suites_table() -> Group:
    """Returns the same as tables, one a suite, one row a language."""
    every = f"All {len(STYLES)} prompt styles: {', '.join(STYLES)}."
    return Group(*(_suite_table(suite) for suite in suites_as_dicts()), every)


def _suite_table(suite: dict[str, Any]) -> Table:
    about = f"{suite['source']}; read by {', '.join(suite['readings'])}; up to {suite['max_new_tokens']} new tokens"
    columns = ("task", "language", "", "questions", "in the mean", "prompt styles", "where its questions are")
    table = Table(*columns, title=f"{suite['title']}: --suites {suite['suite']}", caption=about)
    for language in suite["languages"]:
        every = len(language["styles"]) == len(STYLES)
        table.add_row(
            language["task"],
            language["english"],
            language["native"],
            f"{language['questions']:,}",
            "yes" if language["in_average"] else "no",
            f"all {len(STYLES)}" if every else " ".join(language["styles"]),
            language["where"],
        )
    return table


def methods_as_dicts() -> list[dict[str, Any]]:
    """Returns every method that is registered; `problem` is not empty where one of another package is broken."""
    return [
        {
            "method": listed.name,
            "package": listed.package,
            "problem": listed.problem,
            "source": listed.method.source if listed.method else "",
            "description": listed.method.description if listed.method else "",
            "base": listed.method.base if listed.method else None,
            "stages": [
                {
                    "stage": stage.name,
                    "corpora": list(stage.corpora),
                    "tuned": stage.tune.describe(),
                    "epochs": stage.epochs,
                    "learning_rate": stage.learning_rate,
                    "batch_size": stage.batch_size,
                }
                for stage in (listed.method.stages if listed.method else ())
            ],
        }
        for listed in list_methods()
    ]


def methods_table() -> Table:
    """Returns the same as a table, one row a stage; a broken method is one row that says what is wrong."""
    table = Table("method", "stages: what they read", "what they tune", "source", "package", title="Methods")
    for method in methods_as_dicts():
        if method["problem"]:
            table.add_row(escape(method["method"]), escape(method["problem"]), "", "", escape(method["package"]))
        base = f"; starts from {method['base']}" if method["base"] else ""
        for place, stage in enumerate(method["stages"]):
            first = place == 0
            table.add_row(
                escape(method["method"]) if first else "",
                escape(f"{stage['stage']}: {' + '.join(stage['corpora'])}"),
                escape(stage["tuned"]),
                escape(method["source"] + base) if first else "",
                escape(method["package"]) if first else "",
            )
        table.add_section()
    return table


def training_table(training: Training) -> Table:
    """Returns what each stage of a training read, tuned and took."""
    table = Table("", *(stage.name for stage in training.stages), title="Training")
    lines: dict[str, list[str]] = {
        "trained on": [stage.corpus for stage in training.stages],
        "rows": [f"{stage.rows:,}" for stage in training.stages],
        "languages": [" ".join(stage.languages) for stage in training.stages],
        "tuned": [stage.tuned for stage in training.stages],
        "parameters": [
            f"{stage.tuned_parameters:,} of {stage.total_parameters:,} ({stage.tuned_parameters / stage.total_parameters:.1%})"
            for stage in training.stages
        ],
        "steps": [f"{stage.steps:,} x {stage.batch_size} ({stage.epochs:.2f} epochs)" for stage in training.stages],
        "learning rate": [f"{stage.learning_rate:g}" for stage in training.stages],
        "tokens": [f"{stage.tokens:,}" for stage in training.stages],
        "seconds": [f"{stage.seconds:.1f}" for stage in training.stages],
        "tokens/s": [f"{stage.tokens_per_second:,.0f}" for stage in training.stages],
        "peak memory": [f"{stage.peak_memory_bytes / 2**30:.2f} GiB" for stage in training.stages],
        "loss": [f"{stage.losses[0][1]:.3f} to {stage.losses[-1][1]:.3f}" if stage.losses else "" for stage in training.stages],
    }
    for name, values in lines.items():
        table.add_row(name, *values)
    return table
