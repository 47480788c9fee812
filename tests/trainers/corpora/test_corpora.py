"""Corpora: published sets read from a folder, pairs aligned where there are none, and errors that say what to do."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from xreason.tasks.errors import UserError
from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.alignment import align, number_signature
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.corpora.octopus import Problem, pair_with_english

Rows = list[tuple[str, str, str]]
Writer = Callable[[Rows], str]
REAL = os.environ.get("XREASON_DATA")
real_data = pytest.mark.skipif(not REAL, reason="XREASON_DATA is not set: the papers' data is not at hand")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns an empty data folder, on a machine whose hub is out of reach."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(count: int) -> list[tuple[str, str, str, str]]:
    """Returns (English question, English rationale, German question, German rationale), with their own numbers each."""
    draw = random.Random(0)
    made = []
    for _ in range(count):
        one, other = draw.randint(2, 99), draw.randint(2, 99)
        made.append(
            (
                f"Ann has {one} apples and buys {other} more. How many?",
                f"{one} + {other} = {one + other}\n#### {one + other}",
                f"Ann hat {one} Äpfel und kauft {other} dazu. Wie viele?",
                f"{one} + {other} = {one + other}\n#### {one + other}",
            )
        )
    return made


def test_parallel_lines_become_translation_pairs(data: Path) -> None:
    write(data / "question_translation/sw-en/train.sw", "Ana ana tufaha 2\u2028?\nMoja\n")
    write(data / "question_translation/sw-en/train.en", "Ann has 2 apples?\nOne\n")
    corpus = load_corpus("question-translation", ["en", "sw"], source="papers", data=data)
    assert corpus.languages == ("sw",)
    first = corpus.examples[0]
    assert first.prompt == alpaca("Translate the following sentences from Swahili to English. Ana ana tufaha 2\u2028?")
    assert first.response == "Ann has 2 apples?"
    assert (len(corpus.examples), corpus.left_out, corpus.where) == (2, 0, str(data / "question_translation"))


def test_unequal_line_counts_are_refused_with_file_and_counts(data: Path) -> None:
    write(data / "question_translation/de-en/train.de", "eins\nzwei\n")
    write(data / "question_translation/de-en/train.en", "one\n")
    with pytest.raises(UserError, match=r"train\.de has 2 lines and train\.en beside it 1"):
        load_corpus("question-translation", ["de"], source="papers", data=data)


def test_a_line_that_is_not_utf8_is_named(data: Path) -> None:
    write(data / "question_translation/de-en/train.de", b"eins\n\xff\n")
    write(data / "question_translation/de-en/train.en", "one\ntwo\n")
    with pytest.raises(UserError, match=r"train\.de, line 2 is not UTF-8"):
        load_corpus("question-translation", ["de"], source="papers", data=data)


def test_gsm8k_keeps_its_text_without_the_calculator(data: Path) -> None:
    write(data / "gsm8k/train_en.jsonl", '{"question": "48/2?", "answer": "48/2 = <<48/2=24>>24.\\n#### 24"}\n')
    corpus = load_corpus("gsm8k", ["de"], source="papers", data=data)
    assert corpus.examples[0].response == "48/2 = 24.\n#### 24"
    assert corpus.languages == ("en",)
    assert "GSM8K" in corpus.description


@pytest.mark.parametrize("name", ["train.jsonl", "MetaMathQA-395K.json"])
def test_english_reasoning_is_metamath_as_lines_or_as_the_hub_s_one_list(data: Path, name: str) -> None:
    row = '{"query": "1+1?", "response": "The answer is: 2", "type": "x"}'
    write(data / "metamath" / name, row if name.endswith("l") else f"[{row}]")
    write(data / "gsm8k/train_en.jsonl", '{"question": "a", "answer": "b"}')
    corpus = load_corpus("english-reasoning", ["en"], source="papers", data=data)
    assert corpus.examples[0].prompt == alpaca("1+1?")
    assert corpus.description == "MetaMathQA in English"


def test_english_reasoning_without_metamath_is_an_error_that_names_gsm8k_and_never_gsm8k_in_silence(data: Path) -> None:
    write(data / "gsm8k/train_en.jsonl", '{"question": "a", "answer": "b"}')
    with pytest.raises(UserError) as raised:
        load_corpus("english-reasoning", ["en"], source="papers", data=data)
    said = str(raised.value)
    for part in ("meta-math/MetaMathQA is neither at", str(data / "metamath" / "train.jsonl"), "hf download", "the corpus gsm8k"):
        assert part in said
    assert len(said.replace(str(data), "data")) <= 400


def test_gsm8k_has_each_question_once_and_counts_the_others(data: Path) -> None:
    rows = [("Henry?", "62 in English"), ("Ann?", "3"), ("Henry?", "62 en español"), ("Henry?", "62 en français")]
    lines = (f'{{"question": "{question}", "answer": "{answer}"}}\n' for question, answer in rows)
    write(data / "gsm8k/train_en.jsonl", "".join(lines))
    corpus = load_corpus("gsm8k", ["en"], source="papers", data=data)
    assert [example.response for example in corpus.examples] == ["62 in English", "3"]
    assert (corpus.rows, corpus.left_out) == (2, 2)


def test_pairs_are_stripped_and_those_with_an_empty_side_left_out_as_qalign_reads_them(data: Path) -> None:
    write(data / "question_translation/de-en/train.de", " eins \n\nzwei\t\ndrei\n")
    write(data / "question_translation/de-en/train.en", "one  \ntwo\ntwo\n \n")
    corpus = load_corpus("question-translation", ["de"], source="papers", data=data)
    assert [example.response for example in corpus.examples] == ["one", "two"]
    assert corpus.examples[0].prompt == alpaca("Translate the following sentences from German to English. eins")
    assert corpus.left_out == 2


def test_in_mathoctopus_s_frame_a_row_is_its_own_prompt_and_a_space_before_each_side(data: Path, octopus_rows: Writer) -> None:
    text = octopus_rows([("German", "Was ist 3 + 4?", "Es sind 7. "), ("English", "3 + 4?", "7")])
    write(data / "gsm8kinstruct_parallel/train.jsonl", text)
    corpus = load_corpus("multilingual-reasoning", ["de"], source="papers", data=data, frame="octopus")
    (example,) = corpus.examples
    row = json.loads(text.splitlines()[0])
    assert (example.prompt, example.response) == (" " + row["prompt"], " " + row["chosen"])
    assert "Please answer in German." in example.prompt
    # a translation is answered in English
    write(data / "question_translation/de-en/train.de", "eins\n")
    write(data / "question_translation/de-en/train.en", "one\n")
    (pair,) = load_corpus("question-translation", ["de"], source="papers", data=data, frame="octopus").examples
    assert "Please answer in English." in pair.prompt
    assert pair.response == " one"


@pytest.mark.parametrize("name", ["question-translation", "multilingual-reasoning", "english-reasoning"])
def test_every_example_knows_its_language(name: str) -> None:
    corpus = load_corpus(name, ["en", "de", "sw"], source="pocket", rows=4)
    assert {example.language for example in corpus.examples} == set(corpus.languages)


def test_octopus_is_read_by_language(data: Path, octopus_rows: Writer) -> None:
    rows = [("English", "1 in French?", "1"), ("German", "Zwei Zeilen\nmit 2?", "2\n#### 2"), ("English", "3?", "3")]
    write(data / "gsm8kinstruct_parallel/train.jsonl", octopus_rows(rows))
    corpus = load_corpus("multilingual-reasoning", ["de", "en"], source="papers", data=data)
    assert [(example.prompt, example.response) for example in corpus.examples] == [
        (alpaca("Zwei Zeilen\nmit 2?"), "2\n#### 2"),
        (alpaca("1 in French?"), "1"),
        (alpaca("3?"), "3"),
    ]


def test_translation_pairs_are_aligned_and_what_is_uncertain_is_left_out_and_counted(data: Path, octopus_rows: Writer) -> None:
    made = problems(40)
    english = [("English", question, rationale) for question, rationale, _, _ in made]
    german = [("German", question, rationale) for _, _, question, rationale in made]
    german[7] = ("German", "Ganz andere Zahlen: 1234?", "#### 5678")
    del german[20:23], english[30]
    write(data / "gsm8kinstruct_parallel/train.jsonl", octopus_rows(english + german))
    questions = load_corpus("question-translation", ["de"], source="papers", data=data)
    answers = load_corpus("answer-translation", ["de", "en"], source="papers", data=data)
    kept = [row for index, row in enumerate(made) if index not in (7, 20, 21, 22, 30)]
    assert [example.response for example in questions.examples] == [question for question, _, _, _ in kept]
    assert [example.response for example in answers.examples] == [rationale for _, rationale, _, _ in kept]
    assert answers.examples[0].prompt == alpaca(f"Translate the following sentences from German to English. {made[0][3]}")
    # row 7, whose numbers changed, and row 30, whose English is gone
    assert questions.left_out == answers.left_out == 2
    assert questions.languages == answers.languages == ("de",)


def test_rows_that_numbers_cannot_tell_apart_stay_out() -> None:
    one, two = Problem("2?", "2"), Problem("3?", "3")
    assert pair_with_english([one, one, two], [one, two]) == ([(two, two)], 2)


def test_digits_of_every_script_and_thousands_in_every_custom_are_the_same_number() -> None:
    assert (
        number_signature("১,০০০ and 12") == number_signature("1.000 and １２") == number_signature("1\u202f000, 12") == (12, 1000)
    )


def test_order_decides_where_numbers_repeat() -> None:
    assert align([(1,), (5,), (2,), (5,), (3,)], [(1,), (5,), (2,), (5,), (3,)]) == [(place, place) for place in range(5)]


def test_rows_are_drawn_by_language_and_seed(data: Path) -> None:
    for code in ("de", "fr"):
        write(data / f"question_translation/{code}-en/train.{code}", "".join(f"{code} {number}\n" for number in range(50)))
        write(data / f"question_translation/{code}-en/train.en", "".join(f"{number}\n" for number in range(50)))

    def drawn(languages: list[str], seed: int) -> list[str]:
        corpus = load_corpus("question-translation", languages, source="papers", data=data, rows=5, seed=seed)
        return [example.response for example in corpus.examples]

    assert len(drawn(["de", "fr"], 0)) == 10
    assert drawn(["de", "fr"], 0)[5:] == drawn(["fr"], 0)
    assert drawn(["de"], 0) != drawn(["de"], 1)


def test_the_hash_is_that_of_the_content(data: Path) -> None:
    write(data / "gsm8k/train_en.jsonl", '{"question": "a", "answer": "b"}')
    first = load_corpus("gsm8k", ["en"], source="papers", data=data).hash
    assert first == load_corpus("gsm8k", ["de"], source="papers", data=data).hash
    write(data / "gsm8k/train_en.jsonl", '{"question": "a", "answer": "c"}')
    assert first != load_corpus("gsm8k", ["en"], source="papers", data=data).hash


def test_a_missing_set_names_hub_id_path_and_command(data: Path) -> None:
    with pytest.raises(UserError) as raised:
        load_corpus("answer-translation", ["de"], source="papers", data=data)
    for part in (
        "Mathoctopus/GSM8KInstruct_Parallel is neither at",
        str(data / "gsm8kinstruct_parallel" / "train.jsonl"),
        "hf download --repo-type dataset Mathoctopus/GSM8KInstruct_Parallel",
    ):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"question": "a", "answer": "b"}\n{"question": "a"}\n', "line 2 must hold text in the columns question, answer"),
        ('{"question": "a", "answer": 3}\n', "line 1 must hold text"),
        ("nonsense\n", "line 1 is not JSON"),
        ("", "is empty"),
    ],
)
def test_damaged_rows_are_named_by_file_and_line(data: Path, text: str, message: str) -> None:
    write(data / "gsm8k/train_en.jsonl", text)
    with pytest.raises(UserError, match=message):
        load_corpus("gsm8k", ["en"], source="papers", data=data)


def test_unknown_names_and_languages_are_refused(data: Path, octopus_rows: Writer) -> None:
    with pytest.raises(UserError, match="did you mean 'answer-translation'"):
        load_corpus("answers-translation", ["de"], source="papers", data=data)
    with pytest.raises(UserError, match="no language 'xx'"):
        load_corpus("question-translation", ["xx"], source="papers", data=data)
    with pytest.raises(UserError, match="is empty"):
        load_corpus("question-translation", ["en"], source="papers", data=data)
    write(data / "gsm8kinstruct_parallel/train.jsonl", octopus_rows([("English", "1?", "1")]))
    with pytest.raises(UserError, match="has no Telugu, only en"):
        load_corpus("multilingual-reasoning", ["te"], source="papers", data=data)


@real_data
def test_real_question_translation_has_every_published_pair() -> None:
    counts = {"de": 7464, "es": 7468, "fr": 7464, "ja": 7466, "ru": 7360, "sw": 7469, "zh": 7363}
    corpus = load_corpus("question-translation", ["en", *counts], source="papers", data=Path(str(REAL)))
    assert len(corpus.examples) == sum(counts.values())
    assert corpus.languages == tuple(counts)


@real_data
def test_real_gsm8k_has_its_published_rows_and_none_in_another_language() -> None:
    corpus = load_corpus("gsm8k", ["en"], source="papers", data=Path(str(REAL)))
    # the file has three rows more, with rationales in Spanish and French: lines 2598, 2599 and 4096
    assert (len(corpus.examples), corpus.left_out) == (7473, 3)
    assert not any(word in example.response for example in corpus.examples for word in ("puntajes", "matières", "Elle lira"))
    # two rows are cut off inside an annotation where they were published
    assert sum("<<" in example.response for example in corpus.examples) == 2


@real_data
@pytest.mark.parametrize(("language", "share"), [("de", 0.9), ("ja", 0.6), ("sw", 0.9)])
def test_our_alignment_agrees_with_qalign_s_where_rows_are_missing(language: str, share: float) -> None:
    folder = Path(str(REAL)) / "question_translation" / f"{language}-en"
    own, english = ((folder / f"train.{code}").read_text(encoding="utf-8").splitlines() for code in (language, "en"))
    draw = random.Random(0)
    left = [index for index in range(len(own)) if draw.random() > 0.1]
    right = [index for index in range(len(english)) if draw.random() > 0.02]
    pairs = align([number_signature(own[index]) for index in left], [number_signature(english[index]) for index in right])
    wrong = sum(left[one] != right[other] for one, other in pairs)
    assert len(pairs) >= share * len(left)
    assert wrong <= len(pairs) / 600
