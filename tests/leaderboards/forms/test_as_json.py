from typing import Any

from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.as_json import boards_json
from xreason.leaderboards.records import Record


def test_programs_find_every_name_of_format_5(comparison: list[Record], average: tuple[str, ...]) -> None:
    content = boards_json([build_board(comparison, "mgsm", average_languages=average)])
    assert content["format"] == 5
    (board,) = content["boards"]
    said = {"format", "suite", "reading", "other_reading", "styles", "languages", "average_languages", "questions"}
    told = {"partial_languages", "pairs", "cautions", "failures", "published"}
    told |= {"claims", "families", "mean_over", "english_margin", "clusters"}
    assert set(board) == said | told | {"rows", "notes", "provenance"}
    measured = {
        "languages",
        "mean",
        "mean_in_language",
        "mean_without_english",
        "languages_by_other_reading",
        "mean_by_other_reading",
    }
    compared = {"rank", "gain", "english", "english_verdict", "responses", "mean_responses", "sampling"}
    trained = {"tuned_parameters", "tuned_share", "tuned_at_least", "training_seconds", "device_seconds", "trainings"}
    made = {"method", "model", "model_hash", "recipe", "setting", "style", "name", "seeds", "checkpoint_bytes"}
    for row in board["rows"]:
        assert set(row) == made | measured | compared | trained


def test_a_difference_says_how_sure_it_is_and_of_what(make: Any) -> None:
    board = build_board([make("base", {"en": 0.2}), make("slam", {"en": 0.9})], "mgsm", average_languages=("en",))
    (written,) = boards_json([board])["boards"]
    english = board.rows[1].english
    assert english is not None
    said = written["rows"][1]["english"]
    assert (said["value"], said["low"], said["high"], said["p"]) == (english.value, english.low, english.high, english.p)
    assert (said["claims"], said["significant"], said["marked"], said["p_adjusted"]) == ("trainings", True, False, None)
    assert written["rows"][1]["gain"]["p_adjusted"] == english.p
    assert written["rows"][1]["mean"].keys() == {"value", "low", "high", "se", "se_questions", "se_seeds", "df"}
