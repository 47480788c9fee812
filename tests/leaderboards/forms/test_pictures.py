"""Pictures of boards: every form, the same bytes each time, any name as text, dark and light."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from tests.leaderboards.conftest import AVERAGE, RecordMaker
from xreason.leaderboards.board import Board, build_board
from xreason.leaderboards.forms.pictures.drawings import MOST_ROWS, canvas_for, draw_forgetting, draw_losses
from xreason.leaderboards.forms.pictures.files import pictures_of, svg_of, write_pictures
from xreason.leaderboards.forms.pictures.looks import LIGHT, drawable
from xreason.leaderboards.records import Record

ALL = ["gains", "forgetting", "cost", "languages", "pairs", "losses"]
HOSTILE = "<script>alert(1)</script> $x_1$ & \u202egnp.exe"


@pytest.fixture
def board(make: RecordMaker, comparison: list[Record]) -> Board:
    records = [_timed(record) for record in comparison]
    return build_board([*records, make(HOSTILE, dict.fromkeys(AVERAGE, 0.3))], "mgsm", average_languages=AVERAGE)


def _timed(record: Record) -> Record:
    return record.model_copy(update={"training": record.training and record.training.model_copy(update={"devices": 8})})


def test_each_picture_is_drawn_in_each_form(board: Board, tmp_path: Path) -> None:
    written = write_pictures([board], tmp_path / "new")
    endings = (".svg", ".pdf", ".png", "-dark.png")
    assert [path.name for path in written] == [f"mgsm-{name}{ending}" for name in ALL for ending in endings]
    starts = {".svg": b"<?xml", ".pdf": b"%PDF-", ".png": b"\x89PNG"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in written)
    assert written[2].read_bytes() != written[3].read_bytes()


def test_the_same_board_gives_the_same_bytes(make: RecordMaker, tmp_path: Path) -> None:
    board = build_board([make("base", {"en": 0.5, "sw": 0.1})], "mgsm", average_languages=("en", "sw"))
    first, second = (
        {path.name: path.read_bytes() for path in write_pictures([board], tmp_path / folder)} for folder in ("one", "two")
    )
    assert first == second and len(first) == 4


def test_a_picture_for_a_page_runs_loads_and_styles_nothing_and_shares_no_id(board: Board) -> None:
    seen: set[str] = set()
    for picture in pictures_of(board):
        svg = ElementTree.fromstring(svg_of(picture, board))
        for element in svg.iter():
            assert element.tag.rpartition("}")[2] not in ("script", "style", "image", "metadata", "foreignObject")
            assert "style" not in element.attrib and not any(name.startswith("on") for name in element.attrib)
            assert element.attrib.get("href", "#").startswith("#")
            assert element.attrib.get("id") not in seen
        seen |= {element.attrib["id"] for element in svg.iter() if "id" in element.attrib}
        assert svg.attrib["role"] == "img" and picture.title in svg.attrib["aria-label"]


def test_a_name_is_text_whatever_it_holds(board: Board) -> None:
    gains = next(picture for picture in pictures_of(board) if picture.name == "pairs")
    svg = svg_of(gains, board)
    assert "<script" not in svg and "\u202e" not in svg
    assert "&lt;script&gt;alert(1)&lt;/s…" in svg.replace("\n", "")


def test_a_name_that_no_font_can_write_is_called_by_its_place() -> None:
    ancient_and_new = "\U0001e900\U0001f7f0\U000130d0"
    assert drawable("slam", "model 2", any_script=False) == "slam"
    assert drawable(ancient_and_new, "model 2", any_script=False) == "model 2"
    assert drawable(ancient_and_new, "model 2", any_script=True) == ancient_and_new
    assert drawable("x" * 10_000, "model 2", any_script=False) == "x" * 19 + "…"


def test_forgetting_is_english_against_the_others_not_against_a_mean_that_holds_it(board: Board) -> None:
    from matplotlib.figure import Figure

    canvas = canvas_for(Figure(), board, LIGHT, any_script=True)
    draw_forgetting(canvas, board)
    (axes,) = canvas.figure.axes
    drawn = [(bars[0].get_xdata()[0], bars[0].get_ydata()[0]) for bars in axes.containers]
    base = board.rows[0]
    for row, (english, others) in zip(board.rows[1:], drawn, strict=True):
        assert row.mean_without_english and base.mean_without_english
        assert others == pytest.approx(100 * (row.mean_without_english.value - base.mean_without_english.value))
        assert english == pytest.approx(100 * (row.languages["en"].value - base.languages["en"].value))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("English (points over the base)", "the others (points over the base)")


def test_a_board_without_trainings_shows_languages_alone(make: RecordMaker) -> None:
    board = build_board([make("base", {"en": 0.5, "sw": 0.1})], "mgsm", average_languages=("en", "sw"))
    assert [picture.name for picture in pictures_of(board)] == ["languages"]


def test_matplotlib_is_imported_only_to_draw() -> None:
    program = "import sys, xreason.leaderboards.forms.pictures.files; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_a_picture_shows_as_many_rows_as_can_be_told_apart_and_says_so(make: RecordMaker) -> None:
    records = [make("base", {"en": 0.2, "sw": 0.2})]
    records += [_timed(make(f"method-{number}", {"en": 0.3 + number / 100, "sw": 0.3})) for number in range(MOST_ROWS + 1)]
    board = build_board(records, "mgsm", average_languages=("en", "sw"))
    assert [picture.name for picture in pictures_of(board)] == ALL
    for picture in (each for each in pictures_of(board) if each.name in ("gains", "losses")):
        svg = svg_of(picture, board)
        assert f"{picture.title}, the first {MOST_ROWS} of {MOST_ROWS + 2}" in svg
        # the base stands first, then the best
        assert f"method-{MOST_ROWS}" in svg and "method-1<" not in svg


def test_what_only_rows_beyond_those_have_is_not_drawn(make: RecordMaker) -> None:
    bases = [make(f"base-{number}", {"en": 0.5}, weights_hash=str(number)) for number in range(MOST_ROWS)]
    board = build_board([*bases, _timed(make("slam", {"en": 0.1}))], "mgsm", average_languages=("en",))
    assert board.rows[-1].name == "slam"
    assert [picture.name for picture in pictures_of(board)] == ["languages", "pairs"]


def test_the_losses_of_rows_held_out_are_dashed_a_line_a_language(board: Board) -> None:
    (row,) = (each for each in board.rows if each.name == "slam")
    looks = ((300, {"de": 2.0, "sw": 3.0}), (900, {"de": 1.0, "sw": 2.5}))
    stages = tuple(each.model_copy(update={"held_out": looks}) for each in row.trainings[0].stages)
    trainings = (row.trainings[0].model_copy(update={"stages": stages}),)
    shown = board.model_copy(update={"rows": (row.model_copy(update={"trainings": trainings}),)})
    figure = Figure(layout="constrained")
    draw_losses(canvas_for(figure, shown, LIGHT, any_script=True), shown)
    (axes,) = figure.axes
    drawn = {tuple(line.get_ydata()) for line in axes.get_lines()}
    assert {(2.0, 1.0), (3.0, 2.5)} <= drawn
    assert {text.get_text() for text in axes.texts} == {"de", "sw"}
    assert "slam, held out" in {text.get_text() for text in figure.legends[0].get_texts()}
