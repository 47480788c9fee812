"""The experiment: the YAML, or the flags, that say all of a comparison.

    name: sw-first
    base: meta-math/MetaMath-7B-V1.0
    suites: [mgsm, msvamp]
    languages: [en, sw, zh]
    seeds: [0, 1]

Methods:
      slam: {layers: 6}
      slam-wide: {method: slam, layers: 10}
      full:

A method is a name with its settings (those of xreason.trainers.stages.Stage, and what the method itself takes); under another name,
`method` says which it is. `base` in its settings is a base of its own: two-stage as published starts from the plain model, and SLAM
from one that reasons.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xreason.harness.scoring.questions import Asking, Scalar
from xreason.harness.serving.arguments import Dtype, checked
from xreason.leaderboards.records import Reading
from xreason.leaderboards.rows import ENGLISH_MARGIN, MeanOver
from xreason.tasks.cldr.codes import chosen
from xreason.tasks.errors import UserError
from xreason.tasks.names import unknown
from xreason.tasks.prompts import DEFAULT_STYLE
from xreason.tasks.suites import languages_of, suite_of
from xreason.trainers.combining.declared import Combined
from xreason.trainers.corpora.own.references import anchored
from xreason.trainers.methods import PAPER_METHODS, load_row
from xreason.trainers.stages import Method

EXPERIMENTS_FOLDER = Path(__file__).parent / "experiments"

#: Names that a row of the board, and a folder of the run store, may have.
NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
BASE_ROW = "base"

#: Bounds of a file that a person may have: bytes, and nodes with its aliases written out.
_LARGEST, _MOST_NODES = 2**20, 100_000
_ENDLESS = -1
#: Keys whose flag has another name.
_FLAGS = {
    "base": "--model",
    "system": "--system-instruction",
    "chat_args": "--chat-arg",
    **dict.fromkeys(("top_p", "top_k", "min_p"), "--gen-kwargs"),
}

Positive = Annotated[int, Field(gt=0)]


class Experiment(BaseModel):
    """A comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=rf"\A{NAME}\z")  #: of its folder in the run store
    #: what the methods start from that name no base of their own: a model folder, a hub id, or "pocket".
    base: str = Field(min_length=1)
    #: row name to the method's settings; `method` in them names the method where the row has another name.
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    suites: tuple[str, ...] = Field(default=("mgsm", "msvamp"), min_length=1)  #: what is scored
    languages: tuple[str, ...] | None = None  #: codes scored in each suite, as far as it has them; all for None
    #: codes trained on; for None those of the suites' averages that `languages` leaves.
    train_languages: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)  #: every method is trained once a seed
    source: Literal["papers", "pocket"] = "papers"  #: where training text comes from: the papers' sets, or the pocket world
    #: folder with local copies of the sets, or None; XREASON_DATA where it is not said.
    data: Path | None = Field(default_factory=lambda: os.environ.get("XREASON_DATA") or None, validate_default=True)
    limit: int | None = Field(default=None, gt=0)  #: only the first so many questions a language
    #: longest response, in tokens, of all suites or of those it names; each suite's own for None.
    max_new_tokens: Positive | dict[str, Positive] | None = None
    dtype: Dtype = "auto"  #: what vLLM serves in
    engine: dict[str, Any] = {}  #: arguments of vLLM by their names: tensor_parallel_size, quantization, ...
    fresh_engines: bool = False  #: starts an engine for every model, in place of one whose weights are swapped
    prompt: str = DEFAULT_STYLE  #: name of the prompt style that questions are put in
    shots: int = Field(default=0, ge=0)  #: worked examples before every question
    worked_examples: Literal["drawn", "first"] = "drawn"  #: which: drawn anew for every question, or the first ones for all
    samples: int = Field(default=1, gt=0)  #: responses to every question
    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)  #: of sampling; 0 is greedy
    top_p: float | None = None  #: bounds of sampling, as in vLLM
    top_k: int | None = None
    min_p: float | None = None
    system: str | None = None  #: system instruction, before every question
    chat_args: dict[str, Scalar] = {}  #: what the chat template is told: {enable_thinking: false}
    think_end: str | None = None  #: what ends thinking, such as "</think>"
    thinking_tokens: Positive | None = None  #: after which thinking is ended; None for as many as a response may have
    reading: Reading = "paper"  #: what the board ranks by
    mean: MeanOver = "all"  #: whether English is in the mean that ranks and gains are of
    #: how many points English may lose or gain over the base and be the same for all that matters
    english_margin: float = Field(default=ENGLISH_MARGIN, ge=0, allow_inf_nan=False)
    #: what whoever reads its boards must know and the numbers do not tell, a sentence each; stands on them.
    cautions: tuple[str, ...] = ()
    #: minutes between step checkpoints of a training, from which it goes on where it is interrupted; 0 writes none.
    save_minutes: float = Field(default=15, ge=0, allow_inf_nan=False)

    @field_validator("methods", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str | Sequence):
            value = dict.fromkeys((value,) if isinstance(value, str) else value)
        return (
            {str(row): {} if settings is None else settings for row, settings in value.items()}
            if isinstance(value, Mapping)
            else value
        )

    @field_validator("engine", "chat_args", mode="before")
    @classmethod
    def _of_none(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("suites", "languages", "train_languages", "seeds", "cautions", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | int) else value

    @field_validator(
        "seeds",
        "limit",
        "max_new_tokens",
        "thinking_tokens",
        "shots",
        "samples",
        "temperature",
        "english_margin",
        "save_minutes",
        mode="before",
    )
    @classmethod
    def _no_truth_values(cls, value: Any) -> Any:
        several = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else (value,)
        if any(isinstance(each, bool) for each in several):
            raise ValueError("a truth value is no number")
        return value

    @field_validator("seeds", "suites")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value))

    def asking(self) -> Asking:
        """Returns how questions are put; a UserError where its settings do not go together."""
        return Asking(style=self.prompt, **{name: getattr(self, name) for name in Asking.model_fields if name != "style"})

    def method(self, row: str) -> Method | Combined:
        """Returns the method of one row, its settings applied; or what takes other rows."""
        return _method(row, self.methods[row])

    def languages_trained(self) -> tuple[str, ...]:
        """Returns the codes that the corpora are asked for."""
        if self.train_languages is not None:
            return chosen(self.train_languages)
        scored = [code for name in self.suites for code in languages_of(suite_of(name), self.languages, self.suites)]
        average = {code for name in self.suites for code in suite_of(name).average_languages}
        return tuple(code for code in dict.fromkeys(scored) if code in average)


def _method(row: str, settings: Mapping[str, Any]) -> Method | Combined:
    if row == BASE_ROW or not re.fullmatch(NAME, row):
        letters = "letters, digits, '.', '_', '+' and '-'"
        raise UserError(f"A method cannot be called {row!r}: give it a name of {letters}, and not {BASE_ROW!r}.")
    rest = {key: value for key, value in settings.items() if key != "method"}
    return load_row(str(settings.get("method", row)), rest)


def experiment_file(reference: str) -> Path:
    """Returns the file that `reference` names: a path, or the name of an experiment in the box ("pocket").

    Raises:
        UserError: there is no such file.
    """
    path = Path(reference).expanduser()
    in_the_box = EXPERIMENTS_FOLDER / f"{reference}.yaml"
    if path.is_file():
        return path
    if in_the_box.is_file() and in_the_box.parent == EXPERIMENTS_FOLDER:
        return in_the_box
    names = ", ".join(sorted(each.stem for each in EXPERIMENTS_FOLDER.glob("*.yaml")))
    raise UserError(f"There is no experiment file {reference}; give the path of a YAML file, or one in the box: {names}.")


def read_experiment(path: Path, overrides: Mapping[str, Any], methods: Sequence[str] | None = None) -> Experiment:
    """Returns the experiment of a YAML file, with some keys overridden, and of its rows only some: those keep its settings.

    Raises:
        UserError: the file is no YAML mapping, or a key, type or value is wrong; names the key and its line.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(
                f"{path} is larger than an experiment can be ({_LARGEST >> 20} MiB); name the YAML file of a comparison."
            )
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if _written_out(node, {}) > _MOST_NODES:
            raise UserError(f"{path} says more than an experiment can, its aliases written out; write what is meant without them.")
        values = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give another file.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise UserError(f"{path}{place}: not YAML ({problem}); mend that line.") from error
    except RecursionError as error:
        raise UserError(
            f"{path} is nested too deeply; an experiment is keys and values, see harness/experiments for some."
        ) from error
    except ValueError as error:
        raise UserError(f"{path} holds a value that YAML cannot read ({error}); put it in quotes, or write it anew.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is no mapping of keys to values; begin with a line such as `name: my-comparison`.")
    values = {"name": path.stem, **values}
    # a path in a file is relative to that file
    if isinstance(values.get("data"), str):
        values["data"] = str(path.parent / Path(values["data"]).expanduser())
    values |= {"methods": _anchored(values["methods"], path.parent)} if "methods" in values else {}
    for each in ("engine", "chat_args"):
        if each in overrides and isinstance(in_file := values.get(each), dict):
            overrides = {**overrides, each: in_file | overrides[each]}
    if methods is not None:
        in_file = values.get("methods")
        settings = in_file if isinstance(in_file, dict) else {}
        overrides = {**overrides, "methods": {name: settings.get(name) for name in methods}}
    return _validated({**values, **overrides}, lambda keys: f"{path}, line {_line(node, keys)}" if keys[0] not in overrides else "")


def _anchored(said: Any, folder: Path, key: str = "") -> Any:
    """Returns what is said of methods, the paths of their own corpora made absolute: also of those that a mix has for keys."""
    if isinstance(said, Mapping):
        names = [anchored(name, folder) if key == "corpora" and isinstance(name, str) else name for name in said]
        return {name: _anchored(said[each], folder, str(each)) for name, each in zip(names, said, strict=True)}
    if isinstance(said, list):
        return [_anchored(each, folder, key) for each in said]
    return anchored(said, folder) if isinstance(said, str) and key in ("corpora", "held_out") else said


def _written_out(node: Any, known: dict[int, int]) -> int:
    """Returns how many nodes a YAML node is, aliases written out; counts each once, so that a small file cannot take long.

    Raises:
        RecursionError: a node is within itself.
        yaml.YAMLError: a mapping has a key twice, the second of which YAML would take.
    """
    if id(node) not in known:
        known[id(node)] = _ENDLESS
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
        for index, key in enumerate(keys):
            if key in keys[:index] and key != "<<":
                mark = next(each.start_mark for each, _ in reversed(pairs) if each.value == key)
                raise yaml.MarkedYAMLError(problem=f"the key {key[:40]!r} is there twice", problem_mark=mark)
        inner = node.value if isinstance(node, yaml.SequenceNode) else [each for pair in pairs for each in pair]
        known[id(node)] = 1 + sum(_written_out(each, known) for each in inner)
    if known[id(node)] == _ENDLESS:
        raise RecursionError
    return known[id(node)]


def experiment_of_flags(values: Mapping[str, Any]) -> Experiment:
    """Returns the experiment that flags alone say; the papers' methods, suites and data where they are silent.

    Raises:
        UserError: a value is wrong; names the flag.
    """
    return _validated({"methods": list(PAPER_METHODS), **values}, lambda keys: "")


def _validated(values: Mapping[str, Any], file_place: Callable[[Sequence[Any]], str]) -> Experiment:
    def place(keys: Sequence[Any]) -> str:
        return file_place(keys) or _FLAGS.get(keys[0]) or f"--{str(keys[0]).replace('_', '-')}"

    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [key for key in first["loc"] if key != "[key]"] or [""]
        raise UserError(f"{place(keys)}: {'.'.join(map(str, keys))}: {_remedy(first, keys)}.") from error
    for keys, check in _checks(experiment):
        try:
            check()
        except UserError as error:
            raise UserError(f"{place(keys)}: {error}") from error
    return experiment


def _checks(experiment: Experiment) -> Iterator[tuple[list[Any], Callable[[], object]]]:
    """Yields what is checked against the registries: the keys it stands under, and a call that raises UserError."""
    about = [name for name in Experiment.model_fields if name in Asking.model_fields and name in experiment.model_fields_set]
    yield about[-1:] or ["prompt"], experiment.asking
    for name in experiment.max_new_tokens if isinstance(experiment.max_new_tokens, dict) else ():
        yield ["max_new_tokens", name], partial(suite_of, name)
    for name in experiment.engine:
        yield ["engine", name], partial(checked, {name: experiment.engine[name]})
    for index, name in enumerate(experiment.suites):
        yield ["suites", index], partial(suite_of, name)
        yield ["languages"], lambda name=name: languages_of(suite_of(name), experiment.languages, experiment.suites)  # type: ignore[misc]
    for row, settings in experiment.methods.items():
        for key in () if _stands(experiment, row) else sorted(settings, key=lambda key: key != "objective"):
            # one setting at a time, so that the line is the setting's own; what goes with which objective is told beside it
            alone = {name: settings[name] for name in ("method", "objective", key) if name in settings}
            yield ["methods", row, key], partial(_method, row, alone)
        yield ["methods", row], partial(experiment.method, row)


def _stands(experiment: Experiment, row: str) -> bool:
    """Returns whether a row's settings go together: some can be only beside others."""
    with suppress(UserError):
        return bool(experiment.method(row))
    return False


def _remedy(error: Any, keys: Sequence[Any]) -> str:
    if error["type"] == "extra_forbidden":
        return str(unknown("key", str(keys[-1]), Experiment.model_fields)).rstrip(".")
    if error["type"] == "missing":
        return "this key is missing; add it"
    message = str(error["msg"])
    return message[0].lower() + message[1:]


def _line(node: Any, keys: Sequence[Any]) -> int:
    """Returns the line (from 1) of the deepest of `keys` that the YAML has."""
    line = node.start_mark.line + 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == str(key)), None)
            if found is None:
                return int(line)
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return int(line)
