"""lm-eval's own xcopa, belebele and global_mmlu, and a task in chrF, over small files in the form of their data sets."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from xreason.tasks.added import registries
from xreason.tasks.suites import CHANGES, use

TASKS = Path(str((found := find_spec("lm_eval")) and found.origin)).parent / "tasks"

#: How many questions a language; of each subject of global_mmlu two.
XCOPA, BELEBELE, SUBJECT = 12, 10, 2
_WORDS = ("maji", "nyumba", "river", "stone", "مدرسة", "mti", "seven", "gari", "light", "samaki", "tree", "kitabu")


def _word(*numbers: int) -> str:
    return " ".join(_WORDS[(7 * number + 3 * place) % len(_WORDS)] for place, number in enumerate(numbers))


def _xcopa(language: str) -> list[dict[str, Any]]:
    return [
        {
            "premise": f"{_word(number, number + 1, len(language))}.",
            "choice1": f"{_word(number, 2)}.",
            "choice2": f"{_word(3, number, 5)}.",
            "question": "cause" if number % 3 else "effect",
            "label": number % 2,
        }
        for number in range(XCOPA)
    ]


def _belebele(language: str) -> list[dict[str, Any]]:
    answers = [{f"mc_answer{place}": _word(number, place) for place in range(1, 5)} for number in range(BELEBELE)]
    return [
        {"flores_passage": _word(number, 4, 6), "question": f"{_word(number)}?", "correct_answer_num": str(number % 4 + 1)} | answer
        for number, answer in enumerate(answers)
    ]


def _global_mmlu(subjects: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "subject": subject,
            "question": f"{subject} {_word(number, place)}?",
            **{f"option_{letter}": _word(number, place, each) for each, letter in enumerate("abcd")},
            "answer": "ABCD"[(number + place) % 4],
        }
        for place, subject in enumerate(subjects)
        for number in range(SUBJECT)
    ]


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _over(folder: Path, source: Path, name: str, rows: Path, splits: tuple[str, ...], config: str = "null") -> None:
    """Writes a task that is lm-eval's own, of that name, but for where its rows are."""
    files = "".join(f"    {split}: {rows}\n" for split in splits)
    text = f"include: {source}\ntask: {name}\ndataset_path: json\ndataset_name: {config}\ndataset_kwargs:\n  data_files:\n{files}"
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="package")
def task_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the tasks, which stock lm_eval takes by --include_path."""
    folder = tmp_path_factory.mktemp("tasks")
    for code in ("sw", "ta", "zh"):
        rows = _jsonl(folder / f"xcopa_{code}.jsonl", _xcopa(code))
        _over(folder, TASKS / "xcopa" / f"default_{code}.yaml", f"xcopa_{code}", rows, ("validation", "test"))
    for tag in ("eng_Latn", "swh_Latn", "ben_Latn"):
        rows = _jsonl(folder / f"belebele_{tag}.jsonl", _belebele(tag))
        _over(folder, TASKS / "belebele" / f"belebele_{tag}.yaml", f"belebele_{tag}", rows, ("test",))
    for code in ("en", "sw"):
        sources = sorted((TASKS / "global_mmlu" / "full" / code).glob(f"global_mmlu_full_{code}_*.yaml"))
        others = [each for each in sources if f"tag: global_mmlu_full_{code}_other_tasks" in each.read_text(encoding="utf-8")]
        subjects = [each.stem.removeprefix(f"global_mmlu_full_{code}_") for each in others]
        rows = _jsonl(folder / f"global_mmlu_{code}.jsonl", _global_mmlu(subjects))
        for source in others:
            _over(folder, source, source.stem, rows, ("test", "dev"), code)
    rows = _jsonl(folder / "translate.jsonl", [{"english": _word(number), "swahili": _word(number, 1)} for number in range(8)])
    (folder / "translate.yaml").write_text(
        f"task: translate_sw\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {rows}\ntest_split: test\n"
        'output_type: generate_until\ndoc_to_text: "English: {{english}}\\nSwahili:"\ndoc_to_target: "{{swahili}}"\n'
        'generation_kwargs:\n  until: ["\\n"]\n  max_gen_toks: 12\nmetric_list:\n  - metric: chrf\n    aggregation: chrf\n'
        "    higher_is_better: true\nmetadata:\n  version: 2.0\n"
    )
    return folder


@pytest.fixture
def tasks(task_files: Path) -> Iterator[Path]:
    """Has the tables of this process be those of that folder."""
    before = tuple(CHANGES)
    use(*registries(task_files))
    yield task_files
    use(*before)
