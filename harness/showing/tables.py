"""The tables of commands that are not about a board: suites, methods, what a training takes and took, and the run store."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from xreason.harness.store.holdings import Holding
from xreason.harness.training.counting import MethodCount, StageCount
from xreason.leaderboards.forms.format import count, share, size
from xreason.leaderboards.forms.training.stages import training_cells
from xreason.leaderboards.records import Training
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.prompts import STYLES
from xreason.tasks.rewards.named import list_rewards
from xreason.tasks.suites import SUITES
from xreason.trainers.combining.declared import Combined
from xreason.trainers.methods import list_methods
from xreason.trainers.stages import Method


def suites_as_dicts() -> list[dict[str, Any]]:
    """Returns every suite with its readings and languages; for each of these, how many questions are where, in which prompt styles.

    Where the questions are on the hub, their number is the one published.
    """
    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "source": suite.source,
            "readings": ["lm-eval's own metric"] if suite.lm_eval else [metric for metric in suite.metrics if metric != "answered"],
            "max_new_tokens": suite.max_new_tokens,
            "version": suite.version,
            "in_domain": list(suite.in_domain),
            "languages": [
                {
                    "code": code,
                    # tasks of lm-eval have languages and scripts that the table has not
                    "english": LANGUAGES[code].english if code in LANGUAGES else code,
                    "native": LANGUAGES[code].native if code in LANGUAGES else "",
                    "task": suite.task(code),
                    "questions": suite.questions_in(code),
                    "in_average": code in suite.average_languages,
                    "styles": [
                        style.name for style in STYLES.values() if style.speaks(code) and (suite.published or not style.of_authors)
                    ],
                    "where": suite.where(code),
                }
                for code in suite.languages
            ],
        }
        for suite in SUITES.values()
    ]


def suites_table() -> Group:
    """Returns the same as tables, one a suite, one row a language."""
    tables = []
    for suite in suites_as_dicts():
        about = f"{suite['source']}; read by {', '.join(suite['readings'])}; up to {suite['max_new_tokens']} new tokens"
        about += f"; in-domain for {', '.join(suite['in_domain'])}" if suite["in_domain"] else ""
        columns = ("task", "language", "", "questions", "in the mean", "prompt styles", "where its questions are")
        table = Table(*columns, title=escape(f"{suite['title']}: --suites {suite['suite']}"), caption=escape(about))
        for each in suite["languages"]:
            styles = " ".join(each["styles"]) if len(each["styles"]) < len(STYLES) else f"all {len(STYLES)}"
            mean, where = "yes" if each["in_average"] else "no", escape(each["where"])
            table.add_row(each["task"], each["english"], each["native"], count(each["questions"]), mean, styles, where)
        tables.append(table)
    return Group(*tables, f"All {len(STYLES)} prompt styles: {', '.join(STYLES)}.")


def methods_as_dicts() -> list[dict[str, Any]]:
    """Returns every method that is registered; `problem` is not empty where one of another package is broken."""
    return [
        {
            "method": listed.name,
            "package": listed.package,
            "problem": listed.problem,
            "source": listed.method.source if listed.method else "",
            "description": listed.method.description if listed.method else "",
            "base": getattr(listed.method, "base", None),
            "of": _of(listed.method),
            "stages": [
                {"stage": stage.name, "corpora": list(stage.corpora), "tuned": stage.tune.describe()}
                | {name: getattr(stage, name) for name in ("epochs", "learning_rate", "batch_size")}
                | {"objective": stage.objective.describe(), "pairs": stage.samples.describe() if stage.samples else None}
                for stage in (listed.method.stages if isinstance(listed.method, Method) else ())
            ],
        }
        for listed in list_methods()
    ]


def _of(method: Method | Combined | None) -> list[str]:
    """Returns the rows that a method takes where it trains nothing itself."""
    of = () if method is None or isinstance(method, Method) else method.of
    return [of] if isinstance(of, str) else [*of]


def _read(stage: Mapping[str, Any]) -> str:
    """Returns in words what a stage reads, and, where it does not imitate that, what it learns of it."""
    learns = "" if stage["objective"] == "imitate" else f"; {stage['objective']}"
    return f"{stage['stage']}: {' + '.join(stage['corpora'])}{f', {made}' if (made := stage['pairs']) else ''}{learns}"


def methods_table() -> Table:
    """Returns the same as a table, one row a stage; a broken method is one row that says what is wrong."""
    table = Table("method", "stages: what they read", "what they tune", "source", "package", title="Methods")
    for method in methods_as_dicts():
        source = method["source"] + (f"; starts from {method['base']}" if method["base"] else "")
        reads = [(_read(stage), stage["tuned"]) for stage in method["stages"]]
        of = [(f"takes {' and '.join(method['of'])}", method["description"])] if method["of"] else []
        first, *others = reads or of or [(method["problem"], "")]
        table.add_row(*map(escape, (method["method"], *first, source, method["package"])))
        for each in others:
            table.add_row("", *map(escape, each))
        table.add_section()
    return table


def rewards_table() -> Table:
    """Returns the rewards that are registered as a table, one row each."""
    table = Table("reward", "what it gives", "package", title="Rewards: objective: {reward: {NAME: WEIGHT}}")
    for each in list_rewards():
        table.add_row(*map(escape, (each["reward"], each["description"], each["package"])))
    return table


def training_table(training: Training) -> Table:
    """Returns what each stage of a training read, tuned and took, one column a stage."""
    return _by_stage(training_cells(training), "Training")


def count_table(counted: MethodCount) -> Table:
    """Returns what each stage tunes and will take, one column a stage."""
    caption = "Parameters are counted; memory (one GPU, bfloat16 over float32) and FLOPs are estimates."
    if len(counted.stages) > 1:
        caption += f" Together the stages tune {count(counted.tuned)} of {count(counted.total)} ({share(counted.share)})."
    return _by_stage([_count_cells(stage) for stage in counted.stages], f"{counted.method} on {counted.model}", caption)


def holdings_as_dicts(holdings: Sequence[Holding]) -> list[dict[str, Any]]:
    """Returns what a run store holds; `made` is in ISO 8601, `bytes` the size."""
    return [
        {
            "path": str(each.path),
            "what": each.what,
            "made": datetime.fromtimestamp(each.made, UTC).isoformat(timespec="seconds"),
            "bytes": each.size,
            "used_by": list(each.used_by),
        }
        for each in holdings
    ]


def holdings_table(holdings: Sequence[Holding], title: str) -> Table:
    """Returns the same as a table, one row a folder."""
    whole = size(sum(each.size for each in holdings))
    table = Table("folder", "what", "age", "size", "used by", title=escape(title), caption=f"{len(holdings):,} folders, {whole}")
    table.columns[0].overflow = "fold"
    for each in holdings:
        used = escape("\n".join(each.used_by)) or "nothing"
        table.add_row(escape(str(each.path)), each.what, _age(time.time() - each.made), size(each.size), used)
    return table


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "just now"


def _count_cells(stage: StageCount) -> dict[str, str]:
    memory = stage.memory_bytes
    return {
        "stage": stage.stage,
        "tuned": stage.what,
        "parameters": f"{count(stage.tuned)} of {count(stage.total)}",
        "share": share(stage.share),
        **{name: size(getattr(memory, name)) for name in ("weights", "gradients", "optimizer")},
        "activations": f"{size(memory.activations)} ({stage.sequences} x {stage.length} tokens)",
        "memory": size(memory.total),
        "GFLOPs a token": f"{stage.flops_per_token / 1e9:,.3g}",
    }


def _by_stage(stages: Sequence[Mapping[str, str]], title: str, caption: str | None = None) -> Table:
    """Returns a line a heading and a column a stage; the first heading is that of the stages' names."""
    (_, *names), *lines = ((heading, *(escape(stage[heading]) for stage in stages)) for heading in stages[0])
    table = Table("", *names, title=escape(title), caption=caption)
    for line in lines:
        table.add_row(*line)
    return table
