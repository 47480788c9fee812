"""Commands about finished records: board, rescore."""

from pathlib import Path
from typing import Annotated

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError


def board(
    records: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or record.json files.")],
    out: Annotated[Path | None, typer.Option(help="Also write leaderboard.md, .json and .html into this folder.")] = None,
    into: Annotated[Path | None, typer.Option(help="Put the board between the board marks of this markdown file.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Also draw its pictures into this folder: SVG, PDF and PNG.")] = None,
    single_file: Annotated[bool, typer.Option("--single-file", help="Put the samples into leaderboard.html itself.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown instead of a table.")] = False,
    reading: options.Reading = None,
    languages: Annotated[str | None, typer.Option(help="Over these languages alone, comma-separated codes.")] = None,
    across_styles: Annotated[bool, typer.Option("--across-styles", help="Rank rows of different prompt styles too.")] = False,
    tasks: options.Tasks = None,
    as_json: options.Json = False,
) -> None:
    """Puts finished records side by side: table, markdown, JSON."""
    from xreason.harness.scoring.records import boards_of
    from xreason.harness.scoring.samples import write_board_page
    from xreason.harness.store.writable import check_writable
    from xreason.leaderboards.forms.markdown import board_markdown, insert_board, write_board
    from xreason.leaderboards.records import Record, read_record, read_records, record_paths

    if single_file and out is None:
        raise UserError("--single-file is about leaderboard.html, which --out writes; say where with --out DIR.")
    if out is not None:
        check_writable(out)
    if pictures is not None:
        check_writable(pictures)
    if into is not None:
        check_writable(into.parent, "name another file with --into")
    found: list[tuple[Path, Record]] = []
    for path in records:
        read = zip(record_paths(path), read_records(path), strict=True) if path.is_dir() else [(path, read_record(path))]
        found += [(each.parent, record) for each, record in read]
    boards = boards_of(
        [record for _, record in found],
        reading=reading or "paper",
        across_styles=across_styles,
        languages=options.listed(languages),
    )
    if out is not None:
        write_board(boards, out)
        write_board_page(boards, found, out, single_file=single_file)
    if into is not None:
        insert_board(boards, into)
    if pictures is not None:
        from xreason.leaderboards.forms.pictures.files import write_pictures

        write_pictures(boards, pictures)
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
