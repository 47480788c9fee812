import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from leaderboards.files import write_whole
from leaderboards.records import (
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


def record(method: str = "slam", seed: int = 0, stages: tuple[StageCost, ...] = (stage(),)) -> Record:
    return Record(
        format=1,
        method=method,
        seed=seed,
        scores={"mgsm": {"en": LanguageScore(paper="1101"), "sw": LanguageScore(paper="0100")}},
        training=Training(stages=stages),
        provenance=Provenance(
            model="pocket",
            model_hash="abc",
            data={"mgsm": "juletxara/mgsm"},
            prompt="alpaca",
            prompt_hash="def",
            max_new_tokens={"mgsm": 600},
            limit=None,
            commit="0123abc",
            machine="2 cores",
            date="2025-11-20T20:00:00+00:00",
            versions={"vllm": "0.32.0"},
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


def test_accuracy_is_the_share_of_right_verdicts() -> None:
    score = LanguageScore(paper="1101")
    assert (score.questions, score.accuracy) == (4, 0.75)


@pytest.mark.parametrize("verdicts", ["", "12", "1 0", "yes", "1\n"])
def test_verdicts_are_zeros_and_ones_and_at_least_one(verdicts: str) -> None:
    with pytest.raises(ValidationError):
        LanguageScore(paper=verdicts)


def test_a_training_adds_up_times_and_takes_the_largest_stage() -> None:
    training = Training(stages=(stage(tuned=60, seconds=5.0), stage(tuned=500, seconds=7.5)))
    assert training.seconds == 12.5
    assert training.tuned_parameters == 500
    assert training.total_parameters == 1000
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
    content["scores"]["mgsm"]["sw"]["paper"] = "01x0"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "scores.mgsm.sw.paper", "again")


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"format": 2}'])
def test_other_json_is_no_record(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert_one_useful_sentence(caught.value, path, "is not a record of format 1")


@pytest.mark.parametrize("key", sorted(Record.model_fields))
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
