import math

from tests.leaderboards.conftest import stage
from xreason.leaderboards.forms.cells import stage_cells


def test_a_stage_is_told_once_for_all_tables() -> None:
    assert stage_cells(stage()) == {
        "stage": "align",
        "corpus": "question and answer translation into English",
        "rows": "7,200",
        "languages": "sw, th",
        "rows cut off": "–",
        "tuned": "up_proj, down_proj of layers 0-1 (78,336)",
        "share tuned": "6.0 %",
        "epochs / steps": "4 / 900",
        "sequences a step": "32",
        "learning rate": "2e-5",
        "tokens": "1,500,000",
        "tokens/s": "18,072",
        "time": "1 m 23 s",
        "peak memory": "1.2 GiB",
        "loss": "3.200 to 0.400",
    }


def test_rows_that_were_cut_off_are_told_by_language_and_none_of_them_is_0() -> None:
    told = [stage().model_copy(update={"truncated": cut}) for cut in ({"th": 3, "bn": 1_200, "sw": 0}, {})]
    assert [stage_cells(each)["rows cut off"] for each in told] == ["bn 1,200, th 3", "0"]


def test_a_loss_that_diverged_is_said_and_none_where_none_was_logged() -> None:
    assert stage_cells(stage().model_copy(update={"losses": ((1, 3.2), (2, math.nan))}))["loss"] == "3.200 to nan"
    assert stage_cells(stage().model_copy(update={"losses": ()}))["loss"] == ""
