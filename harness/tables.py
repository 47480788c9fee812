"""The tables of commands that are not about a board: suites, methods, and what a training took."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from leaderboards.records import Training
from tasks.languages import LANGUAGES
from tasks.prompts import PROMPT_STYLE
from tasks.suites import SUITES
from trainers.methods import list_methods


def suites_as_dicts() -> list[dict[str, Any]]:
    """Returns every suite with its languages, and for each language how many questions are where."""
    return [
        {
            "suite": suite.name,
            "source": suite.source,
            "prompt": PROMPT_STYLE,
            "reading": "paper",
            "max_new_tokens": suite.max_new_tokens,
            "version": suite.version,
            "languages": [
                {
                    "code": code,
                    "english": LANGUAGES[code].english,
                    "native": LANGUAGES[code].native,
                    "task": suite.task(code),
                    "questions": suite.questions,
                    "in_average": code in suite.average_languages,
                    "where": suite.where(code),
                }
                for code in suite.languages
            ],
        }
        for suite in SUITES.values()
    ]


def suites_table() -> Table:
    """Returns the same as a table, one row a suite and language."""
    table = Table("suite", "language", "", "task", "questions", "in the mean", "where its questions are", title="Suites")
    for suite in suites_as_dicts():
        for language in suite["languages"]:
            table.add_row(
                suite["suite"],
                f"{language['english']} ({language['code']})",
                language["native"],
                language["task"],
                f"{language['questions']:,}",
                "yes" if language["in_average"] else "no",
                language["where"],
            )
        table.add_section()
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
