"""What a suite's questions are made from: where a set is, and how a row of it becomes a question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xreason.tasks.readings.choice import LETTERS
from xreason.tasks.readings.verdicts import Kind

#: A question as tasks have it: `question`, `answer` (gold, as published) and `language` (code), and where a set has more to say
#: `instruction` (what any prompt style puts in its frame, where that is more than the question), `published` (all that its authors
#: put to a model), `id`, `weight` (in the mean), and what its kind of answer is read with (`choices`, `boxed`, see
#: xreason.tasks.readings.verdicts).
Row = dict[str, Any]

#: What makes a question of the cells of a row in a language; None where the row is another language's. Raises `ValueError`, whose
#: text says what is wrong with the row.
Make = Callable[[Sequence[Any], str], Row | None]


def plain_row(cells: Sequence[Any], language: str) -> Row:
    """Returns a question and its gold answer as they stand."""
    return {"question": cells[0], "answer": cells[1], "language": language}


def with_options(question: str, texts: Sequence[str]) -> str:
    """Returns a question with its options as CONE-MT/MindMerger puts X-CSQA's (mindmerger_tools/prompts.py, 3848918)."""
    return f"{question}\nOptions:" + "\t".join(f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=False))


@dataclass(frozen=True)
class Source:
    """Where a suite's questions are: on the hub, and in a data folder."""

    #: the data set on the Hugging Face hub; None for one that is not there, see `fetch`.
    hub_id: str | None
    #: its place in a data folder: {language} is the code, {spelled} the code as the set spells it, {part} each of `parts`.
    file: str
    question: str  #: the column with the question, as `answer` is that with the gold answer (none are named in a TSV file)
    answer: str
    exemplars: str | None = None  #: the file with the worked examples of all languages, or None where the set has none
    configs: Mapping[str, str] = field(default_factory=dict)  #: language code to how the set spells it, where that is another
    config: str = "{spelled}"  #: the hub's config of a language
    #: language code to how many rows of the published set ask an earlier row's question again under another gold answer; None for
    #: sets of others, of which that is not known.
    repeats: Mapping[str, int] | None = field(default_factory=dict)
    split: str = "test"  #: the hub's split with the questions; {part} as above
    parts: tuple[str, ...] = ("",)  #: files or splits whose rows are asked by turns: the first of each, then the second of each
    more: tuple[str, ...] = ()  #: other columns that `make` needs; one that ends in "?" may be missing
    make: Make = plain_row  #: of the cells question, answer and `more`
    broken: frozenset[str] = frozenset()  #: ids of questions that are broken as published, and asked as they are
    kind: Kind = "number"  #: what its answers are
    by_id: bool = False  #: whether its languages have the same questions in different orders, to be put in that of their ids
    by_turns: bool = False  #: whether rows of several levels are asked by turns, the first of each, then the second of each
    fetch: str = ""  #: where else it is to be had

    def spelled(self, language: str) -> str:
        """Returns how the set spells a language's code."""
        return self.configs.get(language, language)

    def config_of(self, language: str) -> str:
        """Returns the hub's config of a language."""
        return self.config.format(spelled=self.spelled(language))

    def place(self, language: str, part: str = "") -> str:
        """Returns where a data folder would hold the questions."""
        return self.file.format(language=language, spelled=self.spelled(language), part=part)
