"""What one (method, seed) cost and scored: the record, its one reader and its one writer.

A record is `runs/EXPERIMENT/METHOD/SEED/record.json`, written by the harness when a model has been scored, and the only thing
that leaderboards read. A file looks like this:

    {"format": 4, "method": "slam", "seed": 0,
     "scores": {"mgsm": {"en": {"paper": ["110..."], "strict": ["100..."], "answered": ["111..."], ...}, ...}},
     "training": {"stages": [{"name": "align", "corpus": "question translation", "rows": 73559, ...}]},
     "provenance": {"model": "meta-math/MetaMath-7B-V1.0", "prompt": "alpaca", ...},
     "checkpoint_bytes": 1082130432}

Records of formats 2 and 3 are read too: what they do not tell is None.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from xreason.leaderboards.combined.combined import Merged, SelfConsistent, TranslateTested
from xreason.leaderboards.files import write_whole
from xreason.leaderboards.statistics.answers import Counts, Outcomes

#: How an answer is read off a response: as the papers' scripts do, strictly, or as MetaMath's own script does.
Reading = Literal["paper", "strict", "metamath"]

Bits = Annotated[str, Field(pattern=r"\A[01]+\z")]
Verdict = Annotated[tuple[Bits, ...], Field(min_length=1)]
Identified = Annotated[tuple[Annotated[str, Field(pattern=r"\A[01-]+\z")], ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Quantity = Annotated[float, Field(ge=0, allow_inf_nan=False)]
#: One that diverged is a string in JSON, which has no number for it.
Loss = Annotated[float, WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})]


class RecordError(ValueError):
    """A record that cannot be read; the text is one sentence that names the file and says what to do next."""


class Frozen(BaseModel):
    """What leaderboards hold: it does not change, takes no field that it does not know, and its JSON is the file's."""

    # NaN as a string survives JSON: a diverged loss is a result that must be written, and null would not be read back.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ResponseShares(Frozen):
    """How responses look whatever they answer, as shares in 0..1."""

    answered: float  #: those in which the strict reading found an answer at all
    cut_off: float | None  #: those that ended at the token limit; None where the server did not tell
    #: those in the question's language, of those whose language is known; None where that is none of them.
    in_language: float | None
    #: the same of the thinking; only where it is told apart.
    thinking_in_language: float | None = Field(default=None, exclude_if=lambda share: share is None)


_CUT_OFF = ("cut_off_thinking", "cut_off_answering")


class LanguageScore(Frozen):
    """Every verdict on one suite in one language.

    A question is answered once (greedy decoding) or by several samples. Each tuple holds one string a sample, each string one
    character a question, in question order; all have the same shape.
    """

    paper: Verdict  #: "1" where the papers' reading is right, else "0": the response's last number is within 1e-3 of the gold
    strict: Verdict  #: the same by the strict reading: the answer that the response states, as its language writes numbers
    answered: Verdict  #: "1" where the strict reading found an answer at all
    cut_off: Verdict | None  #: "1" where the response ended at the token limit; None where the server does not tell
    #: "1" in the question's language, "0" in another, "-" with too little text to say; None where nothing told it.
    in_language: Identified | None
    #: "0" or "1" a question for the answer that most samples give; None with one sample; likewise majority_strict.
    majority_paper: Bits | None
    majority_strict: Bits | None
    metamath: Verdict | None = None  #: as paper, by MetaMath's own reading; None where that was not made; likewise its majority
    majority_metamath: Bits | None = None
    #: the first sample that gives the answer most give, by the strict reading; None with one sample, or where that was not kept.
    elected: tuple[Count, ...] | None = None
    questions_hash: str | None = None  #: SHA-256 of the questions and golds, in order, as asked; None where that is not known
    tokens: Count | None = None  #: that all responses of all samples took together; None where that is not known
    thinking_tokens: Count | None = None  #: of them, thinking, which is cut off before it is read; None also without marks
    translation_tokens: Count | None = None  #: that putting the questions into English took; None where that was not done or told
    #: "1" where thinking was cut off: at its budget, or with the response; None where thinking is not told apart.
    cut_off_thinking: Verdict | None = None
    cut_off_answering: Verdict | None = None  #: "1" where the response ended at the token limit after its thinking
    thinking_in_language: Identified | None = None  #: as in_language, of the thinking; "-" also where there is none.

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        for name in ("strict", "metamath", *ResponseShares.model_fields, *_CUT_OFF, "paper"):
            samples = getattr(self, name)
            if samples is not None and len(samples) != self.samples:
                raise PydanticCustomError("samples", f"{name} has {len(samples)} samples where paper has {self.samples}")
            for length in {len(sample) for sample in samples or ()} - {self.questions}:
                found = f"{name} has a sample of {length} questions"
                raise PydanticCustomError("questions", f"{found} where paper's first has {self.questions}")
        for reading in ("paper", "strict", "metamath"):
            name, majority = f"majority_{reading}", getattr(self, f"majority_{reading}")
            if getattr(self, reading) is None and majority is None:
                continue
            if (majority is None) != (self.samples == 1):
                expected = "needs a majority vote" if majority is None else "has no majority vote"
                raise PydanticCustomError("majority", f"{name} is wrong: a score of {self.samples} sample(s) a question {expected}")
            if majority is not None and len(majority) != self.questions:
                raise PydanticCustomError("questions", f"{name} has {len(majority)} questions where paper has {self.questions}")
        return self

    @property
    def questions(self) -> int:
        """Questions asked."""
        return len(self.paper[0])

    @property
    def samples(self) -> int:
        """Responses a question."""
        return len(self.paper)

    @property
    def mean_tokens(self) -> float | None:
        """Tokens a response, thinking among them."""
        return None if self.tokens is None else self.tokens / (self.samples * self.questions)

    @property
    def mean_thinking_tokens(self) -> float | None:
        """Tokens of thinking a response."""
        return None if self.thinking_tokens is None else self.thinking_tokens / (self.samples * self.questions)

    @property
    def responses(self) -> ResponseShares:
        """How the responses of all samples look."""
        columns = {name: "".join(getattr(self, name) or ()).replace("-", "") for name in ResponseShares.model_fields}
        shares = {name: bits.count("1") / len(bits) if bits else None for name, bits in columns.items()}
        return ResponseShares.model_validate(shares)

    def rights(self, reading: Reading) -> tuple[int, ...]:
        """How many of its samples answer each question right, in question order."""
        return tuple(question.count("1") for question in zip(*self._verdicts(reading), strict=True))

    def outcomes(self, reading: Reading) -> Outcomes:
        """One outcome a question: "0" or "1" for one sample, how many are right for several."""
        return self._counted(self._verdicts(reading))

    def right_in_language(self, reading: Reading, *, thinking: bool = False) -> Outcomes | None:
        """The same of answers that are right and in the question's language, as far as text tells; None where nothing told it.

        With `thinking`, of those whose thinking is in another language none counts, as M-Thinker (arXiv 2510.07300) has it; None
        where thinking is not told apart.
        """
        if self.in_language is None or (thinking and self.thinking_in_language is None):
            return None
        thought = (self.thinking_in_language if thinking else None) or ["-" * self.questions] * self.samples
        # "10" and "1-" are read as binary numbers, and their common bits written as many; thinking that is too short is in no other
        both = [
            f"{int(right, 2) & int(within.replace('-', '0'), 2) & int(thinks.replace('-', '1'), 2):0{self.questions}b}"
            for right, within, thinks in zip(self._verdicts(reading), self.in_language, thought, strict=True)
        ]
        return self._counted(both)

    def missed(self, reading: Reading) -> dict[str, Outcomes] | None:
        """What became of answers that are not right, the names of `Misses` to outcomes that are each one of them, or no other.

        None where thinking is not told apart.
        """
        if self.cut_off_thinking is None or self.cut_off_answering is None:
            return None
        why = [
            list(map(_missed, *each))
            for each in zip(self._verdicts(reading), self.cut_off_thinking, self.cut_off_answering, strict=True)
        ]
        return {
            name: self._counted(["".join("1" if one == name else "0" for one in sample) for sample in why])
            for name in (*_CUT_OFF, "wrong")
        }

    def _counted(self, verdicts: Sequence[str]) -> Outcomes:
        counts = tuple(each.count("1") for each in zip(*verdicts, strict=True))
        return verdicts[0] if self.samples == 1 else Counts(counts, self.samples)

    def majority(self, reading: Reading) -> str:
        """The majority vote's "0" or "1" a question, in question order.

        Raises:
            ValueError: a question has one sample, which needs no vote, or the reading was not made.
        """
        majority: str | None = getattr(self, f"majority_{reading}")
        if majority is None:
            raise ValueError(f"there is no majority vote by the {reading} reading")
        return majority

    def _verdicts(self, reading: Reading) -> tuple[str, ...]:
        verdicts: tuple[str, ...] | None = getattr(self, reading)
        if verdicts is None:
            raise RecordError(f"The {reading} reading was not made of these responses: run `xreason rescore` on their folder.")
        return verdicts


def _missed(right: str, thinking: str, answering: str) -> str:
    """Returns what became of an answer; of one that was cut off after its thinking was, the latter: it was given, and not ended."""
    if right == "1":
        return "right"
    return "cut_off_answering" if answering == "1" else "cut_off_thinking" if thinking == "1" else "wrong"


class Measure(Frozen):
    """What lm-eval itself reports of one language of a suite of its own tasks."""

    metric: str  #: its name there: "acc", "chrf"; where its tasks differ in it, that of the first
    filter: str  #: of lm-eval's, that responses went through; "none" for none
    value: Annotated[float, Field(allow_inf_nan=True)]  #: as lm-eval prints it: acc in 0..1, chrF in 0..100, a perplexity
    standard_error: Quantity | None  #: as lm-eval estimates it; None where it does not
    higher_is_better: bool
    tasks: tuple[str, ...]  #: lm-eval's names of those that it is over, each weighing as many as it has questions
    questions: Annotated[int, Field(gt=0)]
    questions_hash: str  #: as of a LanguageScore


class StageCost(Frozen):
    """What one fine-tuning pass read, tuned and took."""

    name: str
    corpus: str  #: what it was trained on, in words for people
    rows: Count  #: examples in the corpus, in all its languages together
    languages: tuple[str, ...]
    tuned: str  #: which parameters were tuned, in words for people: "up_proj, down_proj of layers 0-1", "all parameters"
    tuned_parameters: Count  #: how many numbers that is, of `total_parameters` that the model has
    total_parameters: Annotated[int, Field(gt=0)]
    epochs: Quantity
    learning_rate: Quantity  #: at its peak
    batch_size: Annotated[int, Field(gt=0)]  #: sequences an optimizer step, of which there were `steps`
    steps: Count
    tokens: Count  #: tokens trained on, over all epochs
    seconds: Quantity  #: wall-clock time of the training loop
    tokens_per_second: Quantity
    peak_memory_bytes: Count
    losses: tuple[tuple[int, Loss], ...]  #: (step, training loss) as logged
    frame: str | None = None  #: name of the prompt style that its text stood in; None where that is not known
    truncated: dict[str, Count] | None = None  #: language code to rows that were cut off; None where that is not known
    objective: str | None = None  #: what was learnt of it, in words: "prefer (DPO, beta 0.1)"; None where that was not recorded
    sources: tuple[str, ...] | None = None  #: data sets that its text was made from: "gsm8k"; None where that is not known
    #: (step, language code ("" for none) to loss on rows that no stage trained on); none where nobody looked
    held_out: tuple[tuple[int, dict[str, Loss]], ...] = ()
    rewards: tuple[tuple[int, dict[str, Loss]], ...] = ()  #: (step, mean of each by its name, of all as "reward"; "kl"), if any
    kept_step: Count | None = None  #: the step whose weights were kept, where that was the best one's; None for the last's


class Training(Frozen):
    """The stages of one training, in the order they ran, and what they ran on; of a merged model, those of all it is made of."""

    stages: Annotated[tuple[StageCost, ...], Field(min_length=1)]
    #: hash of all that makes the method's setting, base and seed left out: trainings that share it differ in these alone.
    recipe: str | None = None
    tuned_parameters: Count | None = None  #: numbers that any of the stages may have changed, of `total_parameters`
    total_parameters: Annotated[int, Field(gt=0)] | None = None
    device: str | None = None  #: what it ran on: "cpu", or the GPU's name; of these there were `devices`
    devices: Annotated[int, Field(gt=0)] | None = None
    machine: str | None = None  #: in words for people
    merged: Merged | None = None  #: None for a model whose stages made it

    @property
    def seconds(self) -> float:
        """Wall-clock time of all stages together, and of merging."""
        return sum(stage.seconds for stage in self.stages) + (self.merged.seconds if self.merged else 0)

    @property
    def device_seconds(self) -> float | None:
        """The same times the devices that it ran on."""
        return None if self.devices is None else self.seconds * self.devices

    @property
    def tuned(self) -> int:
        """Numbers that any stage may have changed; by a record of format 2, those of the stage that tuned the most."""
        return max(stage.tuned_parameters for stage in self.stages) if self.tuned_parameters is None else self.tuned_parameters

    @property
    def tuned_at_least(self) -> bool:
        """Whether this may be less than all of its stages changed together, because a record of format 2 does not tell."""
        return self.tuned_parameters is None and len(self.stages) > 1 and self.tuned_share < 1

    @property
    def tuned_share(self) -> float:
        """The same over all parameters of the model, 0..1."""
        return self.tuned / (self.total_parameters or max(stage.total_parameters for stage in self.stages))


class Provenance(Frozen):
    """Everything a reader needs to ask the same questions of the same model again."""

    model: str  #: hub id or name of the base model, whose weights `model_hash` tells
    model_hash: str
    data: dict[str, str]  #: suite to where its questions came from
    prompt: str  #: name of the prompt style; for it and the next four see `xreason.leaderboards.styles.Style`
    prompt_hash: str
    shots: Count
    samples: Annotated[int, Field(gt=0)]
    temperature: Quantity
    max_new_tokens: dict[str, int]  #: suite to the most tokens a response may have
    limit: int | None  #: questions asked a language where that was cut, None for all of them
    commit: str  #: of this project
    machine: str  #: what it ran on, in words for people
    date: str  #: when it was scored, ISO 8601 date and time
    versions: dict[str, str]  #: package to version
    suite_versions: dict[str, str]  #: suite to the version of its tasks
    identifier: str  #: what told the responses' language, with its version, for example "lingua 2.1.1"; "" for nothing
    weights_hash: str | None = None  #: of all that answered, where `model_hash` is the base model's
    dtype: str | None = None  #: what the weights were served in; "server" where that is a running server's to know
    engine: dict[str, Any] = {}  #: arguments of vLLM that can change an answer, as far as they were set: {"quantization": "fp8"}
    sampling: dict[str, float] = {}  #: what bounds it beside the temperature: top_p, top_k, min_p, as far as they were set
    system: str | None = None  #: the system instruction that stood before every question
    chat_args: dict[str, bool | int | float | str | None] = {}  #: what the chat template was told: {"enable_thinking": false}
    think_end: str | None = None  #: what ends thinking, which is not read; None where none was told apart
    thinking_tokens: Count | None = None  #: after which thinking was ended, by vLLM; None for no such budget
    worked_examples: Literal["drawn", "first"] = "drawn"  #: anew for every question, or the first ones for all
    translate_test: TranslateTested | None = None  #: None where questions were asked as they are
    self_consistency: SelfConsistent | None = None  #: None where no vote over the samples is the answer
    #: suite to the data sets of whose kind its questions are, by the names of StageCost.sources; None where that is not known.
    in_domain: dict[str, tuple[str, ...]] | None = None


class Record(Frozen):
    """What one (method, seed) cost and scored."""

    format: Literal[2, 3, 4]
    method: Annotated[str, Field(min_length=1)]  #: its name; the base model's own record carries a name too
    seed: int
    scores: dict[str, dict[str, LanguageScore]]  #: suite to language code to verdicts
    training: Training | None  #: what the training took, None for the base model, which is scored as it is
    provenance: Provenance
    checkpoint_bytes: Count | None  #: size of the checkpoint on disk, None where none was written
    folders: dict[str, str] = {}  #: suite to the folder in scores/, beside the record, with its responses; none before format 3
    #: suite to the family of each question, where some vary the same problem; None before format 4, which tells it.
    families: dict[str, tuple[Count, ...]] | None = None
    #: suite to how much each question weighs in a language's accuracy, of those in which not all weigh the same.
    weights: dict[str, tuple[Annotated[int, Field(gt=0, lt=2**31)], ...]] = {}
    #: suite to language code, of suites that are tasks of lm-eval; where their verdicts are 0 or 1, they stand in `scores` too.
    measures: dict[str, dict[str, Measure]] = {}

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that it tells of, those with verdicts first."""
        return tuple(dict.fromkeys((*self.scores, *self.measures)))

    @property
    def languages(self) -> set[str]:
        """The codes of all languages that it tells of, of any suite."""
        return {code for told in (self.scores, self.measures) for each in told.values() for code in each}

    @model_validator(mode="after")
    def _of_some_suite_with_samples_as_the_provenance_says(self) -> Self:
        if not self.suites:
            raise PydanticCustomError("suites", "it tells of no suite")
        for suite, language, score in ((suite, *each) for suite, scores in self.scores.items() for each in scores.items()):
            if score.samples != self.provenance.samples:
                found = f"{suite} in {language} has {score.samples} samples a question"
                raise PydanticCustomError("samples", f"{found} where provenance says {self.provenance.samples}")
        return self

    def verdicts(self, suite: str, reading: Reading) -> Mapping[str, Outcomes]:
        """Language code to one outcome a question in that language, see `LanguageScore.outcomes`.

        Raises:
            KeyError: the record has no scores of this suite.
        """
        return {language: score.outcomes(reading) for language, score in self.scores[suite].items()}


def read_record(path: Path) -> Record:
    """Reads one record.json.

    Raises:
        RecordError: the file is missing, unreadable, not JSON, or not a record of the format this version writes.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist: name a record.json, or run the comparison that writes it.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RecordError(f"{path} cannot be read ({reason}): name a record.json that you may read.") from error
    except ValidationError as error:
        problem, *more = problems = error.errors(include_url=False)
        if any(each["loc"] == ("format",) and each["input"] == 1 for each in problems):
            old = "a record of format 1, from before answers were read strictly too"
            raise RecordError(f"{path} is {old}: run `xreason rescore {path.parent}` to bring it up to date.") from error
        place, others = ".".join(map(str, problem["loc"])) or "its top level", f", and {len(more)} more" if more else ""
        wrong = f"a record of format 4 (at {place}: {problem['msg'].lower()}{others})"
        if problem["type"] == "json_invalid":
            wrong = f"JSON ({problem['msg'].removeprefix('Invalid JSON: ')})"
        raise RecordError(f"{path} is not {wrong}: delete it and run its comparison again to write it anew.") from error


def read_records(directory: Path) -> tuple[Record, ...]:
    """Reads every record.json below a directory, at least one, in the order of their paths.

    Raises:
        RecordError: the directory is missing, holds no record, or holds one that cannot be read.
    """
    if not directory.is_dir():
        raise RecordError(f"{directory} is not a directory: name the folder that holds the runs.")
    paths = record_paths(directory)
    if not paths:
        raise RecordError(f"{directory} holds no record.json: run a comparison first, or name the folder its runs are in.")
    return tuple(read_record(path) for path in paths)


def record_paths(directory: Path) -> list[Path]:
    """Returns every record.json below a directory, in order; also one that cannot be read, such as a link to nothing."""
    return sorted(path for path in directory.rglob("record.*") if path.name == "record.json")


def write_record(record: Record, path: Path) -> None:
    """Writes one record.json, whole or not at all; missing folders are made.

    Raises:
        OSError: the folder cannot be made or written.
    """
    write_whole(path, record.model_dump_json(indent=1) + "\n")
