"""The tables of commands that are not about a board: suites, and what a training took."""

from typing import Any

from rich.table import Table

from leaderboards.records import Training
from tasks.languages import LANGUAGES
from tasks.prompts import DEFAULT_STYLE
from tasks.suites import SUITES


def suites_as_dicts() -> list[dict[str, Any]]:
    """Returns every suite with its languages, and for each language how many questions are where."""
    return [
        {
            "suite": suite.name,
            "source": suite.source,
            "prompt": DEFAULT_STYLE,
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
