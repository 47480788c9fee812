import json
import math
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.leaderboards.conftest import stage
from tests.places import ROOT
from xreason.leaderboards.board import build_board
from xreason.leaderboards.forms.as_json import boards_json, boards_schema
from xreason.leaderboards.published.reported import published_rows
from xreason.leaderboards.records import Record
from xreason.leaderboards.rows import Failure

SCHEMA = ROOT / "docs" / "leaderboard.schema.json"


def test_programs_find_every_name_of_format_5(comparison: list[Record], average: tuple[str, ...]) -> None:
    content = boards_json([build_board(comparison, "mgsm", average_languages=average)])
    assert content["format"] == 5
    (board,) = content["boards"]
    said = {"format", "suite", "reading", "other_reading", "styles", "languages", "average_languages", "questions"}
    told = {"partial_languages", "pairs", "cautions", "failures", "published"}
    told |= {"claims", "families", "mean_over", "english_margin", "clusters", "measure"}
    assert set(board) == said | told | {"rows", "notes", "provenance"}
    measured = {
        "languages",
        "mean",
        "mean_in_language",
        "mean_without_english",
        "languages_by_other_reading",
        "mean_by_other_reading",
    }
    measured |= {"mean_tokens", "mean_thinking_tokens"}
    compared = {"rank", "gain", "gain_without_english", "english", "english_verdict", "responses", "mean_responses", "sampling"}
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


def test_the_published_schema_is_the_one_that_the_program_writes() -> None:
    # python -m xreason.leaderboards.forms.as_json > docs/leaderboard.schema.json
    assert SCHEMA.read_text(encoding="utf-8") == boards_schema()


def test_every_board_is_what_the_published_schema_says_and_what_is_not_is_found(make: Any, comparison: list[Record]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    diverged = stage().model_copy(update={"losses": ((1, 3.2), (2, math.nan))})
    sampled = [make("base", {"en": 0.2}, samples=4), make("slam", {"en": 0.9}, samples=4, stages=(diverged,))]
    boards = [
        build_board(comparison, "mgsm", average_languages=("en", "sw"), failures=[Failure(row="lora", reason="it diverged")]),
        build_board(sampled, "mgsm", average_languages=("en",)).model_copy(update={"published": published_rows("mgsm")}),
    ]
    content = boards_json(boards)
    assert content["boards"][1]["rows"][1]["trainings"][0]["stages"][0]["losses"][1] == [2, "NaN"]
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema)
    valid.validate(content)
    for row in ({"mean": None}, {"another": 1}, {"rank": "1"}):
        wrong = json.loads(json.dumps(content))
        wrong["boards"][0]["rows"][0] |= row
        with pytest.raises(ValidationError):
            valid.validate(wrong)


def test_a_field_is_described_by_its_comment() -> None:
    fields = json.loads(boards_schema())["$defs"]["Row"]["properties"]
    assert fields["checkpoint_bytes"]["description"] == "size of each seed's checkpoint, in the order of `seeds`"
    assert fields["sampling"]["description"] == "null with one sample a question"
    assert fields["tuned_share"]["description"] == "The same over all parameters, 0..1."
