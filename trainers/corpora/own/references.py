"""How a corpus of one's own is named, and which columns of its rows are text.

    file:my.jsonl                                  columns found by their names
    file:texts/*.jsonl                             one language a file, told by the end of its name: train.sw.jsonl, sw.jsonl
    file:my.csv#question=problem#answer=solution   columns named
    file:my.jsonl#language=sw                      a column, or the code of them all
    hub:openai/gsm8k#config=main#split=train

A row is one of three forms:

    question, answer       an instruction, which is put into the frame of its stage, and what answers it
    messages               a chat, [{"role": "user", "content": ...}, ...]: the same, with what was said before in the frame, too;
                           the last message is the answer
    prompt, response       what the model sees, as it is: nothing is put around it or between

With a column `rejected`, a row is a pair to prefer between, as TRL has it; what is chosen is called so, or as an answer is:

    question, chosen, rejected     two answers to one instruction
    prompt, chosen, rejected       as they are; or three chats, of which the last two go on with the first
    chosen, rejected               two chats that differ in their last message alone
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from xreason.tasks.errors import UserError
from xreason.tasks.languages import LANGUAGES
from xreason.tasks.names import unknown
from xreason.tasks.prompts import alpaca
from xreason.trainers.corpora.examples import Example, reasoning
from xreason.trainers.stages import Frame

#: The columns of each form, by the names that are looked for in turn.
_QUESTIONS = ("question", "instruction", "query", "problem")
_ANSWERS = ("answer", "response", "output", "solution", "rationale", "completion")
_CHATS = ("messages", "conversations")
_LANGUAGES = ("language", "lang")
_CHOSEN, _REJECTED = "chosen", "rejected"
#: What a reference may say besides its place.
_COLUMNS = ("question", "answer", "prompt", "response", "messages", "language", _CHOSEN, _REJECTED)
_OPTIONS = {"file": _COLUMNS, "hub": (*_COLUMNS, "config", "split")}
#: Who speaks in a chat, by the names of OpenAI's and of ShareGPT's form.
_ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}


@dataclass(frozen=True)
class Reference:
    """What a reference says."""

    kind: Literal["file", "hub"]
    place: str  #: a path, or a pattern of paths; or the id of a data set
    options: Mapping[str, str]  #: columns, and of the hub `config` and `split`

    @property
    def short(self) -> str:
        """How people are told of it: without the folders of a path."""
        return f"{self.kind}:{Path(self.place).name if self.kind == 'file' else self.place}"


def is_reference(name: str) -> bool:
    """Returns whether a corpus is named by its place: file:PATH or hub:OWNER/NAME."""
    return name.startswith(("file:", "hub:"))


def read_reference(text: str) -> Reference:
    """Returns what a reference says.

    Raises:
        UserError: it names no place, or an option that there is not.
    """
    kind, _, rest = text.partition(":")
    place, *pairs = rest.split("#")
    options = dict(pair.partition("=")[::2] for pair in pairs)
    if not place or (kind == "hub" and not all(place.partition("/")[::2])):
        raise UserError(f"The corpus {text!r} names no place; give such as file:my.jsonl, or hub:OWNER/NAME.")
    for name, value in options.items():
        if name not in _OPTIONS[kind]:
            raise unknown(f"option of {kind}:", name, _OPTIONS[kind])
        if not value:
            raise UserError(f"#{name} in {text!r} says nothing; give such as #{name}=NAME, or leave it out.")
    return Reference("file" if kind == "file" else "hub", place, options)


def anchored(name: str, folder: Path) -> str:
    """Returns the name of a corpus with its path made absolute, which is relative to `folder`; any other as it is."""
    if not name.startswith("file:"):
        return name
    path, *options = name.removeprefix("file:").split("#")
    return "#".join([f"file:{folder.absolute() / Path(path).expanduser()}" if path else name, *options])


def without_places(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a stage says, as JSON has it, but for where its own corpora lie: files may move, what is in them is hashed."""
    said, names = dict(stage), stage["corpora"]
    plain = {name: f"own {place}" if is_reference(name) else name for place, name in enumerate(names)}
    said["corpora"] = (
        {plain[each]: names[each] for each in names} if isinstance(names, Mapping) else [plain[each] for each in names]
    )
    if isinstance(held_out := said.get("held_out"), str):
        said["held_out"] = held_out.partition(":")[0]
    return said


class Read(NamedTuple):
    """What a row says, without a frame."""

    asked: str
    answer: str
    language: str  #: its code; "" for none
    rejected: str | None = None  #: what shall be written less readily than `answer`; None where the row is no pair


@dataclass(frozen=True)
class Form:
    """Which columns of a row are what."""

    kind: Literal["question", "messages", "prompt"]
    asked: str  #: column of the question, the chat, or the prompt; "" where two chats begin with it
    answered: str  #: column of what answers it; of a chat that is no pair, none
    language: str | None  #: column of the language, or None
    code: str  #: language of every row where no column tells it; "" for none
    rejected: str | None = None  #: of pairs, column of the response that is not chosen

    def words(self) -> str:
        """Returns in words what its rows are."""
        kinds = {"question": "questions and answers", "messages": "chats", "prompt": "prompts and responses, as they are"}
        return f"{kinds[self.kind]}{', each chosen over a rejected one' if self.rejected else ''}"

    def read(self, row: Any) -> Read:
        """Returns what a row says.

        Raises:
            ValueError: it is not of this form; the text says what it has or lacks.
        """
        if not isinstance(row, Mapping):
            raise ValueError("is no object with columns")
        code = self.code if self.language is None else language_code(row.get(self.language))
        if self.kind == "messages":
            return self._chats(row, code)
        columns = [self.asked, self.answered, *([self.rejected] if self.rejected else [])]
        texts = [row.get(column) for column in columns]
        texts = [texts[0], *(str(text) if type(text) is int else text for text in texts[1:])]
        for place, (column, text) in enumerate(zip(columns, texts, strict=True)):
            if not isinstance(text, str) or not (text.strip() or (self.kind == "prompt" and place == 0)):
                raise ValueError(f"has no text in {column}")
        asked, answer, *rest = map(str, texts)
        if self.asked == "instruction" and isinstance(row.get("input"), str) and row["input"]:
            asked = f"{asked}\n\n{row['input']}"  # Alpaca's third column
        return Read(asked, answer, code, *rest)

    def _chats(self, row: Mapping[str, Any], code: str) -> Read:
        if self.rejected is None:
            return Read(*_chat(row.get(self.asked), self.asked), code)
        told: dict[str, Any] = {each: row.get(each) for each in (self.asked, self.answered, self.rejected) if each}
        for column, chat in told.items():
            if not isinstance(chat, list):
                raise ValueError(f"has no chat in {column}")
        begun = told.get(self.asked, [])
        (asked, chosen), (other, rejected) = (_chat([*begun, *told[each]], each) for each in (self.answered, self.rejected))
        if asked != other:
            raise ValueError(f"has chats in {self.answered} and {self.rejected} that differ before their last message")
        return Read(asked, chosen, code, rejected)


def example_of(kind: str, read: Read, frame: Frame) -> Example:
    """Returns what a stage trains on, made of a row of that kind."""
    if read.rejected is not None:
        chosen, other = (
            example_of(kind, read._replace(answer=each, rejected=None), frame) for each in (read.answer, read.rejected)
        )
        return replace(chosen, rejected=other.response)
    asked, answer, code, _ = read
    if kind == "prompt":
        return Example(asked, answer, code)
    return Example(alpaca(asked), answer, code) if frame == "alpaca" else reasoning(code, asked, answer, frame)


def form_of(reference: Reference, columns: Sequence[str], where: str, code: str = "", first: Mapping[str, Any] = {}) -> Form:
    """Returns the form of rows with these columns; `code` is the language that a file's name tells, `first` one of the rows.

    Raises:
        UserError: a column is not there, or none has a known name; or two texts to prefer between have nothing that they answer.
    """
    named = reference.options
    for option, name in named.items():
        if option not in ("config", "split", "language") and name not in columns:
            raise UserError(f"{where} has no column {name!r}; it has {', '.join(columns)}: name one of them with #{option}=.")
    language = named.get("language")
    if language is not None and language not in columns:
        code, language = language_code(language, f"{where} has no column {language!r}, and that is no language either"), None
    elif language is None:
        language = next((name for name in _LANGUAGES if name in columns), None)

    def found(option: str, names: Iterable[str]) -> str | None:
        return named.get(option) or next((name for name in names if name in columns), None)

    rejected, chosen = found(_REJECTED, (_REJECTED,)), named.get(_CHOSEN)
    answers = (_CHOSEN, *_ANSWERS) if rejected else _ANSWERS
    forms: tuple[tuple[Literal["prompt", "messages", "question"], str | None, str | None], ...] = (
        ("prompt", found("prompt", ("prompt",)), chosen or named.get("answer") or found("response", ("response", *answers))),
        ("messages", found("messages", _CHATS), ""),
        ("question", found("question", _QUESTIONS), chosen or named.get("response") or found("answer", answers)),
    )
    if rejected and isinstance(first.get(rejected), list):
        ends = chosen or found("answer", answers)
        begun = next((name for _, name, _ in forms if name and isinstance(first.get(name), list)), "")
        if ends:
            return Form("messages", begun, ends, language, code, rejected)
    # a form of which a column is named goes before those that are found
    for kind, asked, answered in sorted(forms, key=lambda form: form[0] not in named):
        if asked is not None and answered is not None and not (rejected and kind == "messages"):
            return Form(kind, asked, answered, language, code, rejected)
    if rejected:
        said = f"{where} has texts in {rejected}, and nothing tells what they answer"
        raise UserError(f"{said}; give columns prompt, chosen and rejected, or question in the place of prompt.")
    wanted = "question and answer, messages, or prompt and response"
    raise UserError(f"{where} has no columns called {wanted}, but {', '.join(columns)}; name them: #question=...#answer=....")


@cache
def language_code(said: Any, otherwise: str = "") -> str:
    """Returns the code of a language that a row says, by its code or English name; "" where it says none.

    Raises:
        ValueError: it is no language; a UserError that begins with `otherwise` where that is given.
    """
    if said is None or said == "":
        return ""
    text = str(said).strip()
    if text.lower() in LANGUAGES:
        return text.lower()
    if named := next(
        (code for code, each in LANGUAGES.items() if text.lower() in (each.english.lower(), each.native.lower())), None
    ):
        return named
    from xreason.tasks.cldr.codes import language

    try:
        return language(text).code
    except UserError as error:
        if otherwise:
            raise UserError(f"{otherwise}; give a column, or a code such as sw.") from error
        raise ValueError(f"names the language {text[:20]!r}, which is none; give its code, such as sw") from error


def _chat(messages: Any, column: str) -> tuple[str, str]:
    """Returns what a chat asks, all that was said before its last message, and that."""
    turns = []
    for each in messages if isinstance(messages, Sequence) and not isinstance(messages, str) else ():
        told = each if isinstance(each, Mapping) else {}
        role, text = told.get("role", told.get("from")), told.get("content", told.get("value"))
        if role not in _ROLES or not isinstance(text, str) or not text.strip():
            raise ValueError(f"has a message in {column} without role and content")
        turns.append((_ROLES[role], text))
    roles = [role for role, _ in turns]
    system = [turns.pop(0)[1]] if roles[:1] == ["system"] else []
    talk = [role for role, _ in turns]
    if not turns or talk != ["user", "assistant"] * (len(turns) // 2):
        raise ValueError(f"has no chat in {column} in which user and assistant take turns, and the assistant the last")
    # the frame goes on as it began
    marks = {"user": "\n\n### Instruction:\n", "assistant": "\n\n### Response:"}
    before = "".join(f"{marks[role] if place else ''}{text}" for place, (role, text) in enumerate(turns[:-1]))
    return "\n\n".join([*system, before]), turns[-1][1]
