"""The pocket corpora and the base model that comes with them."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict

import pytest

from xreason.tasks.errors import UserError
from xreason.tasks.pocket import world
from xreason.tasks.prompts import ALPACA
from xreason.trainers.corpora import pocket as corpora
from xreason.trainers.corpora.examples import Example
from xreason.trainers.corpora.load import load_corpus
from xreason.trainers.pocket import MODEL, build

LANGUAGES = world.LANGUAGES


def rows_of(name: str, languages: Sequence[str], *, rows: int, seed: int) -> tuple[Example, ...]:
    return load_corpus(name, languages, source="pocket", rows=rows, seed=seed).examples


TEST_PERSON = re.compile("|".join(world.TEST_PEOPLE))


def holds_a_test_person(example: Example) -> bool:
    return bool(TEST_PERSON.search(example.prompt + "\n" + example.response))


@pytest.fixture(scope="module")
def test_patterns() -> set[str]:
    """Every test question of every language, with its names taken out."""
    return {nameless(problem.question(code)) for problem in world.test_problems() for code in LANGUAGES}


def nameless(text: str) -> str:
    for name in NAMES:
        text = text.replace(name, "N")
    return text


NAMES = sorted({name for person in (*world.TEST_PEOPLE, *world.TRAINING_PEOPLE) for name in person.split()}, key=len, reverse=True)


@pytest.mark.parametrize("corpus", corpora.CORPORA)
def test_no_corpus_holds_a_test_problem(corpus: str, test_patterns: set[str]) -> None:
    rows = rows_of(corpus, LANGUAGES, rows=500, seed=0)
    assert not any(holds_a_test_person(row) for row in rows)
    for row in rows:
        question = row.prompt.split("### Instruction:\n")[1].split("\n\n### Response:")[0]
        assert nameless(question) not in test_patterns


def test_the_base_was_trained_on_no_test_problem(test_patterns: set[str]) -> None:
    text = build.sources(0)
    assert set(text) == set(build.POCKET.mixture)
    for examples in text.values():
        assert not any(holds_a_test_person(example) for example in examples)
    assert not any(nameless(example.response) in test_patterns for example in text["text"])
    # ten such problems would be found: the patterns themselves are tested
    assert any(nameless(problem.question("de")) in test_patterns for problem in world.test_problems()[:10])


def test_translation_goes_from_every_other_language_into_english() -> None:
    rows = rows_of("question-translation", LANGUAGES, rows=20, seed=0)
    assert len(rows) == 20 * (len(LANGUAGES) - 1)
    assert not any("from English" in row.prompt for row in rows)
    assert sum("from Swahili to English. " in row.prompt for row in rows) == 20


def test_rows_are_parallel() -> None:
    problems = world.training_problems(30, 5)
    for code in ("de", "zh"):
        rows = rows_of("multilingual-reasoning", [code], rows=30, seed=5)
        assert {row.response for row in rows} == {problem.rationale(code) for problem in problems}


def test_the_english_rationale_says_the_question_again_before_it_computes() -> None:
    (row,) = rows_of("english-rationales", ["fr"], rows=1, seed=0)
    (problem,) = world.training_problems(1, 0)
    assert row.prompt == ALPACA.format(instruction=problem.question("fr"))
    assert row.response.startswith(problem.question("en"))
    assert row.response.endswith(f"= {problem.answer}. The answer is {problem.answer}.")


def test_a_report_says_all_of_a_corpus_but_its_text() -> None:
    corpus = load_corpus("multilingual-reasoning", ["de", "en"], source="pocket", rows=3)
    assert asdict(corpus) == asdict(corpus.report) | {"examples": tuple(asdict(example) for example in corpus.examples)}
    assert (corpus.report.rows, corpus.report.languages) == (6, ("de", "en"))


def test_the_same_seed_writes_the_same_rows() -> None:
    assert rows_of("answer-translation", LANGUAGES, rows=9, seed=2) == rows_of("answer-translation", LANGUAGES, rows=9, seed=2)
    assert rows_of("answer-translation", LANGUAGES, rows=9, seed=2) != rows_of("answer-translation", LANGUAGES, rows=9, seed=3)


def test_unknown_corpus_and_language_are_named() -> None:
    with pytest.raises(UserError, match=r"no corpus 'metamath'.*english-rationales"):
        rows_of("metamath", LANGUAGES, rows=1, seed=0)
    with pytest.raises(UserError, match="not written in te"):
        rows_of("multilingual-reasoning", ["en", "te"], rows=1, seed=0)


def test_the_model_folder_is_small_and_made_by_the_recipe() -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 5_000_000
    assert json.loads((MODEL / "recipe.json").read_text(encoding="utf-8")) == build.recipe(0)


def test_the_model_loads_and_its_tokenizer_loses_nothing() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings >= 4096
    assert model.config.head_dim in (32, 64)
    assert len(tokenizer) == model.config.vocab_size
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id != tokenizer.pad_token_id
    for text in ("Clara hat 123 Bücher.", "ราคา 15 บาท", "দাম 15", " two  spaces\n", ALPACA):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_digit_is_a_token_of_its_own() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    for text in ("123", "12 + 15 = 27", "有12个"):
        tokens = [tokenizer.decode(token) for token in tokenizer(text)["input_ids"]]
        assert all(sum(letter.isdigit() for letter in token) <= 1 for token in tokens)


def test_the_tokenizer_is_made_the_same_again() -> None:
    made = json.loads(build.train_tokenizer().backend_tokenizer.to_str())
    shipped = json.loads((MODEL / "tokenizer.json").read_text(encoding="utf-8"))
    assert made["model"]["vocab"] == shipped["model"]["vocab"]
    assert made["model"]["merges"] == shipped["model"]["merges"]
