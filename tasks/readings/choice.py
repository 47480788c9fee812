r"""Letters of a choice: what SLAM's own script counts (arXiv 2501.03681), and what a careful reader does.

>>> paper_choice("The answer is (B). It is not (C).")
'B'
>>> choice_reading("Jibu ni (B) kitabu.", "sw", ["gari", "kitabu", "nyumba"])
'B'
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from xreason.tasks.readings.phrases import (
    ALL_PHRASES,
    DOUBTS,
    OPTION_LETTERS,
    OPTIONS,
    Wording,
    alternatives,
    conjunctions,
    lower,
    wording,
)

#: The letters of a question's options, in their order.
LETTERS = "ABCDEFGHIJ"

_PAPER = re.compile(r"The answer is \((.)\)\.")
_TRIES = 8  # phrases that are tried, from the last backwards
_WINDOW = 240  # characters behind a phrase in which its letter must be
_READ = 40_000  # characters at the end of a response that are read at all
_LONGEST = 4000  # those that are read where no phrase declares an answer

_CLAUSE = 48  # characters around an option in which a word denies it

# full-width, circled, bracketed and mathematical letters are Latin ones; what has no width, or only turns text around, is nothing
_WIDE = str.maketrans(
    {chr(0xFF01 + place): chr(0x21 + place) for place in range(94)}
    | {chr(start + place): letter for start in (0x24B6, 0x24D0, 0x1F130, 0x1F150, 0x1F170) for place, letter in enumerate(LETTERS)}
    | {chr(start + place): f"({letter})" for start in (0x249C, 0x1F110) for place, letter in enumerate(LETTERS)}
    | {chr(each): unicodedata.normalize("NFKC", chr(each)) for each in range(0x1D400, 0x1D6A4)}
    | {chr(each): "" for first, last in ((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F)) for each in range(first, last + 1)}
    | {"\ufeff": "", "\u00ad": ""}
)
_BOX = re.compile(r"\\f?box(?:ed)?\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_SETTING = re.compile(r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|bb|it|sf|cal)|emph|bf|rm|it)\b\s*|[{}$*_`\\]")
_SENTENCE_END = re.compile(
    r"(?<![^\W\d_])[.](?=\s|\Z)|(?<=[^\W\d_]{2})[.](?=\s|\Z)|(?<=\))[.](?=\s|\Z)|[!?](?=\s|\Z)|[。！？।۔؟]|\n"
)
_OPENING = re.compile(r"[\s\"'“”„«»「」『』‘’:：,،–—-]*")
_CLOSING = r"[)\].:;,،、。।۔!?\"'”»」』…]"
# no letter of a Latin word, or of a grade
_LETTER = r"(?<![A-Za-zÀ-ɏḀ-ỿ\d'’-])[A-J](?![A-Za-zÀ-ɏḀ-ỿ\d+'’-])"
_NAMED = re.compile(_LETTER)
_ENDING = re.compile(r"\s[(\[]?[A-J][)\]]?\s*(?:[.。।!]|\n|\Z)")
_ARTICLE = re.compile(
    r"(?:the|an?|der|die|das|den|eine?|el|la|los|las|una?|le|les|une|il|lo|gli|het|de|een|os?|as|uma?)\s+(?=\S)|l['’](?=\S)"
)
#: Words of one letter, of which a sentence may begin: articles, "and", "I".
_WORDS = frozenset("AEI")
#: A word behind one of these as behind an article or "and", which "is" is not.
_AS_A_WORD = re.compile(r"\s(?!(?:is|was|seems|fits)\b)[^\W\d_A-Z]")
#: Cyrillic letters that look like Latin ones, and those whose place or sound is that of others.
_CYRILLIC = {"А": "A", "В": "BC", "С": "C", "Е": "E", "Б": "B", "Г": "D", "Д": "DE"}
_ALIF = re.compile(r"(?<!\w)الف(?!\w)")
_ONE = re.compile(r"([(\[]\s*)?([^\W\d_])ـ?(\s*[)\]])?")  # with the tail of an Arabic letter that stands alone
_BEFORE_TEXT = re.compile(rf"{_CLOSING}*[\s\"'“«「『(:–—-]*")
_BRACKET = re.compile(r"[\s\"'”»」』]*[(\[]")
_CLAUSE_END = re.compile(r"[,،、，;；]")
_AHEAD_END = re.compile(r"[,،、，;；!?。！？।۔؟\n]|[.]\s")
#: What a letter behind it is the name of, and no option.
_NAMES = re.compile(
    r"(?:vitamin\w*|витамин\w*|grade|plan|type|hepatitis|class|key of|\d\s*°?"
    r"|维生素|維生素|ビタミン|비타민|فيتامين|विटामिन|وٹامن)\s*\Z"
)
_SECOND_THOUGHT = re.compile(r"\b(?:wait|actually|correction|scratch that|on second thought|my mistake)\b")
#: Where in a text something begins and ends, and the letters that it may stand for.
_Span = tuple[int, int, set[str]]
_DENIED = "-"  # what stands for an answer of which is said only what it is not


def paper_choice(text: str) -> str | None:
    r"""Returns what the first "The answer is (B)." of `text` holds, any one character, or None where there is none.

    Source: fmm170/SLAM, evaluate_xcsqa-wyl/eval2statistic.py (6236809), which counts no phrase and any other letter as wrong.
    """
    said = _PAPER.search(text)
    return said[1] if said else None


def choice_reading(text: str, language: str, choices: Sequence[str]) -> str | None:
    r"""Returns the letter of the option that a careful reader takes for the answer of `text`, or None where there is none.

    Where it stands. The last `\boxed{}` with a letter or an option's text in it decides; without one, the last phrase such as "The
    answer is (B)", "Answer: B", "Jibu ni B", "option B is the answer" (phrases.py; English ones count in every language) with one
    behind it, or before it in its sentence; without one, the last sentence that has one, but for a list of the options.

    What it is. A letter, with or without brackets, asterisks or a point; else an option's own text. Full-width and circled letters
    count, and in their languages letters of other scripts that lists are lettered with: "(ب)", "(ख)", "イ"; a Cyrillic letter is
    the Latin one that it looks like, unless the text of another option stands behind it. A denied or supposed letter is none, in
    any of the languages of X-CSQA: "not A but B", "B is wrong", "if the answer is A".

    The last 40,000 characters are read.

    Ambiguous is no answer: two letters ("A or B"), a letter with another option's text, a text that two options share, a letter
    that no option has, an answer that is taken back ("The answer is A. Wait, it is B."). A text within another option's text is not
    said by saying that. "A" and "E" before a word are no letters where a sentence begins with them, and neither is "vitamin C".

    Args:
        text: the response, any string.
        language: the language that it was asked in, by any code that CLDR knows.
        choices: the options' own texts in the order of their letters, at most ten.

    Raises:
        ValueError: CLDR knows no language of that code, or there are more than ten options.
    """
    if len(choices) > len(LETTERS):
        raise ValueError(f"There are {len(choices)} options; at most {len(LETTERS)} have letters.")
    reader = _Reader(_words(language), tuple(_even(choice) for choice in choices))
    text = text[-_READ:].translate(_WIDE)
    if reader.words.alif:
        text = _ALIF.sub("ا", text)
    for found in reader.answers(text):
        return min(found) if len(found) == 1 and found <= set(LETTERS[: len(choices)]) else None
    return None


@dataclass(frozen=True)
class _Words:
    said: Wording
    letters: dict[str, str]  # letters of its script to the Latin ones that each may stand for
    joined: re.Pattern[str]  # what joins two letters that are both meant
    either: re.Pattern[str]  # what makes an answer one of two
    names: re.Pattern[str]  # what may stand before a letter: "option B", "la B"
    bare: bool  # whether an answer follows its noun with nothing between them
    wrong: re.Pattern[str]  # what denies an option before it
    wrong_behind: re.Pattern[str]  # or behind it
    unsaid: re.Pattern[str]  # what stands before "answer" where none is said: "the wrong", "if the"
    article: bool  # whether "A" is an article
    alif: bool  # whether the first letter is called by its name


@cache
def _words(language: str) -> _Words:
    joining = conjunctions(language)
    code = language.replace("_", "-").partition("-")[0].lower()
    own = ALL_PHRASES.get(code, ALL_PHRASES["en"])
    nouns = {each: OPTIONS.get(each, ()) for each in ("en", code)}
    phrases = {"en": ALL_PHRASES["en"], code: own}
    phrases = {each: replace(said, nouns=(*said.nouns, *nouns[each])) for each, said in phrases.items()}
    letters = _CYRILLIC if code == "ru" else dict(zip(OPTION_LETTERS.get(code, ""), LETTERS, strict=False))
    if code in ("ar", "ur"):
        letters |= {"ا": "A", "أ": "A", "ه": "E", "ہ": "E"}
    doubts = (DOUBTS["en"], DOUBTS.get(code, DOUBTS["en"]))
    wrong, behind = [{*(word for each in doubts for word in each.wrong)}, {*doubts[1].wrong_behind}]
    before = wrong | {word for each in doubts for word in each.supposed}
    apart = rf"(?<!\w)(?:{_any(before)})(?!\w)"
    return _Words(
        wording(code, phrases),
        letters,
        re.compile(rf"\s*(?:[,،、/&+;]|{alternatives(joining)})\s*", re.IGNORECASE),
        re.compile(rf"[\s({',、' if own.dense else ''}]*(?:{alternatives(joining)})\s*(?:[^\W\d_]{{2,}}\s+)?", re.IGNORECASE),
        re.compile(rf"(?:(?:{alternatives((*nouns[code], *nouns['en']))}|l[ae]|el|de|die|il)\s*)?", re.IGNORECASE),
        own.bare or own.dense,
        re.compile("|".join([apart, *(before if own.dense else ())])),
        re.compile("|".join([rf"(?<!\w)(?:{_any(wrong | behind)})(?!\w)", *(wrong | behind if own.dense else ())])),
        re.compile(
            "|".join([rf"{apart}(?:\W+[^\W\d_]+){{0,2}}\W*\Z", *([rf"(?:{_any(before)})\w{{0,4}}\Z"] if own.dense else ())])
        ),
        article=code in ("en", "pt"),
        alif=code == "ur",
    )


def _any(patterns: Iterable[str]) -> str:
    return "|".join(sorted(patterns))


def _even(choice: str) -> str:
    """Returns the text of an option as it is looked for: without its article and its point."""
    text = re.sub(r"\s+", " ", choice.translate(_WIDE)).strip(" .。।").casefold()
    article = _ARTICLE.match(text)
    return text[article.end() :] if article else text


@dataclass(frozen=True)
class _Reader:
    """Reads letters of the options of one question; what it finds are sets of letters, of which an answer has one."""

    words: _Words
    choices: tuple[str, ...]

    def answers(self, text: str) -> Iterator[set[str]]:
        """Yields what may be the answer, the strongest kind first, of each kind the last first."""
        for box in reversed(_BOX.findall(text)):
            if found := self.stated(_SETTING.sub("", box), declared=True):
                yield found
        text = _SETTING.sub("", text)
        yield from self.declared(text)
        yield from self.undeclared(text[-_LONGEST:])

    def declared(self, text: str) -> Iterator[set[str]]:
        said = self.words.said
        lowered = lower(text)
        for start, end in said.last_nouns(lowered, _TRIES):
            if self.words.unsaid.search(_AHEAD_END.split(lowered[max(0, start - _CLAUSE) : start])[-1]):
                continue
            link = said.link.match(lowered, end)
            if self.words.bare and (found := self.stated(text[end : end + _WINDOW], declared=True, bare=True)):
                yield found
            elif link:
                statement = text[link.end() : link.end() + _WINDOW]
                # in "Jibu si B bali ni C", what is denied stands before the verb
                denial = said.denial.search(link["verb"] or "")
                denied = denial is not None and not _NAMED.search(text[link.start() + denial.end() : link.end()])
                found = self.stated(statement, declared=link["heading"] is None, denied=denied)
                if found or (link["heading"] is None and (found := self.mentioned(_first_sentence(statement)))):
                    yield found if not self.taken_back(found, text[link.end() : link.end() + _WINDOW]) else {_DENIED}
            elif _ENDING.match(text, end) and (found := self.stated(text[end : end + _WINDOW], declared=True)):
                yield found
            # "B is the answer"
            behind = _CLAUSE_END.split(_first_sentence(lowered[end : end + _CLAUSE]))[0]
            ahead = _last_sentence(text[max(0, start - _WINDOW) : start])
            if not self.words.wrong_behind.search(behind) and ahead not in _WORDS and (found := self.mentioned(ahead)):
                yield found

    def taken_back(self, found: set[str], text: str) -> bool:
        """Returns whether a response, from an answer on, has a second thought and another answer."""
        thought = _SECOND_THOUGHT.search(text.lower())
        behind = _SENTENCE_END.split(text[thought.end() :]) if thought else []
        return any(self.mentioned(each) - found for each in behind if each)

    def stated(self, statement: str, *, declared: bool, denied: bool = False, bare: bool = False) -> set[str]:
        """Returns the letters that stand at the head of a statement, or the option whose text does; none where neither does."""
        head = _OPENING.match(statement)
        start = head.end() if head else 0
        if denial := self.words.said.denial.match(statement.lower(), start):
            denied, start = True, denial.end() + 1
        found, end = self.letter(statement, start, declared=declared)
        if not found:
            found, end = self.option(statement, start)
            if found and (bracket := _BRACKET.match(statement, end)):  # "library (B)"
                found = found | self.letter(statement, bracket.end() - 1, declared=True)[0]
        if not found:
            return set()
        behind = _CLAUSE_END.split(_first_sentence(statement[end : end + _CLAUSE]).lower())[0]
        denial = self.words.wrong_behind.search(behind)
        if denied or (denial and (bare or denial.start() <= 3)):
            return self.mentioned(_first_sentence(statement[end:])) or {_DENIED}
        for joining in (self.words.joined, self.words.either):
            joined = joining.match(statement, end)
            if joined and joined.end() > end and not self.words.wrong.search(joined[0].lower()):
                more, _ = self.letter(statement, joined.end(), declared=True)
                more = more or self.option(statement, joined.end())[0]
                if not self.words.said.denial.match(statement.lower(), joined.end()):
                    found = found | more
        return found

    def letter(self, text: str, start: int, *, declared: bool) -> tuple[set[str], int]:
        """Returns the letter at a place of `text`, and where it ends; several where another option's text is behind it."""
        named = self.words.names.match(text, start)
        start = named.end() if named else start
        match = _ONE.match(text, start)
        if not match:
            return set(), start
        bracket, letter, closed = match[1], match[2], match[3]
        behind = text[match.end() : match.end() + 1]
        marked = bool(closed) or not behind or bool(re.match(_CLOSING + r"|\n", behind))
        if not closed and behind.isalnum() and (behind.isascii() or not letter.isascii()):
            return set(), start
        meant = self.words.letters.get(letter, "") if letter not in LETTERS else letter
        text_behind, end = self.option(text, match.end())
        if letter.upper() in LETTERS and not letter.isupper():
            meant = letter.upper() if marked and (bracket or closed or behind != ",") else ""
        elif letter not in LETTERS and not marked and not (self.words.said.dense and re.match("です|だ", text[match.end() :])):
            meant = ""
        if not meant:
            return set(), start
        if letter == "A" and self.words.article and text_behind and not declared and re.match(r"\s+\w", text[match.end() :]):
            return set(), start
        if text_behind:
            return (text_behind, end) if text_behind <= set(meant) else (text_behind | {meant[0]}, end)
        if letter in _WORDS and not marked and not declared and _AS_A_WORD.match(text, match.end()):
            joined = self.words.joined.match(text, match.end())
            if not (joined and _NAMED.match(text, joined.end())):
                return set(), start
        if letter == "Д":
            return set(meant), match.end()
        return {meant[0]}, match.end()

    def option(self, text: str, start: int) -> tuple[set[str], int]:
        """Returns the letters of the options whose text stands at a place of `text`, and where the longest ends."""
        head = _BEFORE_TEXT.match(text, start)
        begin = head.end() if head else start
        article = _ARTICLE.match(text[begin : begin + _WINDOW].lower())
        begin += article.end() if article else 0
        behind = text[begin : begin + _WINDOW].casefold()
        fitting = [choice for choice in self.choices if choice and self.fits(behind, choice)]
        if not fitting:
            return set(), start
        longest = max(fitting, key=len)
        return {letter for letter, choice in zip(LETTERS, self.choices, strict=False) if choice == longest}, begin + len(longest)

    def fits(self, text: str, choice: str) -> bool:
        after = text[len(choice) : len(choice) + 1]
        return text.startswith(choice) and (self.words.said.dense or not after.isalnum())

    def mentioned(self, sentence: str) -> set[str]:
        """Returns the letters that a sentence mentions and does not deny; without one, the options whose texts it mentions."""
        spans: list[_Span] = []
        for match in re.finditer(rf"{_LETTER}|[(\[][^\W\d_]\s*[)\]]", sentence):
            if spans and match.start() < spans[-1][1]:
                continue
            head = sentence[: match.start()].rstrip(" \"'“«(")[-1:] in (*":–—-", "")
            found, end = self.letter(sentence, match.start(), declared=not head)
            if found and match[0][0] in "([":
                found = found | self.text_before(sentence[: match.start()])
            if found and not _NAMES.search(sentence[max(0, match.start() - 16) : match.start()].lower()):
                spans.append((match.start(), max(end, match.end()), found))
        return self.undenied(sentence, spans or self.texts(sentence))

    def texts(self, sentence: str) -> list[_Span]:
        """Returns where a sentence has the options' texts, none within another, and whose they are."""
        folded, spans = sentence.casefold(), list[_Span]()
        for choice in sorted({each for each in self.choices if each}, key=len, reverse=True):
            place = folded.find(choice)
            while place >= 0:
                end = place + len(choice)
                apart = self.words.said.dense or not folded[max(0, place - 1) : place].isalnum()
                if apart and self.fits(folded[place : end + 1], choice) and not any(place < to and end > at for at, to, _ in spans):
                    whose = {letter for letter, each in zip(LETTERS, self.choices, strict=False) if each == choice}
                    spans.append((place, end, whose))
                place = folded.find(choice, end)
        return sorted(spans, key=lambda span: span[0])

    def text_before(self, text: str) -> set[str]:
        """Returns the letters of the option whose text a text ends with."""
        text = text.casefold().rstrip(" \"'”»」』")
        ended = [span for span in self.texts(text[-_WINDOW:]) if span[1] == len(text[-_WINDOW:])]
        return ended[-1][2] if ended else set()

    def undenied(self, sentence: str, spans: Sequence[_Span]) -> set[str]:
        """Returns what stands at the spans of a sentence that are not denied; of several that are joined, none is where one is."""
        left: set[str] = set()
        group: set[str] = set()
        denied = False
        for place, (start, end, found) in enumerate(spans):
            last = spans[place - 1][1] if place else 0
            until = spans[place + 1][0] if place + 1 < len(spans) else len(sentence)
            before, behind = sentence[max(last, start - _CLAUSE) : start].lower(), sentence[end : min(until, end + _CLAUSE)].lower()
            if not (place and self.words.joined.fullmatch(before)):
                left |= group if not denied else set()
                group, denied = set(), False
            group = group | found
            denied |= bool(
                self.words.wrong.search(_CLAUSE_END.split(before)[-1])
                or self.words.wrong_behind.search(_CLAUSE_END.split(behind)[0])
            )
        return left | (group if not denied else set())

    def undeclared(self, text: str) -> Iterator[set[str]]:
        """Yields what a response says that declares no answer: its first line, where it is a letter, else its last sentence."""
        listed = list(re.finditer(r"(?:^|(?<=[\s;]))[(\[]?([A-J])[)\].:]\s?", text, re.MULTILINE))
        if len({match[1] for match in listed}) >= 3:
            # one that stands before its turn is none of the list
            last = next((at for at, match in enumerate(listed) if at and match[1] <= listed[at - 1][1]), len(listed))
            text = text[listed[last - 1].end() :]
            text = text if last < len(listed) else text[text.find("\n") :] if "\n" in text else ""
        text = text.strip()
        if not text:
            return
        line = text.partition("\n")[0]
        head = _OPENING.match(line)
        begin = head.end() if head else 0
        found, end = self.letter(line, begin, declared=False)
        if not found:
            found, end = self.option(line, begin)
        if found and not line[end:].strip(" .。।)]:\"'”’»」"):
            yield found
        sentences = [each for each in _SENTENCE_END.split(text) if each and each.strip()]
        if sentences and (found := self.mentioned(sentences[-1].strip())):
            yield found


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _last_sentence(text: str) -> str:
    return _SENTENCE_END.split(text)[-1].strip()
