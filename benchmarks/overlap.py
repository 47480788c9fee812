"""What counting overlap costs: all questions of MGSM and MSVAMP against corpora, over a plain search with Python's own sets.

    python -m benchmarks.overlap --data DIR            # one core; DIR as for `xreason --data`

Both read the same texts once and count the same; the plain search builds a tuple for every run of tokens, as lm-eval's
decontamination does. Prints JSON: seconds of each, what was read, and their ratio.
"""

import argparse
import os
import time
from pathlib import Path

from benchmarks.report import report

LANGUAGES = ("en", "sw", "zh", "de", "es", "fr", "ja", "ru")


def main() -> None:
    """Counts twice, and prints what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpora", nargs="+", default=["gsm8k", "question-translation"])
    arguments = parser.parse_args()
    os.environ["XREASON_DATA"] = str(arguments.data)
    from xreason.harness.experiment import experiment_of_flags
    from xreason.harness.overlap import Wanted, count_overlap, tokens_of
    from xreason.tasks.suites import SUITES
    from xreason.trainers.corpora.examples import bare
    from xreason.trainers.corpora.load import load_corpus

    experiment = experiment_of_flags({"name": "overlap", "base": "none", "data": arguments.data, "train_languages": LANGUAGES})
    began = time.process_time()
    counted = count_overlap(experiment, [Wanted(name) for name in arguments.corpora])
    ours = time.process_time() - began

    began, plain, texts, tokens = time.process_time(), 0, 0, 0
    asked = {(each.suite, each.language): each.ngram for each in counted.counts}
    questions = {place: [tokens_of(row["question"]) for row in SUITES[place[0]].rows(place[1])] for place in asked}
    runs = {length: set[tuple[str, ...]]() for length in asked.values()}
    for place, length in asked.items():
        runs[length].update(run for each in questions[place] for run in _runs(each, length))
    for name in arguments.corpora:
        found = {length: set[tuple[str, ...]]() for length in runs}
        corpus = load_corpus(name, LANGUAGES, source="papers", data=arguments.data)
        for text in dict.fromkeys(text for example in corpus.examples for text in bare(example)):
            said = tokens_of(text)
            texts, tokens = texts + 1, tokens + len(said)
            for length, known in runs.items():
                found[length].update(run for run in _runs(said, length) if run in known)
        for place, length in asked.items():
            plain += sum(any(run in found[length] for run in _runs(each, length)) for each in questions[place])
    theirs = time.process_time() - began
    same = plain == sum(each.shared for each in counted.counts)
    read = {"questions": sum(map(len, questions.values())), "texts": texts, "tokens": tokens, "shared": plain, "same_counts": same}
    report(**read, seconds=round(ours, 2), plain_seconds=round(theirs, 2), plain_over_ours=round(theirs / ours, 2))


def _runs(tokens: list[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[first : first + length]) for first in range(len(tokens) - length + 1)]


if __name__ == "__main__":
    main()
