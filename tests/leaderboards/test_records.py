import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xreason.leaderboards.files import write_whole
from xreason.leaderboards.records import (
    LanguageScore,
    Provenance,
    Record,
    RecordError,
    StageCost,
    Training,
    read_record,
    read_records,
    write_record,
)
from xreason.leaderboards.statistics.answers import Counts


def stage(tuned: int = 60, seconds: float = 5.0, losses: tuple[tuple[int, float], ...] = ((1, 2.5), (2, 1.25))) -> StageCost:
    return StageCost(
        name="align",
        corpus="question translation",
        rows=100,
        languages=("sw", "th"),
        tuned="up_proj, down_proj of layers 0-1",
        tuned_parameters=tuned,
        total_parameters=1000,
        epochs=1.5,
        learning_rate=2e-5,
        batch_size=8,
        steps=20,
        tokens=4000,
        seconds=seconds,
        tokens_per_second=800.0,
        peak_memory_bytes=2**20,
        losses=losses,
    )


#: Two samples of a language's four questions.
SAMPLED: dict[str, Any] = {
    "paper": ("1101", "1000"),
    "strict": ("1100", "1000"),
    "answered": ("1110", "1011"),
    "cut_off": ("0001", "0100"),
    "in_language": ("11-0", "--11"),
    "majority_paper": "1001",
    "majority_strict": "1000",
}


def greedy(paper: str = "1101") -> LanguageScore:
    same = (paper,)
    return LanguageScore(
        paper=same, strict=same, answered=same, cut_off=None, in_language=None, majority_paper=None, majority_strict=None
    )


def record(method: str = "slam", seed: int = 0, stages: tuple[StageCost, ...] = (stage(),)) -> Record:
    return Record(
        format=2,
        method=method,
        seed=seed,
        scores={"mgsm": {"en": greedy("1101"), "sw": greedy("0100")}},
        training=Training(stages=stages),
        provenance=Provenance(
            model="pocket",
            model_hash="abc",
            data={"mgsm": "juletxara/mgsm"},
            prompt="alpaca",
            prompt_hash="def",
            shots=0,
            samples=1,
            temperature=0.0,
            max_new_tokens={"mgsm": 600},
            limit=None,
            commit="0123abc",
            machine="2 cores",
            date="2025-11-20T20:00:00+00:00",
            versions={"vllm": "0.32.0"},
            suite_versions={"mgsm": "1.0"},
            identifier="",
        ),
        checkpoint_bytes=240,
    )


def without(content: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in content.items() if name != key}


def test_a_written_record_reads_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "pocket" / "slam" / "0" / "record.json"
    write_record(record(), path)
    assert read_record(path) == record()


def test_writing_replaces_the_old_record_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(record(seed=1), path)
    write_record(record(seed=2), path)
    assert read_record(path).seed == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_write_that_fails_keeps_the_old_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(record(seed=1), path)
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half a record, then a lone surrogate \ud800")
    assert read_record(path).seed == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_reader_of_the_old_record_never_sees_the_new_one_come(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(record(seed=1), path)
    with path.open() as reader:
        write_record(record(seed=2), path)
        assert json.load(reader)["seed"] == 1


def test_a_diverged_loss_survives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(record(stages=(stage(losses=((1, math.nan), (2, math.inf))),)), path)
    training = read_record(path).training
    assert training is not None
    (_, first), (_, second) = training.stages[0].losses
    assert math.isnan(first)
    assert second == math.inf


def test_a_greedy_score_keeps_its_verdicts_as_they_are() -> None:
    score = greedy("1101")
    assert (score.questions, score.samples) == (4, 1)
    assert score.outcomes("paper") == "1101"
    with pytest.raises(ValueError, match="no majority"):
        score.majority("paper")


def test_samples_are_counted_for_each_question() -> None:
    score = LanguageScore(**SAMPLED)
    assert (score.questions, score.samples) == (4, 2)
    assert score.rights("paper") == (2, 1, 0, 1)
    assert score.outcomes("paper") == Counts((2, 1, 0, 1), 2)
    assert score.outcomes("strict") == Counts((2, 1, 0, 0), 2)
    assert (score.majority("paper"), score.majority("strict")) == ("1001", "1000")


def test_shares_are_over_all_responses_and_language_over_the_identified_ones() -> None:
    score = LanguageScore(**SAMPLED)
    assert (score.responses.answered, score.responses.cut_off, score.responses.in_language) == (0.75, 0.25, 0.8)


def test_shares_that_nobody_knows_are_none() -> None:
    assert (greedy().responses.cut_off, greedy().responses.in_language) == (None, None)
    assert LanguageScore(**SAMPLED | {"in_language": ("----", "----")}).responses.in_language is None


@pytest.mark.parametrize("field", ["paper", "strict", "answered", "cut_off"])
@pytest.mark.parametrize("verdicts", ["", "12", "1 0", "yes", "1\n", "1-"])
def test_verdicts_are_zeros_and_ones_and_at_least_one(field: str, verdicts: str) -> None:
    with pytest.raises(ValidationError):
        LanguageScore.model_validate(SAMPLED | {field: (verdicts, verdicts)})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("paper", (), "at least 1"),
        ("strict", ("1100",), "strict has 1 samples where paper has 2"),
        ("answered", ("1110", "101"), "answered has a sample of 3 questions where paper's first has 4"),
        ("paper", ("1110", "101"), "paper has a sample of 3 questions where paper's first has 4"),
        ("cut_off", ("0001", "0001", "0001"), "cut_off has 3 samples where paper has 2"),
        ("in_language", ("1111", "11x1"), "pattern"),
        ("in_language", ("11111", "11111"), "in_language has a sample of 5 questions"),
        ("majority_strict", None, "majority_strict is wrong: a score of 2 .* needs a majority vote"),
        ("majority_paper", "10011", "majority_paper has 5 questions where paper has 4"),
    ],
)
def test_all_of_a_score_has_one_shape(field: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LanguageScore.model_validate(SAMPLED | {field: value})


def test_one_sample_has_no_majority_vote() -> None:
    with pytest.raises(ValidationError, match=r"majority_paper is wrong: a score of 1 .* has no majority vote"):
        LanguageScore.model_validate(greedy().model_dump() | {"majority_paper": "1101"})


def test_a_record_has_as_many_samples_as_its_provenance_says() -> None:
    content = record().model_dump()
    content["provenance"]["samples"] = 2
    with pytest.raises(ValidationError, match="mgsm in en has 1 samples a question where provenance says 2"):
        Record.model_validate(content)


def test_verdicts_are_read_as_asked() -> None:
    content = record().model_dump()
    content["scores"]["mgsm"]["sw"]["strict"] = ("0110",)
    read = Record.model_validate(content)
    assert read.verdicts("mgsm", "paper") == {"en": "1101", "sw": "0100"}
    assert read.verdicts("mgsm", "strict") == {"en": "1101", "sw": "0110"}


def test_a_training_adds_up_times_and_takes_the_largest_stage() -> None:
    training = Training(stages=(stage(tuned=60, seconds=5.0), stage(tuned=500, seconds=7.5)))
    assert training.seconds == 12.5
    assert training.tuned == 500
    assert training.tuned_share == 0.5


def test_records_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        record().seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Record.model_validate({**record().model_dump(), "note": "extra"})


def test_every_record_below_a_directory_is_read_in_path_order(tmp_path: Path) -> None:
    for method, seed in (("two-stage", 0), ("slam", 1), ("slam", 0)):
        write_record(record(method, seed), tmp_path / "pocket" / method / str(seed) / "record.json")
    (tmp_path / "pocket" / "slam" / "0" / "training.json").write_text("{}")
    found = [(each.method, each.seed) for each in read_records(tmp_path)]
    assert found == [("slam", 0), ("slam", 1), ("two-stage", 0)]


def assert_one_useful_sentence(error: RecordError, path: Path, *words: str) -> None:
    text = str(error)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert text.endswith(".")
    for word in words:
        assert word in text


def test_a_missing_record_says_so(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "does not exist", "run the comparison")


@pytest.mark.parametrize("content", [b"", b'{"format": 1,', b"\xff\xfe\x00", b"accuracy: 0.5"])
def test_a_record_that_is_not_json_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "is not JSON", "again")


def test_a_record_of_the_wrong_shape_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content = record().model_dump(mode="json")
    content["scores"]["mgsm"]["sw"]["paper"] = ["01x0"]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "scores.mgsm.sw.paper", "again")
    content["scores"]["mgsm"]["sw"] = greedy().model_dump(mode="json") | {"strict": ["110"]}
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "scores.mgsm.sw: strict has a sample of 3 questions", "again")


def test_a_record_of_format_1_says_how_to_bring_it_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content = record().model_dump(mode="json") | {"format": 1, "scores": {"mgsm": {"en": {"paper": "1101"}}}}
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "format 1")
    assert str(caught.value).endswith(f": run `xreason rescore {tmp_path}` to bring it up to date.")


def test_a_record_of_format_2_is_read_and_what_it_does_not_tell_is_none(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content = record().model_dump(mode="json")
    later = {"metamath", "majority_metamath", "questions_hash", "truncated", "recipe", "tuned_parameters", "total_parameters"}
    later |= {"device", "devices", "machine", "weights_hash", "dtype", "sampling", "system", "worked_examples"}

    def before(each: Any, place: str = "") -> Any:
        if isinstance(each, list):
            return [before(part, place) for part in each]
        if not isinstance(each, dict):
            return each
        # two of these names were there before, of something else
        new = later - (
            {"machine"} if place == "provenance" else {"tuned_parameters", "total_parameters"} if place == "stages" else set()
        )
        return {name: before(value, name) for name, value in each.items() if name not in new}

    path.write_text(json.dumps(before(content)))
    read = read_record(path)
    assert read.training is not None
    assert (read.format, read.provenance.weights_hash, read.provenance.dtype, read.provenance.sampling) == (2, None, None, {})
    assert (read.training.recipe, read.training.device_seconds, read.training.stages[0].truncated) == (None, None, None)
    assert (read.training.tuned, read.training.tuned_at_least) == (60, False)
    assert read.scores["mgsm"]["en"].questions_hash is None


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"format": 3}'])
def test_other_json_is_no_record(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "is not a record of format 4")


@pytest.mark.parametrize("key", sorted(Record.model_fields.keys() - {"folders", "families", "weights", "measures", "cautions"}))
# where its scores lie came later: records without it are in the folders of before; which questions are akin with format 4
def test_no_field_of_a_record_has_a_silent_default(tmp_path: Path, key: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(without(record().model_dump(mode="json"), key)))
    with pytest.raises(RecordError, match=key):
        read_record(path)


def test_a_directory_in_place_of_a_record_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(tmp_path)


def test_a_directory_without_records_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_records(tmp_path)
    assert_one_useful_sentence(caught.value, tmp_path, "holds no record.json", "run a comparison")
    with pytest.raises(RecordError, match="is not a directory"):
        read_records(tmp_path / "nowhere")


def test_one_broken_record_is_never_skipped(tmp_path: Path) -> None:
    write_record(record(), tmp_path / "slam" / "0" / "record.json")
    broken = tmp_path / "slam" / "1" / "record.json"
    broken.parent.mkdir()
    broken.write_text("{")
    with pytest.raises(RecordError) as caught:
        read_records(tmp_path)
    assert_one_useful_sentence(caught.value, broken)
