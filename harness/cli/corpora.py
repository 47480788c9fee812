"""The command about training text: corpora."""

from typing import Annotated, Literal

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError


def corpora(
    corpus: Annotated[str | None, typer.Argument(help="Show this one's rows: a name, file:PATH, or hub:OWNER/NAME.")] = None,
    model: options.Model = None,
    languages: options.Languages = None,
    source: options.Source = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows of each language.")] = 1,
    frame: Annotated[Literal["alpaca", "octopus"], typer.Option(help="Frame that questions stand in.")] = "alpaca",
    loss_on: Annotated[Literal["response", "all"], typer.Option(help="What bears loss.")] = "response",
    max_length: Annotated[int, typer.Option(min=1, help="Tokens at which a row is cut off.")] = 1024,
    as_json: options.Json = False,
) -> None:
    """Lists training text, or shows rows as a model sees them, token by token."""
    from xreason.harness.showing.corpora.listed import corpora_as_dicts, corpora_table

    if corpus is None:
        folder = options.data_folder()
        options.show(as_json, corpora_as_dicts(folder), corpora_table(folder))
        return
    from xreason.harness.plan import source_and_languages
    from xreason.harness.showing.corpora.seen import rows_drawn, rows_seen
    from xreason.trainers.corpora.load import is_own, load_corpus

    name = model or "pocket"
    if languages is not None and is_own(corpus, source or "papers"):
        raise UserError(f"{corpus} is taken in all its languages; leave --languages out, or name one language's file.")
    where, codes = source_and_languages(name, source, options.codes(languages))
    loaded = load_corpus(corpus, codes, source=where, data=options.data_folder(), rows=None, frame=frame)
    seen = rows_seen(loaded, name, rows=rows, frame=frame, max_length=max_length, loss_on=loss_on)
    options.show(as_json, seen, rows_drawn(loaded, seen, name))
