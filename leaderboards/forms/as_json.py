"""Boards for programs: what leaderboard.json holds, and what commands print with `--json`."""

import json
from collections.abc import Sequence
from typing import Any

from xreason.leaderboards.board import Board


def boards_json(boards: Sequence[Board]) -> dict[str, Any]:
    """Returns `{"format": 5, "boards": [...]}`, ready for JSON at full precision, each board with the names of `Board` and `Row`.

    What others report (`published`) is empty where it was not asked for. In format 4 intervals were a bootstrap's without `se`,
    differences had no `p`, a row's gain was that of `mean_without_english`, English was "kept" where it is now "within" or "not
    settled", and there were no `claims`, `families`, `mean_over`, `english_margin`, `clusters` and `mean_in_language`.
    In format 3 every row had every language of its board;
    there were no `partial_languages`, `pairs`, `cautions`, `failures`, and in a row no `model`, `model_hash`, `recipe`, `setting`,
    `device_seconds` and `tuned_at_least`. Format 2 called a row's `mean_without_english` "others", and
    `languages_by_other_reading` and `mean_by_other_reading` "other_languages" and "other_mean". A loss that diverged is the string
    "NaN" or "Infinity".
    """
    # model_dump itself would leave a NaN as it is, which JSON cannot say
    return {"format": 5, "boards": [json.loads(board.model_dump_json()) for board in boards]}
