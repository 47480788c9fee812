"""All corpora that can be named: those of the papers, the pocket world's, and those of packages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from xreason.leaderboards.forms.format import count
from xreason.tasks.errors import UserError
from xreason.tasks.languages import PAPER_LANGUAGES
from xreason.tasks.pocket import world
from xreason.trainers.corpora import octopus, pocket
from xreason.trainers.corpora.examples import taught
from xreason.trainers.corpora.own.packages import package_names, packaged
from xreason.trainers.corpora.published import published_rows

_QALIGN, _OCTOPUS = "QAlign (arXiv 2401.07817), of GSM8KInstruct", "GSM8KInstruct_Parallel (arXiv 2310.20246)"
_CARD = "as its card on the hub says"
#: Name of a corpus of the papers to what it holds, who made it, its licence, its folder in --data, and its id on the hub.
_PAPERS = {
    "question-translation": ("a question, translated into English", _QALIGN, _CARD, "question_translation", octopus.HUB_ID),
    "answer-translation": ("a rationale, translated into English", _OCTOPUS, _CARD, octopus.FOLDER, octopus.HUB_ID),
    "english-reasoning": ("MetaMathQA", "MetaMathQA (arXiv 2309.12284)", _CARD, "metamath", "meta-math/MetaMathQA"),
    "gsm8k": ("GSM8K with its rationales", "GSM8K (arXiv 2110.14168)", "MIT", "gsm8k", "openai/gsm8k"),
    "multilingual-reasoning": ("questions and rationales in each language", _OCTOPUS, _CARD, octopus.FOLDER, octopus.HUB_ID),
}


def corpora_as_dicts(data: Path | None) -> list[dict[str, Any]]:
    """Returns every corpus: name, what it holds, rows (as published; None where unknown), languages, source, licence, where it is.

    `where` is a path where it is at hand, else how it is had; `problem` is not empty where a package's is broken.
    """
    return [*_papers(data), *_pocket(), *_packages()]


def _papers(data: Path | None) -> Iterator[dict[str, Any]]:
    for name, (holds, source, licence, folder, hub_id) in _PAPERS.items():
        languages = taught(name, PAPER_LANGUAGES)
        known = [rows for code in languages if (rows := published_rows(name, code))]
        local = (data or Path("data")) / folder
        where = str(local) if local.is_dir() else f"hf download --repo-type dataset {hub_id} --local-dir {local}"
        yield _said(name, holds, sum(known), languages, source, licence, where)


def _pocket() -> Iterator[dict[str, Any]]:
    for name, (holds, _) in pocket.CORPORA.items():
        languages = taught(name, world.LANGUAGES)
        yield _said(
            name, holds, pocket.ROWS * len(languages), languages, "the pocket world", "Apache-2.0", "written here (--source pocket)"
        )


def _packages() -> Iterator[dict[str, Any]]:
    for name in package_names():
        try:
            brought = packaged(name)
        except UserError as error:
            yield _said(name, "", None, (), "", "", "", problem=str(error))
            continue
        where = f"package {brought.package}"
        yield _said(name, brought.description, None, brought.languages, brought.source, brought.licence, where)


def _said(
    name: str, holds: str, rows: int | None, languages: tuple[str, ...], source: str, licence: str, where: str, problem: str = ""
) -> dict[str, Any]:
    told = {"corpus": name, "holds": holds, "rows": rows, "languages": list(languages)}
    return told | {"source": source, "licence": licence, "where": where, "problem": problem}


def corpora_table(data: Path | None) -> Table:
    """Returns the same as a table, one row a corpus; a broken one is a row that says what is wrong."""
    caption = (
        "Rows as published. Text of your own is file:PATH or hub:OWNER/NAME: docs/a-corpus-of-your-own.md. "
        "`xreason corpora NAME --model M` shows its rows as a model sees them."
    )
    table = Table(
        "corpus", "holds", "rows", "languages", "source", "licence", "at hand, or how it is had", caption=caption, title="Corpora"
    )
    table.columns[-1].overflow = "fold"
    for each in corpora_as_dicts(data):
        rows = "" if each["rows"] is None else count(each["rows"])
        cells = (each["corpus"], each["problem"] or each["holds"], rows, " ".join(each["languages"]))
        table.add_row(*map(escape, (*cells, each["source"], each["licence"], each["where"])))
    return table
