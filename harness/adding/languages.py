"""Adds languages and suites, and takes them out: what `xreason language` and `xreason suite` do.

Questions enter from a file, a data folder or the hub. They leave in the person's folder as YAML tasks that stock lm-eval runs, with
the questions that came from a file beside them, and a line in its registry (xreason.tasks.added). That is written last, so a
language is there when all of it is; what an interrupted change left is cleared by the next one.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from xreason.harness.adding.order import in_one_order, levels_of
from xreason.harness.adding.question_files import (
    FOUND,
    TOLD,
    Columns,
    Form,
    Questions,
    doubts_of,
    faults_of,
    read_questions,
    refuse,
)
from xreason.tasks import data
from xreason.tasks.added import (
    SUITE_NAME,
    AddedQuestions,
    AddedSuite,
    Level,
    LmEvalTasks,
    Names,
    Registry,
    registries,
    write_registry,
)
from xreason.tasks.cldr.codes import language as cldr_language
from xreason.tasks.errors import MissingSetError, UserError
from xreason.tasks.languages import LANGUAGES, Language, languages_with
from xreason.tasks.lmeval.patterns import PREFIX
from xreason.tasks.names import unknown
from xreason.tasks.suites import CHANGES, SUITES, TASKS_FOLDER, Suite, files, settle, suite_of, suites_with, use

#: The proof: so many questions a language, each answered with so many new tokens at most.
PROOF_QUESTIONS, PROOF_TOKENS = 2, 32


def add_language(code: str, suite: str, file: Path | None, columns: Columns, form: Form = FOUND, *, prove: bool) -> str:
    """Adds a language (its ISO 639-1 or -3 code) to a suite; returns what to do next, in lines.

    The questions come from the file; without one, from where the suite's own are, the data folder or the hub. To `prove`, the
    pocket model answers two of them before the language is kept.

    Raises:
        UserError: the language, the suite or the questions are not fit, the suite has the language, or the proof failed.
    """
    language = cldr_language(code)
    with _changing() as registry:
        chosen = _changeable(suite)
        if language.code in chosen.languages:
            has = f"{chosen.title} has {language.english} ({language.code}) already, in {chosen.where(language.code)}"
            raise UserError(f"{has}; take it out first: xreason language remove {language.code} --suite {suite}")
        said = registry.suites.get(suite)
        if chosen.weights and said is None and language.code not in registry.removed.get(suite, ()):
            why = f"{chosen.title}'s questions weigh by their level, as published"
            raise UserError(f"{why}, and yours have none of these; add a suite of your own: xreason suite add.")
        read = _read_for(chosen, language.code, file, columns, form, said.levels if said else {}) if file else None
        own = read.rows if read else {}
        if not own and language.code in registry.removed.get(suite, ()):
            added = registry.with_restored(suite, language.code)
        else:
            counted = AddedQuestions(len(own[language.code] if own else _of_suite(suite, language.code, form)), file=bool(own))
            added = registry.with_questions(suite, language.code, _names(language), counted)
        return _add(registry, added, suite, (language.code,), own, read, prove=prove)


def _read_for(suite: Suite, code: str, file: Path, columns: Columns, form: Form, levels: Mapping[str, Level]) -> Questions:
    """Returns the questions of a file for a suite that is there: of its kind, in its order, and of its levels if it has some."""
    if columns.level and not levels:
        raise UserError(f"{suite.title} has no levels; leave --level-column out.")
    read = read_questions({code: file}, columns, replace(form, kind=suite.kind), levels=bool(levels))
    there: dict[str, list[data.Row]] = {}
    if suite.by_id:
        with suppress(MissingSetError):
            there = {each: suite.rows(each) for each in suite.languages[:1]}
    ordered = in_one_order(read.rows, there)
    if levels:
        levels_of({**there, **ordered}, None)
    return replace(read, rows=ordered)


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
    form: Form = FOUND,
    weights: Mapping[str, int] | None = None,
    *,
    prove: bool,
) -> str:
    """Adds a suite, each language (by its code) from a file or from a config of its hub data set; returns and proves as above.

    `weights` are those of the levels that questions are of, {} where each level weighs the same; None where every question does.

    Raises:
        UserError: the name is taken or no name, a language or some questions are not fit, or the proof failed.
    """
    with _changing() as registry:
        languages = _languages_of_new_suite(name, [*files, *configs])
        if configs and said.hub is None:
            raise UserError("--languages are of a set on the hub; name it with --hub, or give files with --file-for en=FILE.")
        asked = sorted(languages, key=lambda each: (languages[each].code != "en", languages[each].code))
        codes, levels = [languages[each].code for each in asked], columns.level is not None or weights is not None
        paths = {languages[each].code: files[each] for each in asked if each in files}
        read = read_questions(paths, columns, form, levels=levels) if paths else None
        kind = read.kind if read else form.kind or ("choice" if columns.choices else "number")
        added = replace(registry, suites={**registry.suites, name: replace(said, kind=kind)})
        for each in asked:
            code, config = languages[each].code, configs.get(each)
            # how many there are is known below, once the tables know where those of the hub are
            counted = AddedQuestions(1, file=code in paths, config=None if config == code else config)
            added = added.with_questions(name, code, _names(languages[each]), counted)
        _use(added)
        try:
            there = {code: _of_suite(name, code, form) for code in codes if code not in paths}
        finally:
            _use(registry)
        own = in_one_order(read.rows, there) if read else {}
        rows = {**there, **own}
        told = levels_of({code: rows[code] for code in codes}, weights) if levels else {}
        for code, before in added.questions[name].items():
            added = added.with_questions(name, code, None, replace(before, questions=len(rows[code])))
        added = replace(added, suites={**added.suites, name: replace(said, kind=kind, levels=told)})
        return _add(registry, added, name, codes, own, read, prove=prove)


def add_lm_eval_suite(name: str, pattern: str, title: str, source: str) -> str:
    """Keeps tasks of lm-eval under a name; returns what to do next, in lines. Every question is read, and no model asked.

    Raises:
        UserError: the name is taken or no name, the pattern names no task, or some questions cannot be had.
    """
    with _changing() as registry:
        _check_suite_name(name)
        asked = pattern.removeprefix(PREFIX)
        suite = suite_of(PREFIX + asked)
        tasks = LmEvalTasks(asked, suite.version, {code: len(suite.rows(code)) for code in suite.languages})
        said = AddedSuite(title or name, source or f"{asked} of lm-eval", suite.max_new_tokens, None, lm_eval=tasks)
        added = replace(registry, suites={**registry.suites, name: said})
        _use(added)
        write_registry(added)
    told = os.environ.get("XREASON_TASKS")
    own = f" --tasks {told}" if told else ""
    counted = "".join(f"{said.title} has {code}: {count:,} questions\n" for code, count in tasks.questions.items())
    return f"{counted}score         xreason score MODEL --suites {name}{own}\ntake it out   xreason suite remove {name}{own}"


def remove_suite(name: str) -> str:
    """Takes an added suite out, with every file that adding it wrote; returns what was done, in words.

    Raises:
        UserError: there is no such suite, or it is none that was added.
    """
    with _changing() as registry:
        chosen = suite_of(name)
        if name not in registry.suites:
            if chosen.likelihood and (asked := name.removesuffix("_loglikelihood")) in registry.suites:
                raise UserError(f"{chosen.title} are the questions of {asked}, and goes with it: xreason suite remove {asked}")
            raise UserError(f"{chosen.title} comes with xreason and stays; leave it out of a run with --suites.")
        _remove(registry.without_suite(name))
    return f"{chosen.title} is out; scores of it stay in the run store."


@contextmanager
def _changing() -> Iterator[Registry]:
    """Keeps others from changing the person's folder while the block runs; yields its registry, rid of what was left unfinished.

    The folder is made where there is none, and does not stay where nothing is in it.
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
        *others, found = registries(folder)
        use(*others, found.changing(()))
        if found.unfinished:  # what a change left that did not end
            settle(folder / name for name in found.unfinished)
            write_registry(CHANGES[-1])
        yield CHANGES[-1]
    finally:
        if not was_empty and not any(folder.iterdir()):
            folder.rmdir()
        os.close(handle)


def _use(new: Registry) -> set[Path]:
    """Puts a registry in the place of the person's; returns the files that this changes."""
    before = files()
    use(*CHANGES[:-1], new)
    after = files()
    return {path for path, _ in before.items() ^ after.items()}


def _add(
    old: Registry,
    new: Registry,
    suite: str,
    codes: Sequence[str],
    questions: Mapping[str, list[data.Row]],
    read: Questions | None,
    *,
    prove: bool,
) -> str:
    """Writes all files, and the registry last; whatever goes wrong, everything is as it was. Returns what to do next, in lines."""
    before = files()
    changed = _use(new)
    refused = [f"{path} is there, but not through this command; move it away" for path in changed - before.keys() if path.exists()]
    clashing = {f"{suite}_{code}" for code in codes} & SUITES.keys()
    refused += [f"The task {name} would be called as the suite {name} is; take that out" for name in clashing]
    if refused:
        _use(old)
        raise UserError(f"{refused[0]} first.")
    try:
        write_registry(old.changing(changed))
        for code, rows in questions.items():
            data.write_own_rows(rows, new.own_path(suite, code))
        settle(changed)
        if prove:
            _prove(suite, codes)
        write_registry(new)
    except BaseException:
        _use(old)
        settle(changed)
        write_registry(old)
        raise
    return _added_text(suite, codes, read, proven=prove)


def _remove(new: Registry) -> None:
    changed = _use(new)
    write_registry(new.changing(changed))
    settle(changed)
    write_registry(new)


def _prove(suite: str, codes: Sequence[str]) -> None:
    """Runs two questions a language through the pocket model, as `xreason score` does."""
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
            said = f"The pocket model could not answer questions of {suite} in {', '.join(codes)}, so nothing was added"
            reason = str(error).rstrip(".") or type(error).__name__
            raise UserError(f"{said}: {reason}. Mend that, or add without proof (--no-proof).") from error


def _of_suite(suite: str, code: str, form: Form) -> list[data.Row]:
    """Returns a suite's questions from the data folder or the hub, checked."""
    if suite not in data.SOURCES:
        raise UserError(f"{SUITES[suite].title} is made of files; give this language's with --file questions.tsv.")
    try:
        found = data.rows(suite, code)
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; or give questions of your own with --file.") from error
    kind, rows = data.SOURCES[suite].kind, [(f"row {number}", row) for number, row in enumerate(found, start=1)]
    problems = [(place, problem) for place, row in rows for problem in faults_of(row, kind)]
    problems += () if problems or form.as_published else doubts_of(rows, code, kind)
    refuse(f"{data.where(suite, code)} in {code}", [f"{place}: {problem}" for place, problem in problems])
    return found


def _names(language: Language) -> Names | None:
    """Returns a language's names where the table in code lacks it."""
    return None if language.code in languages_with() else Names(language.english, language.native)


def _changeable(name: str) -> Suite:
    if name == "pocket":
        raise UserError("The pocket suite is written by tasks/pocket/world.py and stays as it is; name another with --suite.")
    return suite_of(name)


def _languages_of_new_suite(name: str, codes: Sequence[str]) -> dict[str, Language]:
    """Returns each by the code that was asked for, where both the suite's name and they will do."""
    _check_suite_name(name)
    languages = {code: cldr_language(code) for code in codes}
    if not languages:
        raise UserError(f"{name} would have no language; name some: --languages am,en with --hub, or --file-for en=questions.tsv.")
    if len({language.code for language in languages.values()}) != len(codes):
        raise UserError(f"A language is named twice among {', '.join(codes)}; name each once.")
    return languages


def _check_suite_name(name: str) -> None:
    if not SUITE_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a suite; use at most 40 lower-case letters, digits and _, a letter first.")
    if name in SUITES or f"{name}_loglikelihood" in SUITES:
        raise UserError(f"There is a suite {name} already; choose another name, or take it out: xreason suite remove {name}")
    for folder in (TASKS_FOLDER, CHANGES[-1].folder):
        if (folder / name).exists() or (folder / f"{name}.py").exists():
            raise UserError(f"{folder / name} is taken by something else; choose another name.")
    for suite in SUITES.values():
        if name.startswith(f"{suite.name}_") and len(name) <= len(suite.name) + 4:
            raise UserError(f"{name} is how a language of {suite.title} would be called; choose another name.")


def _added_text(name: str, codes: Sequence[str], read: Questions | None, *, proven: bool) -> str:
    suite, listed, registry, told = SUITES[name], ",".join(codes), CHANGES[-1], os.environ.get("XREASON_TASKS")
    own, averaged, tasks = registry.questions.get(name, {}), ", ".join(suite.average_languages), f" --tasks {told}" if told else ""
    used = [data.local_path(name, code) for code in codes if name in data.SOURCES and not (code in own and own[code].file)]
    folder = f" --data {os.environ['XREASON_DATA']}" if any(path and path.exists() for path in used) else ""
    # a language that was put back is a task of the box
    here = all((registry.folder / name / f"{suite.task(code)}.yaml").exists() for code in codes)
    include = registry.folder if here else TASKS_FOLDER
    include = include.relative_to(Path.cwd()) if include.is_relative_to(Path.cwd()) else include
    whole = f"suite remove {name}" if set(codes) == set(suite.languages) else f"language remove {listed} --suite {name}"
    mean = f"stays as it was, over {averaged}; what was added stands beside it"
    if set(codes) & set(suite.average_languages):
        mean = f"runs over {averaged}; compare it with no mean over others"
    lines = ""
    for code in codes:
        language = f"{LANGUAGES[code].english} ({code}, {LANGUAGES[code].native})"
        lines += f"{suite.title} has {language}: {suite.questions_in(code):,} questions in {suite.where(code)}\n"
    if read:
        lines += f"read as       {read.read_as}\n"
    if read and read.doubts:
        more = f"; and {len(read.doubts) - TOLD:,} more" if len(read.doubts) > TOLD else ""
        lines += (
            f"kept          {len(read.doubts):,} doubtful: {'; '.join(each.rstrip('.') for each in read.doubts[:TOLD])}{more}\n"
        )
    likely = (
        f"likelihoods   xreason score MODEL --suites {name}_loglikelihood{tasks}\n" if f"{name}_loglikelihood" in SUITES else ""
    )
    proof = f"the pocket model answered {PROOF_QUESTIONS} questions a language" if proven else "no model has answered any yet"
    return (
        f"{lines}proof         {proof}\n"
        f"score         xreason score MODEL --suites {name} --languages {listed}{tasks}{folder}\n"
        f"{likely}stock lm-eval lm_eval --model hf --model_args pretrained=MODEL --include_path {include} "
        f"--tasks {','.join(suite.task(code) for code in codes)}\n"
        f"take it out   xreason {whole}{tasks}\n"
        f"the mean      {mean}"
    )
