"""lm-eval's model made ready to be asked: told how it is asked to think, and held against what asking takes."""

import re
from typing import Any

from xreason.harness.scoring.questions import Asking, Scoring
from xreason.tasks.errors import UserError
from xreason.tasks.prompts import DEFAULT_STYLE


def tell(lm: Any, asking: Asking, *, of_lm_eval: bool) -> None:
    """Tells what answers how it is asked to think; lm-eval's own tasks are shown answers without their thinking."""
    told = dict(asking.chat_args)
    # which lm-eval hands over by itself
    lm.enable_thinking = told.pop("enable_thinking", None)
    lm.chat_template_args = told
    lm.think_end, lm.think_end_token = asking.think_end, asking.think_end if of_lm_eval else None


def check_template(lm: Any, name: str, asking: Asking) -> None:
    """Raises a UserError where a model has no chat template, or one that does not heed what it is told."""
    system, template = asking.system, str(getattr(lm, "hf_chat_template", None) or "")
    for each in asking.chat_args if template else ():
        if not re.search(rf"\b{re.escape(each)}\b", template):
            raise UserError(
                f"The chat template of {name} does not read {each}, so that it changes nothing; leave --chat-arg {each} out."
            )
    another = f"choose another prompt style, such as --prompt {DEFAULT_STYLE}."
    if not getattr(getattr(lm, "tokenizer", None), "chat_template", None):
        raise UserError(f"{name} has no chat template; {another}")
    # lm-eval leaves the system's turn out where the template refuses it, and says so in a log alone
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "?"}]
    if system and system.strip() not in lm.apply_chat_template(messages):
        raise UserError(f"The chat template of {name} has no place for a system instruction; leave it out, or {another}")


def check_room(lm: Any, name: str, scoring: Scoring) -> None:
    """Raises a UserError where a response may take all that a model takes at once."""
    room, suite = getattr(lm, "max_length", None), scoring.benchmark
    if not suite.generates:
        return
    if isinstance(room, int) and not hasattr(lm, "base_url") and scoring.longest_response >= room:
        takes = f"{name} takes {room:,} tokens, and a response to {suite.title} may have {scoring.longest_response:,}"
        raise UserError(f"{takes}, which leaves no room for a question; give fewer, such as --max-new-tokens {room // 2}.")
