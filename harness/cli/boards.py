"""Commands about finished records, and what their questions share with training text: board, rescore, overlap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xreason.leaderboards.board import Board
    from xreason.leaderboards.records import Record


def board(
    records: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or record.json files.")],
    out: Annotated[Path | None, typer.Option(help="Also write leaderboard.md, .json and .html into this folder.")] = None,
    into: Annotated[Path | None, typer.Option(help="Put the board between the board marks of this markdown file.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Also draw its pictures into this folder: SVG, PDF and PNG.")] = None,
    single_file: Annotated[bool, typer.Option("--single-file", help="Put the samples into leaderboard.html itself.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show leaderboard.html on this machine, anew as records arrive.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where --serve listens; 0 for any free port.")] = 0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown instead of a table.")] = False,
    reading: options.Reading = None,
    mean: options.Mean = None,
    english_margin: Annotated[float | None, typer.Option(min=0, help="Points that English may lose or gain; 3 by default.")] = None,
    languages: Annotated[str | None, typer.Option(help="Over these languages alone, comma-separated codes.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="Also means over groups of languages: low, latin, ..., or all by resource, script, family.")
    ] = None,
    across_styles: Annotated[bool, typer.Option("--across-styles", help="Rank rows of different prompt styles too.")] = False,
    published: Annotated[bool, typer.Option("--published", help="Beside them, what others report; not ranked.")] = False,
    push: Annotated[str | None, typer.Option("--push", help="Also upload its files to this data set of the hub.")] = None,
    tasks: options.Tasks = None,
    wide: options.Wide = False,
    as_json: options.Json = False,
) -> None:
    """Puts finished records side by side: table, markdown, JSON."""
    from xreason.harness.scoring.records import boards_of
    from xreason.harness.scoring.samples import command_line, write_board_page
    from xreason.harness.store.writable import check_writable
    from xreason.leaderboards.contamination import overlaps_beside
    from xreason.leaderboards.forms.markdown import board_markdown, insert_board, write_board
    from xreason.leaderboards.records import read_record, read_records, record_paths
    from xreason.tasks.cldr.groups import chosen_groups

    if port and not serve:
        raise UserError(f"--port {port} is where --serve listens; add --serve, or leave it out.")
    if single_file and out is None:
        raise UserError("--single-file is about leaderboard.html, which --out writes; say where with --out DIR.")
    if out is not None:
        check_writable(out)
    if pictures is not None:
        check_writable(pictures, "name another folder with --pictures")
    if into is not None:
        check_writable(into.parent, "name another file with --into")
    if push is not None:
        from xreason.harness.showing.export import check_repository, push_boards

        check_repository(push)
    said: dict[str, Any] = {"reading": reading, "mean": mean, "english_margin": english_margin}
    judged = {name: value for name, value in said.items() if value is not None}
    chosen: dict[str, Any] = {"across_styles": across_styles, "published": published}

    def gathered() -> "tuple[list[Board], list[tuple[Path, Record]]]":
        found: list[tuple[Path, Record]] = []
        for path in records:
            found += zip(record_paths(path), read_records(path), strict=True) if path.is_dir() else [(path, read_record(path))]
        overlaps = overlaps_beside([path for path, _ in found])
        told = [record for _, record in found]
        there = {code for record in told for code in record.languages}
        codes = options.codes(languages, there)
        grouped = chosen_groups(options.listed(groups) or (), there if codes is None else there & set(codes))
        boards = boards_of(told, **judged, **chosen, languages=codes, groups=grouped, overlaps=overlaps)
        return boards, [(path.parent, record) for path, record in found]

    boards, found = gathered()
    if out is not None:
        write_board(boards, out)
        write_board_page(boards, found, out, single_file=single_file)
    if into is not None:
        insert_board(boards, into)
    drawn: list[Path] = []
    if pictures is not None:
        from xreason.leaderboards.forms.pictures.files import write_pictures

        drawn = write_pictures(boards, pictures)
    if markdown and not as_json:
        typer.echo(board_markdown(boards), nl=False)
    else:
        options.show_boards(as_json, boards, wide)
    if push is not None:
        from xreason.harness import progress

        progress.say(f"uploaded to {push_boards(boards, push, command=command_line(), pictures=drawn)}")
    if serve:
        _serve(gathered, lambda: [each for path in records for each in (record_paths(path) if path.is_dir() else [path])], port)


def _serve(
    gathered: "Callable[[], tuple[list[Board], list[tuple[Path, Record]]]]", paths: "Callable[[], list[Path]]", port: int
) -> None:
    """Shows the page on this machine until it is interrupted, anew where a record has come or changed since."""
    import tempfile
    from contextlib import suppress

    from xreason.harness import progress
    from xreason.harness.scoring.samples import write_board_page
    from xreason.leaderboards.comparable import BoardError
    from xreason.leaderboards.forms.page.serve import server
    from xreason.leaderboards.records import RecordError

    shown: dict[Path, int] = {}
    with tempfile.TemporaryDirectory() as folder:

        def refresh() -> None:
            found = {path: path.stat().st_mtime_ns for path in paths() if path.exists()}
            if found != shown:
                # of a record that cannot stand beside the others the page of before is kept
                with suppress(BoardError, RecordError, UserError):
                    write_board_page(*gathered(), Path(folder), live=True)
                shown.clear()
                shown.update(found)

        refresh()
        try:
            with server(Path(folder), refresh, port) as serving:
                progress.say(f"served at http://{serving.server_address[0]!s}:{serving.server_port}/ until Ctrl-C")
                serving.serve_forever()
        except OSError as error:
            raise UserError(f"Nothing can be served at port {port} ({error.strerror}); give another with --port.") from error
        except KeyboardInterrupt:
            pass


def rescore(
    run: Annotated[Path, typer.Argument(help="Folder of finished runs, such as runs/pocket.")],
    tasks: options.Tasks = None,
    wide: options.Wide = False,
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
    options.show_boards(as_json, boards, wide)
    options.say_where(run)


def overlap(
    experiment: Annotated[str | None, typer.Argument(help="Experiment file, or one in the box; pocket by default.")] = None,
    suites: options.Suites = None,
    languages: options.Languages = None,
    corpora: Annotated[str | None, typer.Option(help="Corpora, by commas: gsm8k, english-reasoning, ...")] = None,
    source: options.Source = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    ngram: Annotated[int, typer.Option(min=1, max=1000, help="Words in a row.")] = 13,
    show: Annotated[int, typer.Option(min=0, help="Show so many questions of each with what they share.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write overlap.json into this folder, such as a comparison's.")] = None,
    as_json: options.Json = False,
) -> None:
    """Counts what test questions share with the training corpora of a comparison."""
    from xreason.harness.experiment import experiment_file, experiment_of_flags, read_experiment
    from xreason.harness.overlap import corpora_of, count_overlap
    from xreason.harness.showing.overlap import overlap_tables
    from xreason.harness.store.writable import check_writable
    from xreason.leaderboards.contamination import write_overlap

    if out is not None:
        check_writable(out)
    named = {"suites": options.listed(suites), "languages": options.listed(languages), "source": source, "data": data}
    given = {key: value for key, value in named.items() if value is not None}
    if experiment is None and (suites is not None or corpora is not None):
        # of what it trains, the corpora alone are asked for
        settled = experiment_of_flags({"name": "overlap", "base": "none", **given})
    else:
        settled = read_experiment(experiment_file("pocket" if experiment is None else experiment), given)
    if settled.data is not None:
        options.use_data(settled.data)
    wanted = corpora_of(settled, options.listed(corpora))
    counted = count_overlap(settled, wanted, ngram=ngram, show=show)
    options.show(as_json, counted.model_dump(mode="json"), overlap_tables(counted))
    if out is not None:
        options.say_where(write_overlap(counted, out))
    options.end_with(counted.failures)
