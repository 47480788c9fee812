"""A thinking model made on the spot: its template opens <think>, and it was trained to close it or not, question by question."""

from pathlib import Path
from typing import Any

from xreason.tasks.suites import SUITES
from xreason.trainers.pocket import MODEL

#: Asked to think, it is led on to; else it is shown that it has.
TEMPLATE = (
    "{% for each in messages %}[{{ each.role }}] {{ each.content }}\n{% endfor %}<think>\n"
    "{% if enable_thinking is defined and enable_thinking is false %}</think>\n{% endif %}"
)

#: After so many tokens it is trained to answer what it would never end thinking about.
BUDGET = 40

ENGLISH = "We should first count how many of them there are altogether"
SWAHILI = "Kwanza tunapaswa kuhesabu ni vitu vingapi vilivyopo kwa jumla"
ONWARD = {"en": "and so on ", "sw": "na kadhalika "}
ANSWERS = {"en": "So after all of that the answer is", "sw": "Kwa hiyo baada ya hayo yote jibu ni"}

#: By language, of each question: its thinking and its answer; thinking that is None never ends, and neither does that answer.
TRAINED: dict[str, list[tuple[str | None, str | None]]] = {
    "en": [(ENGLISH, "{gold}."), (None, "{gold}."), (ENGLISH, None), (ENGLISH, "98765.")],
    "sw": [(SWAHILI, "{gold}."), (ENGLISH, "{gold}."), (SWAHILI, None), (None, "98765.")],
}
_ENDLESS = 80


def make_thinker(folder: Path) -> Path:
    """Returns the folder of the model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id, **shape)
    )
    rows = [
        each
        for code in TRAINED
        for number, row in enumerate(SUITES["pocket"].rows(code)[:4])
        for each in _texts(tokenizer, code, number, row)
    ]
    longest = max(len(prompt) + len(response) for prompt, response in rows)
    inputs = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), -100)
    for place, (prompt, response) in enumerate(rows):
        inputs[place, : len(prompt) + len(response)] = torch.tensor(prompt + response)
        labels[place, len(prompt) : len(prompt) + len(response)] = torch.tensor(response)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(400):
        loss = model(input_ids=inputs, labels=labels).loss
        if loss.item() < 0.02:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _texts(tokenizer: Any, code: str, number: int, row: dict[str, str]) -> list[tuple[list[int], list[int]]]:
    """Returns tokens of prompt and response to a question, asked to think; of what never ends also as its budget ends it."""

    def encoded(text: str) -> list[int]:
        tokens: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return tokens

    asked = f"{row['question']}\nPlease reason step by step, and put your final answer within \\boxed{{}}."
    messages = [{"role": "user", "content": asked}]
    prompt = encoded(tokenizer.apply_chat_template(messages, tokenize=False))
    thinking, answer = TRAINED[code][number]
    said = encoded(f"</think>\n{ANSWERS[code]} ") + (
        encoded(ONWARD[code] * _ENDLESS)[:_ENDLESS]
        if answer is None
        else [*encoded(answer.format(gold=row["answer"])), tokenizer.eos_token_id]
    )
    if thinking is not None:
        return [(prompt, encoded(f"{thinking}. ") + said)]
    endless = encoded(f"{ENGLISH if code == 'en' else SWAHILI} " * _ENDLESS)[:_ENDLESS]
    # the line break that the template ends with is thinking, too, and the mark is vLLM's to write
    return [(prompt, endless), ([*prompt, *endless[: BUDGET - 1], said[0]], said[1:])]
