"""What test questions share with training corpora: counted as by hand, told apart from chance, and said by boards."""

import json
from pathlib import Path

import pytest

from tests.harness.conftest import Run
from tests.leaderboards.conftest import make_record, stage
from xreason.harness.experiment import Experiment, experiment_file, experiment_of_flags, read_experiment
from xreason.harness.overlap import Wanted, corpora_of, count_overlap, tokens_a_word, tokens_of
from xreason.leaderboards.contamination import OVERLAP_FILE, OverlapCount, read_overlap
from xreason.leaderboards.records import RecordError, write_record
from xreason.tasks.errors import UserError
from xreason.tasks.suites import SUITES
from xreason.trainers.corpora.examples import bare
from xreason.trainers.corpora.load import load_corpus

LONG = "Janet's 16 ducks lay eggs per day, she eats three for breakfast and bakes muffins for her friends with four."
HALF = "Tom walks five miles to the old mill and back again each single day of June, and Sue swims. How far does Tom walk?"
ZH = "珍妮特的鸭子每天下十六颗蛋，她每天早上早餐时吃三颗，然后每天用四颗鸭蛋为自己的朋友做松饼。"
JA = "オリビアはスーパーで七十八ドル使いました。最初に彼女はいくらのお金を持っていましたか？"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Questions in three languages; a corpus that holds one whole, thirteen words of another, and a stock phrase of a third."""
    folder = tmp_path / "data"
    (folder / "mgsm").mkdir(parents=True)
    for code, questions in {"en": [LONG, HALF, "What is left?"], "zh": [ZH], "ja": [JA]}.items():
        text = "".join(f"{question}\t{number}\n" for number, question in enumerate(questions, start=1))
        (folder / "mgsm" / f"mgsm_{code}.tsv").write_text(text, encoding="utf-8")
    rows = [
        (LONG.upper().replace(",", " -"), "As   asked."),
        ("Who is it?", f"It is known that {HALF[:68].lower()} Anne does so too. {ZH[3:40]}"),
        ("アガサはいくらの", "シートに二十ドル残りました。最初に彼女はいくらの自転車を?"),
    ]
    (folder / "gsm8k").mkdir()
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in rows]
    (folder / "gsm8k" / "train_en.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def asked(data: Path | None = None, **settings: object) -> Experiment:
    return experiment_of_flags({"name": "overlap", "base": "none", "suites": ["mgsm"], "data": data, **settings})


def by_place(counts: tuple[OverlapCount, ...]) -> dict[str, tuple[int, int]]:
    return {f"{each.language} {each.corpus}": (each.shared, each.duplicates) for each in counts}


def test_words_lose_case_and_punctuation_and_scripts_without_spaces_fall_into_characters() -> None:
    assert tokens_of("Janet’s 1,000 DUCKS—ﬁne!") == ["janets", "1000", "ducksfine"]
    assert tokens_of("তিনি কিনেছেন") == ["তিনি", "কিনেছেন"]
    assert tokens_of("他有16颗蛋。") == ["他", "有", "16", "颗", "蛋"]
    assert [tokens_a_word(tokens_of(text)) for text in (LONG, ZH, JA, "เป็ดของเจเน็ต")] == [1, 2, 2, 4]


def test_whole_questions_and_thirteen_words_in_a_row_are_found_and_stock_phrases_are_not(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XREASON_DATA", str(data))
    counted = count_overlap(asked(data, languages=["en", "zh", "ja"]), [Wanted("gsm8k")], show=1)
    assert by_place(counted.counts) == {"en gsm8k": (2, 1), "zh gsm8k": (1, 0), "ja gsm8k": (0, 0)}
    english, chinese, japanese = counted.counts
    assert (english.ngram, english.unit, english.short) == (13, "words", 1)
    assert (chinese.ngram, chinese.unit, japanese.unit) == (26, "characters", "characters")
    (seen,) = english.seen
    assert (seen.question, len(seen.ngram.split())) == (LONG, 13)
    # thirteen characters would have found the phrase
    assert count_overlap(asked(data, languages=["ja"]), [Wanted("gsm8k")], ngram=6).counts[0].shared == 1
    assert counted.in_domain == {"mgsm": ("gsm8k",)}
    assert counted.corpora[0].sources == ("gsm8k",)


def test_counts_are_those_of_a_plain_search() -> None:
    experiment = read_experiment(experiment_file("pocket"), {"languages": ("en", "fr", "zh")})
    wanted = (Wanted("question-translation", 300), Wanted("english-reasoning", 300))
    counted = count_overlap(experiment, wanted, ngram=5)

    def runs(text: str, length: int) -> set[tuple[str, ...]]:
        tokens = tokens_of(text)
        return {tuple(tokens[first : first + length]) for first in range(len(tokens) - length + 1)}

    assert any(0 < each.shared < each.questions for each in counted.counts)
    for each in counted.counts:
        corpus = load_corpus(each.corpus, experiment.languages_trained(), source="pocket", rows=300)
        held = {run for example in corpus.examples for text in bare(example) for run in runs(text, each.ngram)}
        questions = [row["question"] for row in SUITES["pocket"].rows(each.language)]
        assert each.shared == sum(bool(runs(question, each.ngram) & held) for question in questions)


def test_an_experiment_means_the_corpora_of_its_methods() -> None:
    pocket = corpora_of(read_experiment(experiment_file("pocket"), {}))
    assert {each.name for each in pocket} == {
        "question-translation",
        "answer-translation",
        "english-reasoning",
        "english-rationales",
    }
    assert all(each.rows for each in pocket)
    papers = corpora_of(asked(methods={"slam": {"rows": 10}, "full": {}}))
    assert papers == (Wanted("question-translation"), Wanted("answer-translation"), Wanted("multilingual-reasoning"))
    with pytest.raises(UserError, match="did you mean 'gsm8k'"):
        corpora_of(asked(), ["gsm9k"])


def test_the_file_beside_a_comparison_is_said_by_its_boards_and_what_is_missing_ends_with_3(
    xreason: Run, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "mine"
    trained = stage().model_copy(update={"corpus": "gsm8k (GSM8K in English with its rationales)"})
    for record in (make_record("base", {"en": 0.4, "zh": 0.4}), make_record("sft", {"en": 0.6, "zh": 0.5}, stages=(trained,))):
        write_record(record, run / record.method / "0" / "record.json")
    done = xreason("overlap", "--suites", "mgsm", "--languages", "en,zh,ja", "--corpora", "gsm8k", "--data", data, "--out", run)
    assert done.returncode == 0, done.stderr
    assert "2 (66.7 %), 1 whole" in done.stdout
    board = xreason("board", run)
    said = "Of 4 questions of mgsm, 3 share 13 words in a row with the corpus gsm8k and 1 stand in it whole (in en, zh): it is"
    assert f"{said} training text of sft." in " ".join(board.stdout.split())

    more = ("--corpora", "gsm8k,multilingual-reasoning", "--show", "1", "--json")
    some = xreason("overlap", "--suites", "mgsm", "--languages", "en", *more, "--data", data)
    assert (some.returncode, [each["name"] for each in json.loads(some.stdout)["corpora"]]) == (3, ["gsm8k"])
    assert "Failed: multilingual-reasoning: Mathoctopus/GSM8KInstruct_Parallel is neither at" in some.stderr
    none = xreason("overlap", "--suites", "mgsm", "--languages", "en", "--corpora", "english-reasoning", "--data", data)
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)


def test_a_corpus_is_read_in_the_languages_that_are_at_hand(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XREASON_DATA", str(data))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pairs = data / "question_translation" / "zh-en"
    pairs.mkdir(parents=True)
    (pairs / "train.zh").write_text(f"{ZH}\n", encoding="utf-8")
    (pairs / "train.en").write_text("Other words.\n", encoding="utf-8")
    counted = count_overlap(asked(data, languages=["en", "zh", "ja"]), [Wanted("question-translation")])
    assert by_place(counted.counts)["zh question-translation"] == (1, 1)
    assert counted.corpora[0].languages == ("zh",)
    ((what, why),) = counted.failures
    assert what == "question-translation in ja"
    assert "GSM8KInstruct_Parallel" in why


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "ngram": 0}', "\xff"])
def test_a_damaged_file_is_a_sentence_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / OVERLAP_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match=r"overlap\.json is not what `xreason overlap` wrote"):
        read_overlap(tmp_path / OVERLAP_FILE)
