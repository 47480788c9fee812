"""Commands about finished records: board, rescore."""

from pathlib import Path
from typing import Annotated, Any

import typer

from xreason.harness.cli import options


def board(
    records: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or record.json files.")],
    out: Annotated[Path | None, typer.Option(help="Also write leaderboard.md and leaderboard.json into this folder.")] = None,
    into: Annotated[Path | None, typer.Option(help="Put the board between the board marks of this markdown file.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown instead of a table.")] = False,
    reading: options.Reading = None,
    mean: options.Mean = None,
    english_margin: Annotated[float | None, typer.Option(min=0, help="Points that English may lose or gain; 3 by default.")] = None,
    languages: Annotated[str | None, typer.Option(help="Over these languages alone, comma-separated codes.")] = None,
    across_styles: Annotated[bool, typer.Option("--across-styles", help="Rank rows of different prompt styles too.")] = False,
    tasks: options.Tasks = None,
    as_json: options.Json = False,
) -> None:
    """Puts finished records side by side: table, markdown, JSON."""
    from xreason.harness.scoring.records import boards_of
    from xreason.harness.store.writable import check_writable
    from xreason.leaderboards.forms.markdown import board_markdown, insert_board, write_board
    from xreason.leaderboards.records import read_record, read_records

    if out is not None:
        check_writable(out)
    if into is not None:
        check_writable(into.parent, "name another file with --into")
    found = [record for path in records for record in (read_records(path) if path.is_dir() else (read_record(path),))]
    said: dict[str, Any] = {"reading": reading, "mean": mean, "english_margin": english_margin}
    judged = {name: value for name, value in said.items() if value is not None}
    boards = boards_of(found, **judged, across_styles=across_styles, languages=options.listed(languages))
    if out is not None:
        write_board(boards, out)
    if into is not None:
        insert_board(boards, into)
    if markdown and not as_json:
        typer.echo(board_markdown(boards), nl=False)
    else:
        options.show_boards(as_json, boards)


def rescore(
    run: Annotated[Path, typer.Argument(help="Folder of finished runs, such as runs/pocket.")],
    tasks: options.Tasks = None,
    as_json: options.Json = False,
) -> None:
    """Applies the present readings to stored responses: no model, no GPU."""
    from xreason.harness import progress
    from xreason.harness.scoring.rescore import rescore as read_again
    from xreason.harness.store.writable import check_writable

    check_writable(run, "make it writable, or read a copy of it again")
    done, boards = read_again(run)
    for each in done:
        name = f"{each.record.method}, seed {each.record.seed}"
        progress.say(f"{name}: {each.changed:,} of {each.verdicts:,} verdicts changed")
    options.show_boards(as_json, boards)
    options.say_where(run)
