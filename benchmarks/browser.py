"""How fast a large page is in Chromium: first paint, a sort, a language's samples, and what one file of all weighs.

    python -m benchmarks.browser

Ten models answer MGSM's and MSVAMP's 12,750 questions, each in 570 characters of words drawn at random.
"""

import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import report
from tests.leaderboards.conftest import AVERAGE, make_record
from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.page.page import write_page
from xreason.leaderboards.forms.page.samples import Question, Response, Samples

MODELS, CHARACTERS, TIMES = 10, 570, 5
QUESTIONS = {"mgsm": 250, "msvamp": 1000}
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_SORT = """() => new Promise(done => {
    const heading = document.querySelectorAll('table.sortable thead th')[2], begun = performance.now();
    heading.closest("table").addEventListener("sort-end", () => requestAnimationFrame(() => done(performance.now() - begun)));
    heading.click();
})"""


def main() -> None:
    """Measures and prints."""
    words = [f"w{number:x}" for number in range(5000)]
    chance = random.Random(0)

    def text() -> str:
        return " ".join(chance.choices(words, k=CHARACTERS // 5))[:CHARACTERS]

    def samples(suite: str, code: str) -> Samples:
        said = [[Response(text(), True, True, "7", "7", False, True, None) for _ in range(MODELS)] for _ in range(QUESTIONS[suite])]
        names = [f"model-{number}" for number in range(MODELS)]
        questions = [Question(number, text()[:200], "7", each) for number, each in enumerate(said)]
        return Samples(suite, code, names, [*range(MODELS)], "paper", questions)

    boards = []
    for suite, asked in QUESTIONS.items():
        records = [
            make_record(
                "base" if number == 0 else f"model-{number}",
                dict.fromkeys(AVERAGE, 0.4 + number / 50),
                questions=asked,
                suites=(suite,),
            )
            for number in range(MODELS)
        ]
        boards.append(build_board(records, suite, average_languages=AVERAGE))
    with tempfile.TemporaryDirectory() as folder:
        parts = (samples(suite, code) for suite in QUESTIONS for code in AVERAGE)
        page = write_page(boards, Path(folder), samples=parts)
        packed = sum(path.stat().st_size for path in (Path(folder) / "samples").iterdir())
        seen = [_seen(page) for _ in range(TIMES)]
    middle = {f"{name}_ms": round(statistics.median(each[name] for each in seen)) for name in seen[0]}
    report(samples_bytes=packed, **middle)


def _seen(page: Path) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        tab: Any = browser.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_function(f"() => {_FIRST_PAINT.split('.startTime')[0]}")
        paint, sort = tab.evaluate(_FIRST_PAINT), tab.evaluate(_SORT)
        tab.locator("#samples").scroll_into_view_if_needed()
        tab.locator("article").first.wait_for()
        begun = time.perf_counter()
        tab.select_option("#part", "msvamp-sw")
        tab.locator("#found", has_text="of 1,000 questions").wait_for()
        shown = 1000 * (time.perf_counter() - begun)
        browser.close()
    return {"first_paint": paint, "sort": sort, "samples_of_a_language": shown}


if __name__ == "__main__":
    main()
