"""Boards for programs: what leaderboard.json holds, what commands print with `--json`, and its JSON Schema.

python -m xreason.leaderboards.forms.as_json > docs/leaderboard.schema.json
"""

import inspect
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import DataclassSchema, ModelSchema

from xreason.leaderboards.board import Board
from xreason.leaderboards.records import Frozen

_FIELD = re.compile(r"    (?P<name>\w+): [^#]*(?:#: (?P<words>.*))?")


class Leaderboard(Frozen):
    """What leaderboard.json holds: the boards of a comparison, one a suite."""

    format: Literal[5] = 5  #: version of how it is written
    boards: tuple[Board, ...]


def boards_json(boards: Sequence[Board]) -> dict[str, Any]:
    """Returns `{"format": 5, "boards": [...]}`, ready for JSON at full precision, each board with the names of `Board` and `Row`.

    What others report (`published`) is empty where it was not asked for. In format 4 intervals were a bootstrap's without `se`,
    differences had no `p`, a row's gain was that of `mean_without_english`, English was "kept" where it is now "within" or "not
    settled", and there were no `measure`, `claims`, `families`, `mean_over`, `english_margin`, `clusters`, `mean_in_language`,
    `gain_without_english`, `mean_tokens` and `mean_thinking_tokens`.
    In format 3 every row had every language of its board;
    there were no `partial_languages`, `pairs`, `cautions`, `failures`, and in a row no `model`, `model_hash`, `recipe`, `setting`,
    `device_seconds` and `tuned_at_least`. Format 2 called a row's `mean_without_english` "others", and
    `languages_by_other_reading` and `mean_by_other_reading` "other_languages" and "other_mean". A loss that diverged is the string
    "NaN" or "Infinity".
    """
    # model_dump itself would leave a NaN as it is, which JSON cannot say
    content: dict[str, Any] = json.loads(Leaderboard(boards=tuple(boards)).model_dump_json())
    return content


def boards_schema() -> str:
    """Returns the JSON Schema (draft 2020-12) of leaderboard.json, each field with the words that its module has for it."""
    schema = Leaderboard.model_json_schema(mode="serialization", schema_generator=_Described)
    return json.dumps({"$schema": _Described.schema_dialect, **schema}, ensure_ascii=False, indent=1) + "\n"


class _Described(GenerateJsonSchema):
    """Describes fields by their comments, and leaves out none: every field is written, whatever its default."""

    def model_schema(self, schema: ModelSchema) -> dict[str, Any]:
        return _described(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        return _described(super().dataclass_schema(schema), schema["cls"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        # but for what not every board has
        return "serialization_exclude_if" not in field

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _described(schema: dict[str, Any], cls: type[Any]) -> dict[str, Any]:
    for name, words in _comments(cls).items():
        if name in schema["properties"]:
            # what Python calls None is null here
            schema["properties"][name]["description"] = re.sub(r"\bNone\b", "null", words)
    return schema


def _comments(cls: type[Any]) -> dict[str, str]:
    """Returns what stands behind `#:`, beside a field or above it, in a class and those that it is made from."""
    found: dict[str, str] = {}
    for each in (each for each in reversed(cls.__mro__) if each.__module__.split(".")[0] not in ("builtins", "pydantic")):
        above: list[str] = []
        for line in inspect.getsource(each).splitlines():
            if line.startswith("    #: "):
                above.append(line.removeprefix("    #: "))
                continue
            if (field := _FIELD.fullmatch(line)) and (words := field["words"] or " ".join(above)):
                found[field["name"]] = words
            above = []
    return found


if __name__ == "__main__":
    print(boards_schema(), end="")  # noqa: T201 (this is its output)
