"""Translate-test: a model is asked in English, each question put into English first, by itself or by another model.

Source: the control that claims of "understanding" need: Kang et al., 2025, arXiv 2510.27269, where failures to understand account
for most of what other languages lose. Here:

- The question alone is translated, greedily, with the prompt of the training text ("Translate the following sentences from ...").
- English questions are asked as they are; worked examples are English ones.

    xreason compare pocket --methods slam,translate-test
"""

from xreason.trainers.combining.declared import TranslateTest


def translate_test(of: str = "base", translator: str | None = None) -> TranslateTest:
    """Returns the way of asking row `of` in English, its questions translated by `translator`; by itself for None."""
    return TranslateTest(
        name="translate-test",
        of=of,
        translator=translator,
        source="as Kang et al., 2025, arXiv 2510.27269",
        description="Asks a row's model in English, every question translated first.",
    )
