"""The page in real headless Chromium, opened from a disk: what people do with it, by mouse, by keyboard and without JavaScript."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.leaderboards.conftest import AVERAGE, make_record, stage
from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.page.page import write_page
from xreason.leaderboards.forms.page.samples import Question, Response, Samples
from xreason.leaderboards.forms.page.serve import server
from xreason.leaderboards.published.reported import published_rows

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
HOSTILE = (
    '</script><script>document.title="owned"</script><img src=x onerror=alert(1)> | $&{{7*7}} \u202egnp.exe https://example.org'
)
FLAGS = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update")
QUESTIONS = 45

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
Opener = Callable[..., Any]


def said(text: str = "The answer is 7.", **changes: Any) -> Response:
    return Response(text, True, True, "7", "7", False, True, 12)._replace(**changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with a page of four models and samples in two languages; `alone` in it holds it as a single file."""
    base = dict.fromkeys(AVERAGE, 0.4) | {"en": 0.7}
    records = [
        make_record("base", base),
        make_record("slam", base | {"sw": 0.6, "th": 0.6}, stages=(stage(seconds=83.0),)),
        make_record("two-stage", base | {"sw": 0.8, "th": 0.9}, stages=(stage("first", 1.0, 400.0), stage("second", 1.0, 3900.0))),
        make_record(HOSTILE, base | {"de": 0.5}, stages=(stage("x" * 10_000, 1.0, 9.0),)),
    ]
    board = build_board(records, "mgsm", average_languages=AVERAGE)
    columns = [row.name for row in board.rows]
    names = {name: place for place, name in enumerate(columns)}

    def question(number: int, **of: Response) -> Question:
        responses = [of.get(name.replace("-", "_"), said()) for name in columns]
        return Question(number, HOSTILE if number == 0 else f"How many are {number} apples?", "7", responses)

    wrong = {"paper": False, "strict": False}
    english = [
        question(0, slam=said(HOSTILE + "y" * 10_000), base=said(**wrong)),
        question(1, slam=said(strict=False, strict_read=None)),
        question(2, base=said(cut_off=True)),
        question(3, two_stage=said("La respuesta es 7.", in_language=False)),
        *(question(number) for number in range(4, QUESTIONS)),
    ]
    parts = [Samples("mgsm", code, columns, [*names.values()], "paper", english) for code in ("en", "sw")]
    there = tmp_path_factory.mktemp("page")
    write_page([board], there, command="xreason compare --out '<runs>'", samples=parts)
    small = build_board(records[:1], "mgsm", average_languages=AVERAGE).model_copy(update={"published": published_rows("mgsm")})
    write_page([small], there / "alone", samples=parts, single_file=True)
    return there


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, folder: Path) -> Iterator[Opener]:
    """Opens the page; whatever it asked of the net, complained of or popped up fails the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_page(path: str = "leaderboard.html", **settings: Any) -> Any:
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: None if asked.url.startswith((folder.as_uri(), "data:")) else wrong.append(asked.url))
        page.goto((folder / path).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def with_samples(page: Any) -> Any:
    page.locator("#samples").scroll_into_view_if_needed()
    page.locator("article").first.wait_for()
    return page


def test_a_heading_sorts_by_value_and_not_by_text_with_nothing_last(opened: Opener) -> None:
    page = opened()
    table = page.locator("table").first
    heading = table.locator("thead th", has_text="training time")

    def times() -> list[str]:
        page.wait_for_timeout(60)
        return [text.split("\n")[0] for text in table.locator("tbody td:last-child").all_inner_texts()]

    heading.click()
    assert times() == ["1 h 12 m", "1 m 23 s", "9.0 s", ""]
    heading.click()
    assert times() == ["9.0 s", "1 m 23 s", "1 h 12 m", ""]
    assert heading.get_attribute("aria-sort") == "ascending"


def test_filters_and_the_search_find_the_questions_they_name(opened: Opener) -> None:
    page = with_samples(opened())
    found = page.locator("#found")
    assert found.inner_text() == f"{QUESTIONS} of {QUESTIONS} questions"
    page.select_option("#a", label="slam")
    page.select_option("#b", label="base")
    for name, number in {"a-not-b": 1, "b-not-a": 0, "readings": 2, "cut": 3, "language": 4}.items():
        page.select_option("#filter", name)
        headings = page.locator("article h3").all_inner_texts()
        assert headings == ([f"Question {number}"] if number else []), name
    page.select_option("#filter", "all")
    page.fill("#search", "LA RESPUESTA")
    assert page.locator("article h3").all_inner_texts() == ["Question 4"]
    page.get_by_role("checkbox", name="two-stage").uncheck()
    assert found.inner_text() == f"0 of {QUESTIONS} questions"


def test_samples_are_read_from_a_disk_a_language_at_a_time(opened: Opener) -> None:
    page = opened()
    assert page.locator("script[src]").count() == 0
    with_samples(page)
    page.select_option("#part", "mgsm-sw")
    page.locator("#found", has_text="questions").wait_for()
    assert [each.get_attribute("src") for each in page.locator("script[src]").all()] == ["samples/mgsm-en.js", "samples/mgsm-sw.js"]
    assert page.locator("article").count() == 20
    page.get_by_role("button", name="Show more").click()
    page.get_by_role("button", name="Show more").click()
    assert page.locator("article").count() == QUESTIONS and not page.locator("#further").is_visible()
    first = page.locator("article").nth(1).locator(".answers > div").nth(1).inner_text()
    assert "papers’ reading: ✓ right, read 7" in first and "12 tokens" in first


def test_a_single_file_holds_its_samples(opened: Opener) -> None:
    page = with_samples(opened("alone/leaderboard.html"))
    assert page.locator("script[src]").count() == 0


def test_what_others_wrote_is_text_and_folds_where_it_is_long(opened: Opener) -> None:
    page = with_samples(opened())
    assert page.title() == "Leaderboard: pocket-llama"
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("article").first.text_content()
    fold = page.locator("article details").first
    assert "all 10,1" in fold.locator("summary").inner_text()
    assert not fold.locator("span").is_visible()
    name = page.locator("table").first.locator("tbody details").first
    assert name.locator("summary").inner_text().startswith("</script><script>")
    assert page.locator("pre").inner_text() == "xreason compare --out '<runs>'"


def test_without_javascript_all_but_the_samples_is_read(opened: Opener) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("noscript p").inner_text().startswith("Samples are shown by JavaScript")
    assert not page.locator("#choose").is_visible()
    assert page.get_by_role("row", name="two-stage").first.is_visible()
    assert page.locator("svg[role=img]").count() == 5
    page.locator("summary", has_text="By the other reading").click()
    assert page.get_by_role("table", name="mgsm, by the strict reading").is_visible()


def test_the_keyboard_alone_skips_sorts_and_filters(opened: Opener) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the boards"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('thead th:nth-child(3)')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_timeout(60)
    assert page.evaluate("document.activeElement.ariaSort") == "descending"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with_samples(page).locator("#part").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.locator("article h3").all_inner_texts() == ["Question 2"]


def test_print_shows_what_is_folded_and_no_controls(opened: Opener) -> None:
    page = with_samples(opened(color_scheme="dark"))
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible() and not page.locator("#choose").is_visible()
    assert page.get_by_role("table", name="mgsm, by the strict reading").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
    page.set_viewport_size({"width": 1050, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 1050


def test_a_narrow_screen_scrolls_tables_in_their_own_box(opened: Opener) -> None:
    page = with_samples(opened(viewport={"width": 400, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    box = page.locator(".scroll").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    # names stay where they are seen, also of Table 1, which begins with ranks, and what a table is called too
    box.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    for stays in (box.locator("tbody th").nth(1), box.locator("thead th.name"), box.locator("caption span")):
        place = stays.bounding_box()
        assert 0 <= place["x"] <= 10 and place["x"] + place["width"] <= 400


def test_what_others_report_shows_its_mean_without_scrolling(opened: Opener) -> None:
    page = opened("alone/leaderboard.html", viewport={"width": 1280, "height": 800})
    heading = page.get_by_role("table", name="As reported").locator("thead th", has_text="mean of 10")
    place = heading.bounding_box()
    assert place["x"] + place["width"] < 1280
    assert heading.locator("xpath=following-sibling::th").count() > 1


@pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing(opened: Opener, scheme: str, rules: dict[str, Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # axe's own script is not the page's
    page = with_samples(opened(color_scheme=scheme, bypass_csp=True))
    found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    assert [(each["impact"], each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == []


def test_dark_and_light_follow_the_reader(opened: Opener) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        colours.add(page.evaluate("getComputedStyle(document.body).color"))
        assert page.locator("svg text").first.evaluate("text => getComputedStyle(text).fill") in colours
    assert len(colours) == 2
    # a marker is drawn from a tree of its own, which rules for what is below `svg` do not reach
    assert "svg [fill" not in page.content() and "svg [stroke" not in page.content()


def test_a_served_page_is_read_again_when_there_is_more(browser: Any, tmp_path: Path) -> None:
    suites = ["mgsm"]

    def refresh() -> None:
        record = make_record("base", {"en": 0.5}, suites=(suites[-1],))
        write_page([build_board([record], suites[-1], average_languages=("en",))], tmp_path, live=True)

    with server(tmp_path, refresh) as serving:
        thread = Thread(target=serving.serve_forever)
        thread.start()
        page = browser.new_page()
        wrong: list[str] = []
        page.on("console", lambda told: wrong.append(told.text))
        page.goto(f"http://127.0.0.1:{serving.server_port}/")
        page.wait_for_timeout(2200)
        suites.append("msvamp")
        page.locator("h2", has_text="msvamp").wait_for(timeout=20_000)
        page.close()
        serving.shutdown()
        thread.join()
    assert wrong == []
