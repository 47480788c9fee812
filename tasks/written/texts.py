"""The YAML of a suite's tasks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xreason.tasks.suites import Suite

#: How lm-eval asks for the likeliest of letters: as its own commonsense_qa, whose options stand in the prompt too.
_LIKELIEST = """\
output_type: multiple_choice
doc_to_choice: !function xreason.tasks.protocol.letters
target_delimiter: " "
process_results: null
generation_kwargs: null
"""


def language_yaml(suite: "Suite", code: str) -> str:
    """Returns the lm-eval task of one language: three lines over what its suite includes."""
    # bare, YAML reads the code of Norwegian as false
    said = f'"{code}"' if code == "no" else code
    return f"include: _{suite.name}_template\ntask: {suite.task(code)}\ndataset_kwargs: {{suite: {suite.name}, language: {said}}}\n"


def template_yaml(suite: "Suite") -> str:
    """Returns what all tasks of a suite include: the papers' way of asking, with its own longest response, examples and metrics."""
    decoding = f"  do_sample: false\n  temperature: 0.0\n  max_gen_toks: {suite.max_new_tokens}\n  until: []\n"
    answered = _LIKELIEST if suite.likelihood else f"generation_kwargs:\n{decoding}"
    worked = "# how many worked examples are used is for --num_fewshot to say\nfewshot_split: train\nnum_fewshot: null\n"
    mean = "!function xreason.tasks.protocol.weighted_mean" if suite.weights else "mean"
    means = "".join(f"  - metric: {name}\n    aggregation: {mean}\n    higher_is_better: true\n" for name in suite.metrics)
    own = f"metric_list:\n{means}" if suite.kind != "number" or suite.weights else ""
    return f"include: ../_papers_template\n{answered}" + (worked if suite.exemplars else "") + own


def group_yaml(suite: "Suite") -> str:
    """Returns the lm-eval group: the plain mean over its average languages, every language weighing the same."""
    tasks = "".join(f"  - {suite.task(code)}\n" for code in suite.average_languages)
    means = "".join(f"  - metric: {name}\n    aggregation: mean\n    weight_by_size: false\n" for name in suite.metrics)
    return f"group: {suite.name}\ntask:\n{tasks}aggregate_metric_list:\n{means}metadata:\n  version: {suite.version}\n"
