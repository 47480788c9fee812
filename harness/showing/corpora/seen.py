"""Rows of a corpus as a model sees them: token by token, what bears loss told from what does not, and special tokens in sight."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from xreason.tasks.errors import UserError
from xreason.trainers.checkpoints.base import resolve_model, resolve_outline
from xreason.trainers.corpora.examples import Corpus, Example
from xreason.trainers.corpora.tokens import encode
from xreason.trainers.stages import Frame, LossOn

#: Two shades in turn, so that it is seen where a token ends; without colours loss stands between marks.
_LOSS, _NO_LOSS, _SPECIAL = ("bold green", "bold green underline"), ("dim", "dim underline"), "reverse"
_MARKS = ("⟦", "⟧")
_LOOKED_AT = 10_000  # rows in which languages are looked for
_NOT_WHOLE = "\ufffd"


def rows_seen(corpus: Corpus, model: str, *, rows: int, frame: Frame, max_length: int, loss_on: LossOn) -> list[dict[str, Any]]:
    """Returns the first rows of each language: `language`, `cut_off`, and its `tokens`: ids, text, and whether loss and special.

    Tokens that make no letter alone are told together. Of a pair they are those of what is chosen; `rejected` are the other's.

    Raises:
        UserError: the model has no tokenizer.
    """
    tokenizer = _tokenizer(model)
    chosen = _first(corpus.examples, rows)
    special = set(tokenizer.all_special_ids)
    seen = []
    for example in chosen:
        sides = [example, *([] if example.rejected is None else [replace(example, response=example.rejected)])]
        encoded = encode(sides, tokenizer, max_length, "right", loss_on)
        tokens, *rejected = (
            list(_pieces(tokenizer, [int(each) for each in row.ids], row.start if row.learns else len(row.ids), special))
            for row, _ in encoded
        )
        told = {"language": example.language, "cut_off": any(cut for _, cut in encoded), "tokens": tokens}
        seen.append(told | ({"rejected": rejected[0]} if rejected else {}))
    return seen


def _tokenizer(model: str) -> Any:
    folder = resolve_outline(model)[0] if Path(model).is_dir() or model == "pocket" else resolve_model(model)
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each kind fails in its own ways
        raise UserError(f"{model} has no tokenizer that can be read ({type(error).__name__}); name a model that has.") from error


def _first(examples: Sequence[Example], rows: int) -> list[Example]:
    chosen: dict[str, list[Example]] = {}
    for place in range(min(len(examples), _LOOKED_AT)):
        example = examples[place]
        if len(chosen.setdefault(example.language, [])) < rows:
            chosen[example.language].append(example)
    return [example for some in chosen.values() for example in some]


def _pieces(tokenizer: Any, ids: Sequence[int], start: int, special: set[int]) -> Iterator[dict[str, Any]]:
    """Yields tokens with what they add to the text; a few together where a letter is of several."""
    begun, told = 0, ""
    for place, each in enumerate(ids):
        if each in special:
            yield {"ids": [each], "text": tokenizer.convert_ids_to_tokens(each), "loss": place >= start, "special": True}
            begun, told = place + 1, ""
            continue
        # what it adds to those before it, for some tokenizers write a space only between two
        text = tokenizer.decode(ids[max(begun - 4, 0) : place + 1], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        before = tokenizer.decode(ids[max(begun - 4, 0) : begun], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if text.endswith(_NOT_WHOLE) and place + 1 < len(ids) and ids[place + 1] not in special:
            continue
        told = text.removeprefix(before)
        yield {"ids": list(ids[begun : place + 1]), "text": told, "loss": place >= start, "special": False}
        begun = place + 1


def rows_drawn(corpus: Corpus, seen: Sequence[dict[str, Any]], model: str, *, console: Console | None = None) -> Group:
    """Returns rows for a terminal: by colours, or, where it has none, with marks around what bears loss."""
    coloured = (console or Console()).color_system is not None
    drawn: list[Text] = []
    for number, row in enumerate(seen, start=1):
        sides = {"chosen": row["tokens"], "rejected": row["rejected"]} if "rejected" in row else {"": row["tokens"]}
        for side, tokens in sides.items():
            loss, total = (sum(len(each["ids"]) for each in tokens if each["loss"] or of_all) for of_all in (False, True))
            about = ", ".join(filter(None, (f"row {number}", row["language"], side)))
            heading = f"{about}: {total:,} tokens, {loss:,} bear loss{', cut off' if row['cut_off'] else ''}"
            drawn += [Text(heading, style="bold"), _drawn(tokens, coloured), Text()]
    how = "green bears loss, grey does not, underlines tell tokens apart, special ones are inverted"
    marks = f"what stands between {_MARKS[0]} and {_MARKS[1]} bears loss, special tokens stand between ‹ and ›"
    title = f"{corpus.name} ({corpus.description}; {corpus.rows:,} rows of {corpus.where}), as {model} sees it; "
    return Group(Text(title + (how if coloured else marks)), Text(), *drawn)


def _drawn(tokens: Sequence[dict[str, Any]], coloured: bool) -> Text:
    text, within = Text(), False
    for place, each in enumerate(tokens):
        if not coloured and each["loss"] != within:
            text.append(_MARKS[within])
            within = each["loss"]
        style = f"{(_LOSS if each['loss'] else _NO_LOSS)[place % 2]}{' ' + _SPECIAL if each['special'] else ''}"
        shown = f"‹{each['text']}›" if each["special"] and not coloured else each["text"].replace("\n", "↵\n")
        text.append(shown, style=style if coloured else "")
    if within:
        text.append(_MARKS[1])
    return text
