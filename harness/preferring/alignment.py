"""MAPO's alignment score: how well a translation model gets from a response to the English responses to the same question.

The model reads the response and is made to write each English one; 1 / the mean cross entropy of its tokens is the score of the
two, and the mean over the English ones that of the response. By NJUNLP/MAPO at commit 2c4227ab, Preprocess/PPL_batched.py, but: its
mean runs over the padding of a batch of English responses too, here over their tokens; and it names Japanese `jpn_Hani`, which
NLLB does not know, here it is `jpn_Jpan`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from xreason.harness.preferring.judging import Question
from xreason.tasks.errors import UserError
from xreason.trainers.corpora.alignment import align, number_signature
from xreason.trainers.corpora.examples import bare

#: NLLB's codes (arXiv 2207.04672, table 1) of the languages that MAPO trains, and of Telugu.
NLLB_CODES: Mapping[str, str] = {
    **{"en": "eng_Latn", "sw": "swh_Latn", "zh": "zho_Hans", "bn": "ben_Beng", "de": "deu_Latn", "es": "spa_Latn"},
    **{"fr": "fra_Latn", "ja": "jpn_Jpan", "ru": "rus_Cyrl", "th": "tha_Thai", "te": "tel_Telu"},
}
_LONGEST = 512  # tokens; of what is longer the end is not read
_CALCULATOR = re.compile(r"<<.*?>>")

#: Scores of pairs of a language's text and an English one, the language's code first.
Scorer = Callable[[str, Sequence[tuple[str, str]]], list[float]]


def aligned(questions: Sequence[Question], scorer: Scorer, progress: Callable[[int, int], None] | None = None) -> list[Question]:
    """Returns the questions in other languages than English whose English samples are here, their samples scored.

    Which questions are the same is told by `Example.problem`, else by their numbers, as far as these single them out.
    """
    english = [each for each in questions if each.row.language == "en"]
    by_language = defaultdict(list)
    for each in questions:
        if each.row.language != "en":
            by_language[each.row.language].append(each)
    found = [(own, other) for each in by_language.values() for own, other in _same(each, english)]
    scored = []
    for number, (own, other) in enumerate(found):
        texts = [clean(sample.text) for sample in other.samples]
        references = [text for text in dict.fromkeys(texts) if text and not _repeats(text)]
        if references:
            asked = [(clean(sample.text), reference) for sample in own.samples for reference in references]
            said, many = scorer(own.row.language, asked), len(references)
            means = [sum(said[start : start + many]) / many for start in range(0, len(said), many)]
            samples = (replace(sample, alignment=mean) for sample, mean in zip(own.samples, means, strict=True))
            scored.append(replace(own, samples=tuple(samples)))
        if progress:
            progress(number + 1, len(found))
    return scored


def clean(text: str) -> str:
    """Returns what of a response is compared: without the calculator's <<48/2=24>>, and without what follows "####"."""
    return _CALCULATOR.sub("", text.partition("####")[0]).strip()


def _repeats(text: str) -> bool:
    lines = text.replace("\n\n", "\n").split("\n")
    return len(set(lines)) < len(lines)


def _same(own: Sequence[Question], english: Sequence[Question]) -> list[tuple[Question, Question]]:
    named = {each.row.problem: each for each in english if each.row.problem}
    if named:
        return [(each, named[each.row.problem]) for each in own if each.row.problem in named]
    signatures = ([number_signature(" ".join(bare(each.row))) for each in side] for side in (own, english))
    return [(own[one], english[other]) for one, other in align(*signatures)]


def check_translator(reference: str) -> None:
    """Makes sure that a translation model can be had, of which only its config is read; raises what `translator` does."""
    from transformers import AutoConfig

    with _at_hand(reference):
        if not AutoConfig.from_pretrained(reference, trust_remote_code=False).is_encoder_decoder:
            raise ValueError("no model that translates")


@contextmanager
def _at_hand(reference: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"The translation model {reference} that pairs: alignment asks is not to be had here ({type(error).__name__}); run "
            f"`hf download {reference}` with a network, or give the folder of one: samples: {{translator: FOLDER}}."
        ) from error


def translator(reference: str, device: str) -> Scorer:
    """Returns what a translation model scores, from a folder or of the hub (or its cache).

    Raises:
        UserError: it cannot be had, or does not know a language.
    """
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    with _at_hand(reference):
        tokenizer: Any = AutoTokenizer.from_pretrained(reference, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(reference, trust_remote_code=False).to(device).eval()
    names_languages = hasattr(tokenizer, "src_lang")

    def tokens(texts: Sequence[str], language: str) -> Any:
        if names_languages:
            if language not in NLLB_CODES:
                raise UserError(
                    f"What {reference} calls the language {language} is not known; leave it out, or name another translator."
                )
            tokenizer.src_lang = NLLB_CODES[language]
        return tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=_LONGEST).to(device)

    def score(language: str, asked: Sequence[tuple[str, str]]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(asked), 20):
            sources, targets = zip(*asked[start : start + 20], strict=True)
            labels = tokens(targets, "en")
            labels = labels.input_ids.masked_fill(labels.attention_mask == 0, -100)
            with torch.no_grad():
                logits = model(**tokens(sources, language), labels=labels).logits
            losses = cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none")
            found += ((labels != -100).sum(1) / losses.sum(1)).tolist()
        return found

    return score
