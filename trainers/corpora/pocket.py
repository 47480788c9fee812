"""The papers' corpora, written out of the pocket world instead of read from a data set.

One row of "question-translation" from German; the prompt is framed as tasks/prompts.py frames it:

    prompt     ... Translate the following sentences from German to English. Clara hat 8 Bücher und gibt Tom 3 davon. Wie ...
    response   Clara has 8 books and gives Tom 3 of them. How many books does Clara have left?

Rows are parallel: problem i is the same one in every language. None is a test problem (tasks/pocket/world.py holds them out).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from xreason.tasks.errors import UserError
from xreason.tasks.pocket import world
from xreason.trainers.corpora.examples import Corpus, Example, make_corpus, reasoning, taught, translation
from xreason.trainers.stages import Frame

ROWS = 4000  #: Problems a language where the caller sets no number.


def question_translation(problem: world.Problem, code: str, frame: Frame = "alpaca") -> Example:
    """Returns the pair that translates the question from `code` into English."""
    return translation(code, problem.question(code), problem.question("en"), frame)


def answer_translation(problem: world.Problem, code: str, frame: Frame = "alpaca") -> Example:
    """Returns the pair that translates the rationale from `code` into English."""
    return translation(code, problem.rationale(code), problem.rationale("en"), frame)


def native_reasoning(problem: world.Problem, code: str, frame: Frame = "alpaca") -> Example:
    """Returns the question and its rationale, both in `code`."""
    return reasoning(code, problem.question(code), problem.rationale(code), frame)


def english_rationale(problem: world.Problem, code: str, frame: Frame = "alpaca") -> Example:
    """Returns the question in `code` with its rationale in English."""
    return reasoning(code, problem.question(code), problem.rationale("en"), frame, answered="en")


#: What a corpus of each name holds, and how one row of it is written.
CORPORA: dict[str, tuple[str, Callable[[world.Problem, str, Frame], Example]]] = {
    "question-translation": ("pocket questions, translated into English", question_translation),
    "answer-translation": ("pocket rationales, translated into English", answer_translation),
    "english-reasoning": ("pocket problems in English with their rationales", native_reasoning),
    "multilingual-reasoning": ("pocket problems, question and rationale in the language", native_reasoning),
    # for the pocket model itself
    "english-rationales": ("pocket problems, the question in the language, the rationale in English", english_rationale),
}


def write_corpus(name: str, languages: Sequence[str], *, rows: int | None, seed: int, frame: Frame = "alpaca") -> Corpus:
    """Returns one corpus of CORPORA with `rows` problems a language (None: `ROWS`), all languages mixed.

    The seed says which problems, and in which order; the same one gives the same problems to every corpus.

    Raises:
        UserError: the pocket world is not written in one of the languages, or there is nothing to write.
    """
    unknown = [code for code in languages if code not in world.LANGUAGES]
    if unknown:
        raise UserError(f"The pocket world is not written in {', '.join(unknown)}. It is written in: {', '.join(world.LANGUAGES)}.")
    description, write = CORPORA[name]
    chosen = taught(name, languages)
    problems = world.training_problems(ROWS if rows is None else rows, seed)
    named = [(f"pocket {seed} {number}", problem) for number, problem in enumerate(problems)]
    pairs = [replace(write(problem, code, frame), problem=name) for name, problem in named for code in chosen]
    if name != "english-reasoning":
        random.Random(f"{name} {seed}").shuffle(pairs)
    return make_corpus(name, description, chosen, "xreason.trainers.pocket", pairs, sources=("pocket-world",))
