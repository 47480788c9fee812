"""Adds languages and suites, and takes them out: what `xreason language` and `xreason suite` do.

Questions enter from a file, a data folder or the hub. They leave as YAML tasks that stock lm-eval runs, beside them the questions
that came from a file, and a line in `tasks/added.json`:

    tasks/mgsm/mgsm_it.yaml, tasks/mgsm/mgsm_it.jsonl, tasks/mgsm/_mgsm_group.yaml

The registry is written last, so a language is there when all of it is. What an interrupted change left is cleared by the next one.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from xreason.harness.adding import cldr
from xreason.harness.adding.question_files import Columns, Row, problems_of, read_questions, refuse
from xreason.tasks import data
from xreason.tasks.added import SUITE_NAME, AddedQuestions, AddedSuite, Hub, Registry, read_registry, write_registry
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, Language, languages_with
from xreason.tasks.names import unknown
from xreason.tasks.suites import LANGUAGES_IN_CODE, SUITES, TASKS_FOLDER, own_path, settle, suite_of, use

#: The proof: so many questions a language, each answered with so many new tokens at most.
PROOF_QUESTIONS, PROOF_TOKENS = 2, 32

Questions = list[dict[str, str]]


def add_language(code: str, suite: str, file: Path | None, columns: Columns, *, prove: bool) -> str:
    """Adds a language to a suite: from a file, or from where the suite's own questions are.

    Args:
        code: ISO 639-1 or -3 code.
        suite: name of a suite.
        file: the questions; None for the data folder or the hub.
        columns: where question and answer are in the file.
        prove: whether the pocket model answers two questions before it is kept.

    Returns:
        What was done and what to do next, in lines.

    Raises:
        UserError: the language, the suite or the questions are not fit, the suite has the language, or the proof failed.
    """
    language = cldr.language(code)
    with _changing() as registry:
        _check_may_change(suite)
        chosen = suite_of(suite)
        if language.code in chosen.languages:
            raise UserError(
                f"{chosen.title} has {language.english} ({language.code}) already, in {chosen.where(language.code)}; take it out "
                f"first: xreason language remove {language.code} --suite {suite}"
            )
        own: dict[str, Questions] = {}
        if file is not None:
            own[language.code] = read_questions(file, language.code, columns)
            counted = AddedQuestions(len(own[language.code]), file=True)
            added = registry.with_questions(suite, language.code, _names(language), counted)
        elif language.code in registry.removed.get(suite, ()):
            added = registry.with_restored(suite, language.code)
        else:
            counted = AddedQuestions(len(_of_suite(suite, language.code)))
            added = registry.with_questions(suite, language.code, _names(language), counted)
        _add(registry, added, suite, (language.code,), own, prove=prove)
        return _added_text(suite, (language.code,), proven=prove)


def remove_language(code: str, suite: str) -> str:
    """Takes a language out of a suite, with every file that adding it wrote; returns what was done, in words.

    Raises:
        UserError: the suite has no such language, or no other.
    """
    with _changing() as registry:
        _check_may_change(suite)
        chosen = suite_of(suite)
        if code not in chosen.languages:
            raise unknown(f"language in {chosen.title}", code, chosen.languages)
        if chosen.languages == (code,):
            raise UserError(f"{chosen.title} has no other language{_whole_suite(suite)}.")
        english = LANGUAGES[code].english
        was_added = code in registry.questions.get(suite, {})
        _remove(registry.without(suite, code) if was_added else registry.with_removed(suite, code), suite, (code,))
    back = f" xreason language add {code} --suite {suite} puts it back." if code in LANGUAGES_IN_CODE.get(suite, ()) else ""
    return f"{english} ({code}) is out of {chosen.title}; scores of it stay in the run store.{back}"


def add_suite(
    name: str,
    said: AddedSuite,
    files: Mapping[str, Path],
    configs: Mapping[str, str],
    columns: Columns,
    *,
    prove: bool,
) -> str:
    """Adds a whole suite.

    Args:
        name: what it is called on the command line and in its tasks' names.
        said: its title, its source, the longest response, and its hub data set.
        files: language code to the file with its questions.
        configs: language code to the config of the hub's data set.
        columns: where question and answer are in the files.
        prove: whether the pocket model answers two questions a language before it is kept.

    Returns:
        What was done and what to do next, in lines.

    Raises:
        UserError: the name is taken or no name, a language or some questions are not fit, or the proof failed.
    """
    with _changing() as registry:
        _check_new_suite(name)
        languages = _languages_of_suite(name, [*files, *configs])
        if configs and said.hub is None:
            raise UserError(
                "--languages are of a set on the hub; name it with --hub, or give files with --file-for en=questions.tsv."
            )
        paths = {cldr.language(code).code: path for code, path in files.items()}
        questions = {code: read_questions(path, code, columns) for code, path in paths.items()}
        added = replace(registry, suites={**registry.suites, name: said})
        for code in paths:
            added = added.with_questions(name, code, _names(languages[code]), AddedQuestions(len(questions[code]), file=True))
        on_hub = {cldr.language(asked).code: config for asked, config in configs.items()}
        for code, counted in _on_hub(registry, added, name, on_hub).items():
            added = added.with_questions(name, code, _names(languages[code]), counted)
        _add(registry, added, name, tuple(languages), questions, prove=prove)
        return _added_text(name, tuple(languages), proven=prove)


def remove_suite(name: str) -> str:
    """Takes an added suite out, with every file that adding it wrote; returns what was done, in words.

    Raises:
        UserError: there is no such suite, or it is none that was added.
    """
    with _changing() as registry:
        chosen = suite_of(name)
        if name not in registry.suites:
            raise UserError(f"{chosen.title} comes with xreason and stays; leave it out of a run with --suites.")
        _remove(registry.without_suite(name), name, chosen.languages)
    return f"{chosen.title} is out; scores of it stay in the run store."


def hub(identifier: str | None, columns: Columns) -> Hub | None:
    """Returns the hub's data set of a suite to be; its columns have MGSM's names on the hub where none are given."""
    return Hub(identifier, columns.question or "question", columns.answer or "answer_number") if identifier else None


@contextmanager
def _changing() -> Iterator[Registry]:
    """Keeps others from changing the tasks folder while the block runs; yields what was changed before.

    Raises:
        UserError: the folder cannot be written, or another process is changing it.
    """
    if not os.access(TASKS_FOLDER, os.W_OK):
        raise UserError(f"{TASKS_FOLDER} cannot be written; run this in a clone of xreason, where tasks/ is yours.")
    handle = os.open(TASKS_FOLDER, os.O_RDONLY)
    try:
        # a lock on the folder itself leaves no file in it, and dies with the process
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(f"Another xreason is changing {TASKS_FOLDER}; wait for it, then give the command again.") from None
    try:
        yield _cleared()
    finally:
        os.close(handle)


def _cleared() -> Registry:
    """Returns the registry, after clearing what a change left that did not end."""
    found = read_registry()
    registry = replace(found, unfinished={})
    use(registry)
    for suite, codes in found.unfinished.items():
        settle(suite, codes)
    if found.unfinished:
        write_registry(registry)
    return registry


def _add(
    old: Registry, new: Registry, suite: str, codes: Sequence[str], questions: Mapping[str, Questions], *, prove: bool
) -> None:
    """Writes all files, and the registry last; whatever goes wrong, everything is as it was."""
    for code in codes:
        _check_free(suite, code)
    write_registry(replace(old, unfinished={suite: tuple(codes)}))
    try:
        use(new)
        (TASKS_FOLDER / suite).mkdir(exist_ok=True)
        for code, rows in questions.items():
            data.write_own_rows(rows, own_path(suite, code))
        settle(suite, codes)
        if prove:
            _prove(suite, codes)
        write_registry(new)
    except BaseException:
        use(old)
        settle(suite, codes)
        write_registry(old)
        raise


def _remove(new: Registry, suite: str, codes: Sequence[str]) -> None:
    write_registry(replace(new, unfinished={suite: tuple(codes)}))
    use(new)
    settle(suite, codes)
    write_registry(new)


def _prove(suite: str, codes: Sequence[str]) -> None:
    """Runs two questions a language through the pocket model, as `xreason score` does.

    Raises:
        UserError: that failed, for whatever reason.
    """
    from xreason.harness import progress
    from xreason.harness.plan import plan_scoring
    from xreason.harness.run import run
    from xreason.harness.scoring.questions import scorings

    progress.say(f"the pocket model answers {PROOF_QUESTIONS} questions as proof (--no-proof leaves that out)")
    with tempfile.TemporaryDirectory(prefix="xreason-proof-") as folder:
        try:
            asked = scorings((suite,), codes, limit=PROOF_QUESTIONS, max_new_tokens=PROOF_TOKENS)
            run(plan_scoring(["pocket"], asked, Path(folder)))
        except Exception as error:  # whatever it was, the person wants to know that nothing was added, and why
            reason = str(error).rstrip(".") or type(error).__name__
            raise UserError(
                f"The pocket model could not answer questions of {suite} in {', '.join(codes)}, so nothing was added: {reason}. "
                "Mend that, or add without proof (--no-proof)."
            ) from error


def _of_suite(suite: str, code: str) -> Questions:
    """Returns the questions of a language that the data folder or the hub has for a suite, checked.

    A published set may ask the same question twice, so that is no fault of it.
    """
    if suite not in data.SOURCES:
        raise UserError(f"{SUITES[suite].title} is made of files; give this language's with --file questions.tsv.")
    try:
        found = data.rows(suite, code)
    except UserError as error:
        raise UserError(f"{error}; or give questions of your own with --file.") from error
    rows = (Row(f"row {number}", row["question"].strip(), row["answer"].strip()) for number, row in enumerate(found, start=1))
    refuse(f"{data.where(suite, code)} in {code}", problems_of(rows, code))
    return found


def _on_hub(old: Registry, new: Registry, suite: str, configs: Mapping[str, str]) -> dict[str, AddedQuestions]:
    """Returns language code to the questions that the data set of a suite to be has in it, counted; reads and checks them."""
    counted = {}
    for code, config in configs.items():
        placed = AddedQuestions(0, config=None if config == code else config)
        use(new.with_questions(suite, code, (code, code), placed))
        try:
            counted[code] = replace(placed, questions=len(_of_suite(suite, code)))
        finally:
            use(old)
    return counted


def _names(language: Language) -> tuple[str, str] | None:
    """Returns a language's names where the table in code lacks it."""
    return None if language.code in languages_with(Registry()) else (language.english, language.native)


def _check_may_change(suite: str) -> None:
    if suite == "pocket":
        raise UserError("The pocket suite is written by tasks/pocket/world.py and stays as it is; name another with --suite.")


def _whole_suite(suite: str) -> str:
    return "" if suite in LANGUAGES_IN_CODE else f"; take the suite out: xreason suite remove {suite}"


def _check_new_suite(name: str) -> None:
    if not SUITE_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a suite; use up to 40 lower-case letters, digits and underscores, a letter first."
        )
    if name in SUITES:
        raise UserError(f"There is a suite {name} already; choose another name, or take it out: xreason suite remove {name}")
    if (TASKS_FOLDER / name).exists() or (TASKS_FOLDER / f"{name}.py").exists():
        raise UserError(f"{TASKS_FOLDER / name} is taken by something else; choose another name.")
    for suite in SUITES.values():
        if name.startswith(f"{suite.name}_") and len(name) <= len(suite.name) + 4:
            raise UserError(f"{name} is how a language of {suite.title} would be called; choose another name.")


def _languages_of_suite(name: str, codes: Sequence[str]) -> dict[str, Language]:
    languages = [cldr.language(code) for code in codes]
    if not languages:
        raise UserError(f"{name} would have no language; name some: --languages am,en with --hub, or --file-for en=questions.tsv.")
    found = {language.code: language for language in languages}
    if len(found) != len(languages):
        raise UserError(f"A language is named twice among {', '.join(codes)}; name each once.")
    return dict(sorted(found.items(), key=lambda item: (item[0] != "en", item[0])))


def _check_free(suite: str, code: str) -> None:
    for path in (TASKS_FOLDER / suite / f"{suite}_{code}.yaml", own_path(suite, code)):
        if path.exists():
            raise UserError(f"{path} is there, but not through this command; move it away first.")
    if f"{suite}_{code}" in SUITES:
        raise UserError(f"The task {suite}_{code} would be called as the suite {suite}_{code} is; take that out first.")


def _added_text(name: str, codes: Sequence[str], *, proven: bool) -> str:
    suite, listed = SUITES[name], ",".join(codes)
    lines = [
        f"{suite.title} has {LANGUAGES[code].english} ({code}, {LANGUAGES[code].native}): "
        f"{suite.questions_in(code):,} questions in {suite.where(code)}"
        for code in codes
    ]
    proof = f"the pocket model answered {PROOF_QUESTIONS} questions a language" if proven else "no model has answered any yet"
    whole = set(codes) == set(suite.languages)
    take_out = f"xreason suite remove {name}" if whole else f"xreason language remove {listed} --suite {name}"
    return "\n".join(
        [
            *lines,
            f"proof         {proof}",
            f"score         xreason score MODEL --suites {name} --languages {listed}{_data_flag(name, codes)}",
            f"stock lm-eval lm_eval --model hf --model_args pretrained=MODEL --include_path {_shown(TASKS_FOLDER)} --tasks "
            + ",".join(suite.task(code) for code in codes),
            f"take it out   {take_out}",
            f"the mean      {_mean_text(name, codes)}",
        ]
    )


def _data_flag(name: str, codes: Sequence[str]) -> str:
    used = [data.local_path(name, code) for code in codes if name in data.SOURCES and not own_path(name, code).exists()]
    return f" --data {os.environ['XREASON_DATA']}" if any(path is not None and path.exists() for path in used) else ""


def _mean_text(name: str, codes: Sequence[str]) -> str:
    suite = SUITES[name]
    averaged = ", ".join(suite.average_languages)
    if not set(codes) & set(suite.average_languages):
        return f"stays as it was, over {averaged}; what was added stands beside it"
    return f"runs over {averaged}; compare it with no mean over others"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
