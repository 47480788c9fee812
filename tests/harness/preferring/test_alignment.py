"""MAPO's alignment score, by a tiny translation model of NLLB's kind that is made on the spot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.preferring.alignment import aligned, clean, translator
from xreason.harness.preferring.judging import judged, pairs_of
from xreason.tasks.errors import UserError
from xreason.trainers.corpora.examples import Example, reasoning
from xreason.trainers.corpora.pocket import write_corpus
from xreason.trainers.stages import Samples

ASKED = [("eins plus 2 ist 3.", "1 + 2 = 3."), ("zwei", "the answer is 3, and that is all"), ("drei plus 4", "7")]


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    characters = "▁abcdefghijklmnopqrstuvwxyz0123456789+=.,"
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | {each: 4 + place for place, each in enumerate(characters)}
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[])
    torch.manual_seed(0)
    sizes = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in _SIZES.items()}
    config = M2M100Config(vocab_size=len(tokenizer), d_model=32, max_position_embeddings=64, dropout=0.1, **sizes)
    folder = tmp_path_factory.mktemp("nllb")
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


_SIZES = {"layers": 1, "attention_heads": 2, "ffn_dim": 64}


def test_a_score_is_1_over_the_mean_loss_of_the_english_tokens_whatever_is_scored_beside_it(nllb: Path) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    scored = translator(str(nllb), "cpu")("de", ASKED)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(nllb).eval(), AutoTokenizer.from_pretrained(nllb)
    expected = []
    for source, target in ASKED:
        tokenizer.src_lang = "deu_Latn"
        inputs = tokenizer(source, return_tensors="pt")
        tokenizer.src_lang = "eng_Latn"
        with torch.no_grad():
            expected.append(1 / float(model(**inputs, labels=tokenizer(target, return_tensors="pt").input_ids).loss))
    assert scored == pytest.approx(expected, rel=1e-4)
    assert translator(str(nllb), "cpu")("sw", ASKED) != pytest.approx(scored, rel=1e-6)


def test_a_translation_model_that_is_not_here_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        UserError, match=r"^The translation model .*/none that pairs: alignment asks is not to be had here .*FOLDER}\.$"
    ):
        translator(str(tmp_path / "none"), "cpu")


def test_a_language_that_the_model_has_no_known_name_for_is_said(nllb: Path) -> None:
    with pytest.raises(UserError, match="calls the language xx is not known"):
        translator(str(nllb), "cpu")("xx", ASKED)


def counted(language: str, asked: Any) -> list[float]:
    """Scores by how near two texts are in length: enough to see which go where."""
    return [1 / (1 + abs(len(source) - len(target))) for source, target in asked]


def test_the_nearer_to_the_english_samples_of_the_same_problem_is_preferred_if_it_is_right() -> None:
    rows = write_corpus("english-rationales", ("en", "de"), rows=3, seed=0).examples
    english, *_ = (row for row in rows if row.language == "en")
    own = next(row for row in rows if row.language == "de" and row.problem == english.problem)
    assert own.response == english.response
    good, longer, wrong = own.response, f"{own.response}   ", own.response.rpartition(" ")[0] + " 9999."
    said = [judged(english, [(good, True)], "alpaca"), judged(own, [(longer, True), (good, True), (wrong, True)], "alpaca")]
    (question,) = aligned(said, counted)
    assert question.row == own
    assert all(sample.alignment is not None for sample in question.samples)
    pairs = {(pair.response, pair.rejected) for pair in pairs_of(question, Samples("alignment"), 0)}
    assert (good, wrong) in pairs
    assert all(chosen != wrong for chosen, _ in pairs)


def test_without_names_of_problems_their_numbers_tell_which_are_the_same() -> None:
    rows = [
        reasoning(code, f"{words} {first} {second}", f"{first + second}", answered="en")
        for code, words in (("en", "Count"), ("de", "Zähle"))
        for first, second in ((3, 40), (5, 60), (7, 80))
    ]
    said = [judged(row, [(f"{row.response} {row.language}", True)], "alpaca") for row in rows]
    found = aligned(said, lambda code, asked: [float(len(asked[0][1]))] * len(asked))
    assert [question.row for question in found] == rows[3:]
    assert aligned(said[:2], counted) == []


def test_english_samples_that_repeat_a_line_or_are_empty_are_no_reference() -> None:
    english = Example("p", "5", "en", problem="one")
    own = replace(english, language="de")
    said = [judged(english, [("5\n5", True), ("#### 5", True)], "alpaca"), judged(own, [("5", True)], "alpaca")]
    assert aligned(said, counted) == []
    assert clean("48 / 2 = <<48/2=24>>24 clips\n#### 24") == "48 / 2 = 24 clips"
