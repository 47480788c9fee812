"""The prompts that models are trained and scored with: one text, used by both.

lm-eval loads this file by its path (`doc_to_text: !function prompts.alpaca_document`), so it imports nothing of ours.
"""

import hashlib
from collections.abc import Mapping

#: Stanford Alpaca's frame without input, as MetaMath, QAlign and SLAM train and score with it.
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)

#: What boards call the prompt, and a short hash of its text.
PROMPT_STYLE = "alpaca"
PROMPT_HASH = hashlib.sha256(ALPACA.encode()).hexdigest()[:12]


def alpaca(instruction: str) -> str:
    """Returns the prompt that asks for `instruction`; what the model writes next is its response."""
    # not str.format: a question may contain braces
    return ALPACA.replace("{instruction}", instruction)


def alpaca_document(document: Mapping[str, str]) -> str:
    """Returns the prompt for one row of a suite (its `question`)."""
    return alpaca(document["question"])


def translation_instruction(language: str, text: str) -> str:
    """Returns QAlign's instruction (arXiv 2401.07817) to translate `text` from `language` (its English name) into English."""
    return f"Translate the following sentences from {language} to English. {text}"
