"""Adds languages and suites, and takes them out: what `xreason language` and `xreason suite` do.

Questions enter from a file, a data folder or the hub. They leave as YAML tasks that stock lm-eval runs, beside them the questions
that came from a file, and a line in the registry, all in the person's folder (xreason.tasks.added):

    xreason_tasks/added.json, mgsm/mgsm_it.yaml, mgsm/mgsm_it.jsonl, mgsm/_mgsm_template, _papers_template

The registry is written last, so a language is there when all of it is. What an interrupted change left is cleared by the next one.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from xreason.harness.adding import cldr
from xreason.harness.adding.question_files import Columns, Row, problems_of, read_questions, refuse
from xreason.tasks import data
from xreason.tasks.added import SUITE_NAME, AddedQuestions, AddedSuite, Hub, Names, Registry, registries, write_registry
from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES, Language, languages_with
from xreason.tasks.names import unknown
from xreason.tasks.suites import CHANGES, SUITES, TASKS_FOLDER, Suite, files, settle, suite_of, suites_with, use

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
        chosen = _changeable(suite)
        if language.code in chosen.languages:
            raise UserError(
                f"{chosen.title} has {language.english} ({language.code}) already, in {chosen.where(language.code)}; take it out "
                f"first: xreason language remove {language.code} --suite {suite}"
            )
        own = {} if file is None else {language.code: read_questions(file, language.code, columns)}
        if not own and language.code in registry.removed.get(suite, ()):
            added = registry.with_restored(suite, language.code)
        else:
            counted = AddedQuestions(len(own[language.code] if own else _of_suite(suite, language.code)), file=bool(own))
            added = registry.with_questions(suite, language.code, _names(language), counted)
        return _add(registry, added, suite, (language.code,), own, prove=prove)


def remove_language(code: str, suite: str) -> str:
    """Takes a language out of a suite, with every file that adding it wrote; returns what was done, in words.

    Raises:
        UserError: the suite has no such language, or no other.
    """
    with _changing() as registry:
        chosen = _changeable(suite)
        if code not in chosen.languages:
            raise unknown(f"language in {chosen.title}", code, chosen.languages)
        if chosen.languages == (code,):
            whole = f"; take the suite out: xreason suite remove {suite}" if suite in registry.suites else ""
            raise UserError(f"{chosen.title} has no other language{whole}.")
        english = LANGUAGES[code].english
        left = registry.without(suite, code)
        if code in suites_with(*CHANGES[:-1], left)[suite].languages:
            left = left.with_removed(suite, code)
        _remove(left)
    back = f" xreason language add {code} --suite {suite} puts it back." if code in left.removed.get(suite, ()) else ""
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
        return _add(registry, added, name, tuple(languages), questions, prove=prove)


def remove_suite(name: str) -> str:
    """Takes an added suite out, with every file that adding it wrote; returns what was done, in words.

    Raises:
        UserError: there is no such suite, or it is none that was added.
    """
    with _changing() as registry:
        chosen = suite_of(name)
        if name not in registry.suites:
            raise UserError(f"{chosen.title} comes with xreason and stays; leave it out of a run with --suites.")
        _remove(registry.without_suite(name))
    return f"{chosen.title} is out; scores of it stay in the run store."


def hub(identifier: str | None, columns: Columns) -> Hub | None:
    """Returns the hub's data set of a suite to be; its columns have MGSM's names on the hub where none are given."""
    return Hub(identifier, columns.question or "question", columns.answer or "answer_number") if identifier else None


@contextmanager
def _changing() -> Iterator[Registry]:
    """Keeps others from changing the person's folder while the block runs; yields what was changed before.

    The folder is made where there is none, and does not stay where nothing is in it.

    Raises:
        UserError: the folder cannot be written, or another process is changing it.
    """
    folder = CHANGES[-1].folder
    was_empty = folder.is_dir() and not any(folder.iterdir())
    try:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another with --tasks or XREASON_TASKS.") from error
    try:
        # a lock on the folder itself leaves no file in it, and dies with the process
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), folder.stat()):
            raise FileNotFoundError
    except (BlockingIOError, FileNotFoundError):
        os.close(handle)
        raise UserError(f"Another xreason is changing {folder}; wait for it, then give the command again.") from None
    try:
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder} cannot be written; name a folder of yours with --tasks or XREASON_TASKS.")
        yield _cleared(folder)
    finally:
        if not was_empty and not any(folder.iterdir()):
            folder.rmdir()
        os.close(handle)


def _cleared(folder: Path) -> Registry:
    """Returns the folder's registry, after clearing what a change left that did not end."""
    *others, found = registries(folder)
    registry = replace(found, unfinished=())
    use(*others, registry)
    settle(folder / name for name in found.unfinished)
    if found.unfinished:
        write_registry(registry)
    return registry


def _use(new: Registry) -> set[Path]:
    """Puts a registry in the place of the person's; returns the files that this changes."""
    before = files()
    use(*CHANGES[:-1], new)
    after = files()
    return {path for path in before | after if path not in before or path not in after or before[path] != after[path]}


def _unfinished(registry: Registry, paths: Iterable[Path]) -> Registry:
    return replace(registry, unfinished=tuple(sorted(path.relative_to(registry.folder).as_posix() for path in paths)))


def _add(old: Registry, new: Registry, suite: str, codes: Sequence[str], questions: Mapping[str, Questions], *, prove: bool) -> str:
    """Writes all files, and the registry last; whatever goes wrong, everything is as it was. Returns what to do next, in lines."""
    before = files()
    changed = _use(new)
    try:
        for path in changed - before.keys():
            if path.exists():
                raise UserError(f"{path} is there, but not through this command; move it away first.")
        for taken in {f"{suite}_{code}" for code in codes} & SUITES.keys():
            raise UserError(f"The task {taken} would be called as the suite {taken} is; take that out first.")
    except UserError:
        _use(old)
        raise
    try:
        write_registry(_unfinished(old, changed))
        for code, rows in questions.items():
            path = new.own_path(suite, code)
            path.parent.mkdir(exist_ok=True)
            data.write_own_rows(rows, path)
        settle(changed)
        if prove:
            _prove(suite, codes)
        write_registry(new)
    except BaseException:
        _use(old)
        settle(changed)
        write_registry(old)
        raise
    return _added_text(suite, codes, proven=prove)


def _remove(new: Registry) -> None:
    changed = _use(new)
    write_registry(_unfinished(new, changed))
    settle(changed)
    write_registry(new)


def _prove(suite: str, codes: Sequence[str]) -> None:
    """Runs two questions a language through the pocket model, as `xreason score` does.

    Raises:
        UserError: that failed, for whatever reason.
    """
    from xreason.harness import progress
    from xreason.harness.scoring import results
    from xreason.harness.scoring.score import score_models

    progress.say(f"the pocket model answers {PROOF_QUESTIONS} questions as proof (--no-proof leaves that out)")
    asked = results.Questions((suite,), tuple(codes), PROOF_QUESTIONS, PROOF_TOKENS)
    with tempfile.TemporaryDirectory(prefix="xreason-proof-") as folder:
        try:
            score_models(["pocket"], asked, Path(folder))
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
        _use(new.with_questions(suite, code, Names(code, code), placed))
        try:
            counted[code] = replace(placed, questions=len(_of_suite(suite, code)))
        finally:
            _use(old)
    return counted


def _names(language: Language) -> Names | None:
    """Returns a language's names where the table in code lacks it."""
    return None if language.code in languages_with() else Names(language.english, language.native)


def _changeable(name: str) -> Suite:
    if name == "pocket":
        raise UserError("The pocket suite is written by tasks/pocket/world.py and stays as it is; name another with --suite.")
    return suite_of(name)


def _check_new_suite(name: str) -> None:
    if not SUITE_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a suite; use up to 40 lower-case letters, digits and underscores, a letter first."
        )
    if name in SUITES:
        raise UserError(f"There is a suite {name} already; choose another name, or take it out: xreason suite remove {name}")
    for folder in (TASKS_FOLDER, CHANGES[-1].folder):
        if (folder / name).exists() or (folder / f"{name}.py").exists():
            raise UserError(f"{folder / name} is taken by something else; choose another name.")
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
            f"score         xreason score MODEL --suites {name} --languages {listed}{_folders(name, codes)}",
            f"stock lm-eval lm_eval --model hf --model_args pretrained=MODEL --include_path {_include_path(name, codes)} --tasks "
            + ",".join(suite.task(code) for code in codes),
            f"take it out   {take_out}",
            f"the mean      {_mean_text(name, codes)}",
        ]
    )


def _folders(name: str, codes: Sequence[str]) -> str:
    """Returns the flags for the folders that the environment names now, as far as the languages are in them."""
    own, told = CHANGES[-1].questions.get(name, {}), os.environ.get("XREASON_TASKS")
    asked = [code for code in codes if name in data.SOURCES and not (code in own and own[code].file)]
    used = [path for path in (data.local_path(name, code) for code in asked) if path is not None and path.exists()]
    return (f" --tasks {told}" if told else "") + (f" --data {os.environ['XREASON_DATA']}" if used else "")


def _mean_text(name: str, codes: Sequence[str]) -> str:
    suite = SUITES[name]
    averaged = ", ".join(suite.average_languages)
    if not set(codes) & set(suite.average_languages):
        return f"stays as it was, over {averaged}; what was added stands beside it"
    return f"runs over {averaged}; compare it with no mean over others"


def _include_path(name: str, codes: Sequence[str]) -> Path:
    # a language that was put back is a task of the box
    here = all((CHANGES[-1].folder / name / f"{name}_{code}.yaml").exists() for code in codes)
    path = CHANGES[-1].folder if here else TASKS_FOLDER
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
