"""The papers' corpora, written out of the pocket world instead of read from a data set.

One row of "question-translation" from German; the prompt is framed as tasks/prompts.py frames it:

    prompt     ... Translate the following sentences from German to English. Clara hat 8 Bücher und gibt Tom 3 davon. Wie ...
    response   Clara has 8 books and gives Tom 3 of them. How many books does Clara have left?

Rows are parallel, as in MGSM8KInstruct: problem i is the same one in every language. None of them is a test problem, see
tasks/pocket/world.py for what is held out.
"""

import random
from collections.abc import Callable, Sequence

from xreason.tasks import prompts
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.pocket import world
from xreason.trainers.corpora.examples import Example

#: Problems a language where the caller sets no number.
ROWS = 4000


def question_translation(problem: world.Problem, code: str) -> Example:
    """Returns the pair that translates the question from `code` into English, with QAlign's instruction."""
    instruction = prompts.translation_instruction(LANGUAGES[code].english, problem.question(code))
    return Example(prompts.alpaca(instruction), problem.question("en"))


def answer_translation(problem: world.Problem, code: str) -> Example:
    """Returns the pair that translates the rationale from `code` into English."""
    instruction = prompts.translation_instruction(LANGUAGES[code].english, problem.rationale(code))
    return Example(prompts.alpaca(instruction), problem.rationale("en"))


def reasoning(problem: world.Problem, code: str) -> Example:
    """Returns the question and its rationale, both in `code`."""
    return Example(prompts.alpaca(problem.question(code)), problem.rationale(code))


def english_rationale(problem: world.Problem, code: str) -> Example:
    """Returns the question in `code` with its rationale in English."""
    return Example(prompts.alpaca(problem.question(code)), problem.rationale("en"))


# A corpus: how one row is written, and whether English questions are among its rows (English is not translated into English).
_CORPORA: dict[str, tuple[Callable[[world.Problem, str], Example], bool]] = {
    "question-translation": (question_translation, False),
    "answer-translation": (answer_translation, False),
    "multilingual-reasoning": (reasoning, True),
    "english-rationales": (english_rationale, True),
}

#: Names of all corpora.
CORPORA: tuple[str, ...] = (*_CORPORA, "english-reasoning")


def examples(corpus: str, languages: Sequence[str], *, rows: int | None, seed: int) -> list[Example]:
    """Returns the rows of one corpus, all languages mixed.

    Args:
        corpus: one of `CORPORA`. "question-translation" and "answer-translation" go from each language into English,
            "english-reasoning" is in English whatever the languages, "multilingual-reasoning" has question and rationale in each
            language, "english-rationales" each language's question with the English rationale.
        languages: ISO codes. English is passed over by the translation corpora.
        rows: problems a language; None means `ROWS`.
        seed: which problems, and their order. The same seed gives the same problems to every corpus.

    Raises:
        UserError: the pocket world has no such corpus or no such language.
    """
    if corpus not in CORPORA:
        raise UserError(f"The pocket world has no corpus '{corpus}'. It has: {', '.join(CORPORA)}.")
    unknown = [code for code in languages if code not in world.LANGUAGES]
    if unknown:
        raise UserError(f"The pocket world is not written in {', '.join(unknown)}. It is written in: {', '.join(world.LANGUAGES)}.")
    problems = world.training_problems(ROWS if rows is None else rows, seed)
    if corpus == "english-reasoning":
        return [reasoning(problem, "en") for problem in problems]
    write, with_english = _CORPORA[corpus]
    chosen = [code for code in dict.fromkeys(languages) if with_english or code != "en"]
    pairs = [write(problem, code) for problem in problems for code in chosen]
    random.Random(f"{corpus} {seed}").shuffle(pairs)
    return pairs
