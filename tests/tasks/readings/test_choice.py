"""Letters of a choice, against a table of responses that was written and read by hand, and against the published rule."""

import csv
import json
import os
from pathlib import Path

import pytest

from xreason.tasks.readings.choice import LETTERS, choice_reading, paper_choice

# columns language, half, reading, reason, options, text; in the text a ⏎ stands for a line break
TABLE = list(
    csv.DictReader((Path(__file__).parent / "choice_table.tsv").open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['language']}, {row['half']}: {row['reason']}")
def test_a_response_is_read_as_a_careful_reader_reads_it(row: dict[str, str]) -> None:
    expected = None if row["reading"] == "none" else row["reading"]
    assert choice_reading(row["text"].replace("⏎", "\n"), row["language"], row["options"].split(" | ")) == expected, row["text"]


def test_the_table_has_300_responses_in_16_languages_half_of_them_unseen_when_the_rules_were_written() -> None:
    assert len(TABLE) >= 300
    assert len({row["text"] for row in TABLE}) >= 350
    languages = {row["language"] for row in TABLE}
    assert len(languages) == 16
    assert all(sum(row["language"] == code for row in TABLE) >= 19 for code in languages)
    assert sum(row["half"] == "held-out" for row in TABLE) * 2 >= len(TABLE)
    assert sum(row["reading"] == "none" for row in TABLE) >= 50


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B). The answer is (C).", "B"),
        ("The answer is (b).", "b"),  # which no gold is
        ("The answer is (B)", None),
        ("the answer is (B).", None),
        ("The answer is B.", None),
        ("The answer is ( B).", None),
        ("The answer is (答).", "答"),
        ("", None),
    ],
)
def test_slams_own_reading_is_the_first_phrase_in_its_own_letters(text: str, letter: str | None) -> None:
    assert paper_choice(text) == letter


#: How a response of each language of X-CSQA declares an answer.
SENTENCES = {
    "ar": "الإجابة الصحيحة هي {}.",
    "de": "Die richtige Antwort ist {}.",
    "en": "So the answer is {}.",
    "es": "La respuesta correcta es {}.",
    "fr": "La bonne réponse est {}.",
    "hi": "सही उत्तर {} है।",
    "it": "La risposta corretta è {}.",
    "ja": "正解は{}です。",
    "nl": "Het juiste antwoord is {}.",
    "pl": "Prawidłowa odpowiedź to {}.",
    "pt": "A resposta correta é {}.",
    "ru": "Правильный ответ: {}.",
    "sw": "Jibu sahihi ni {}.",
    "ur": "صحیح جواب {} ہے۔",
    "vi": "Đáp án đúng là {}.",
    "zh": "正确答案是{}。",
}
FORMS = ("({})", "{}", "**{}**", "**({})**", "$\\boxed{{{}}}$", "\\boxed{{\\text{{{}}}}}", "（{}）", '"{}"')
OPTIONS = {row["language"]: row["options"].split(" | ") for row in reversed(TABLE) if row["options"].count("|") == 4}


@pytest.mark.parametrize("language", SENTENCES)
def test_every_letter_and_every_options_own_text_is_read_back_in_every_form(language: str) -> None:
    choices = OPTIONS[language]
    for letter, choice in zip(LETTERS, choices, strict=False):
        said = [SENTENCES[language].format(form.format(letter)) for form in FORMS]
        said += [SENTENCES[language].format(f"{letter}. {choice}"), SENTENCES[language].format(choice)]
        said += [letter, f"{letter}.", f"({letter})", f"{letter}) {choice}", f"**{letter}**", choice, f"\\boxed{{{choice}}}"]
        wrong = {text: read for text in said if (read := choice_reading(text, language, choices)) != letter}
        assert wrong == {}
    for letter in "GHJ":
        assert choice_reading(SENTENCES[language].format(f"({letter})"), language, choices) is None


@pytest.mark.skipif("XREASON_DATA" not in os.environ, reason="XREASON_DATA names no folder with X-CSQA")
def test_golds_of_x_csqa_are_read_back_by_letter_and_by_text_unless_two_options_share_it() -> None:
    read = 0
    for path in sorted((Path(os.environ["XREASON_DATA"]) / "xcsqa").glob("*/dev.jsonl")):
        language = {"jap": "ja"}.get(path.parent.name, path.parent.name)
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            choices = [choice["text"] for choice in row["question"]["choices"]]
            gold = row["answerKey"]
            text = choices[LETTERS.index(gold)]
            by_letter = choice_reading(SENTENCES[language].format(f"({gold})"), language, choices)
            by_text = choice_reading(SENTENCES[language].format(text), language, choices)
            assert (by_letter, by_text) == (gold, gold if choices.count(text) == 1 else None), (path, row["id"])
            read += 1
    assert read == 16 * 5


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["\\boxed{", "(A) ", "A", "the answer is ", "the answer is not ", "option ", " ", ". ", "**", "答", "选"]
)
def test_a_megabyte_of_anything_is_read(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    for language in ("en", "zh"):
        choice_reading(text, language, ["red", "blue"])
        assert choice_reading(f"{text}\nSo the answer is (B).", language, ["red", "blue"]) == "B"


def test_more_options_than_letters_are_an_error() -> None:
    with pytest.raises(ValueError, match="at most 10"):
        choice_reading("A", "en", ["x"] * 11)
    with pytest.raises(ValueError, match="CLDR"):
        choice_reading("A", "klingon", ["x"])
