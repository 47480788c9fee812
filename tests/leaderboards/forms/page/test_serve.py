"""The served page: on loopback alone, to those who call it by its name, anew when there is more."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests

from xreason.leaderboards.forms.page.serve import server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mgsm-sw.js").write_text("said")
    asked: list[int] = []

    def refresh() -> None:
        asked.append(len(asked))
        (tmp_path / "leaderboard.html").write_text(f"board {len(asked) // 3}")

    with server(tmp_path, refresh) as serving:
        thread = Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_the_page_is_made_anew_and_told_from_the_one_before(served: str) -> None:
    first, same, later = (requests.head(f"{served}/leaderboard.html", timeout=10).headers["ETag"] for _ in range(3))
    assert first == same != later
    assert requests.get(served, timeout=10).text == "board 1"


def test_samples_are_handed_out_and_folders_not_listed(served: str) -> None:
    assert requests.get(f"{served}/samples/mgsm-sw.js", timeout=10).text == "said"
    assert requests.get(f"{served}/samples/", timeout=10).status_code == 404
    assert requests.get(f"{served}/../../etc/passwd", timeout=10).status_code == 404


def test_a_name_of_another_site_that_leads_here_is_turned_away(served: str) -> None:
    assert requests.get(served, headers={"Host": "other.example"}, timeout=10).status_code == 403
    assert requests.get(served.replace("127.0.0.1", "localhost"), timeout=10).status_code == 200
