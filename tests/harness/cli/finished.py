"""A small world with everything finished in it: a model, a comparison, its records and boards, found layers, data, a language.

The comparison is real, but for the answers: a little server gives them in place of vLLM, and lm-eval asks it as it asks any other.
"""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EXPERIMENT = """\
name: quick
base: model
suites: [pocket]
languages: [en, sw]
source: pocket
limit: 3
max_new_tokens: 8
seeds: [0]
data: data
prompt: alpaca
dtype: float32
methods:
  slam: {layers: 1, max_steps: 1, batch_size: 4, rows: 8, learning_rate: 1e-3}
  full: {max_steps: 1, batch_size: 4, rows: 8, learning_rate: 1e-3}
"""

#: Named in experiment files and arguments as they stand in the folder of a case.
RUN = "runs/quick"
CHECKPOINT, WHOLE = f"{RUN}/slam/0/checkpoint", f"{RUN}/full/0/checkpoint"

QUESTIONS = ["Quanto fa 2 più 3?\t5", "Marco ha 12 mele e ne mangia 5. Quante mele gli restano?\t7"]


def make(folder: str, url: str) -> None:
    """Makes the world in `folder`, which is the working folder; a server at `url` answers."""
    from xreason.harness.experiment import read_experiment
    from xreason.harness.plan import plan_comparison, plan_finding
    from xreason.harness.run import run
    from xreason.harness.scoring.endpoint import Endpoint

    here = Path(folder)
    _make_model(here / "model")
    _make_data(here / "data")
    (here / "exp.yaml").write_text(EXPERIMENT)
    (here / "page.md").write_text("# Mine\n\n<!-- board -->\n<!-- /board -->\n")
    (here / "questions.tsv").write_text("\n".join(QUESTIONS) + "\n")
    plan = plan_comparison(read_experiment(Path("exp.yaml"), {}), Path("runs"))
    run(plan.model_copy(update={"endpoint": Endpoint(url=url)}))
    run(plan_finding("model", Path("runs"), questions=4, suite="pocket", languages=("en", "sw")))
    add_language()


def add_language() -> None:
    from xreason.harness.adding.languages import add_language as add
    from xreason.harness.adding.question_files import Columns
    from xreason.tasks.added import registries
    from xreason.tasks.suites import use

    (folder := Path("own").resolve()).mkdir(exist_ok=True)
    use(*registries(folder))
    add("it", "mgsm", Path("questions.tsv"), Columns(), prove=False)


def _make_model(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    from xreason.trainers.pocket import MODEL

    set_seed(0)
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MODEL / name, folder / name)


def _make_data(folder: Path) -> None:
    lines: dict[str, list[str]] = {
        "mgsm/mgsm_en.tsv": ["What is 2 plus 3?\t5", "What is 7 minus 3?\t4"],
        "mgsm/mgsm_sw.tsv": ["2 na 3 ni ngapi?\t5", "7 toa 3 ni ngapi?\t4"],
        "msvamp/en.jsonl": [json.dumps({"m_query": f"What is 2 plus {n}?", "response": f"{2 + n}.0"}) for n in range(3)],
        "msvamp/sw.jsonl": [json.dumps({"m_query": f"2 na {n} ni ngapi?", "response": f"{2 + n}.0"}) for n in range(3)],
        "mgsm/exemplars.jsonl": [
            json.dumps({"language": code, "q": f"Question: {n}?", "a": f"Answer: it is {n}.", "number_answer": n, "id": n})
            for code in ("en", "sw")
            for n in range(2)
        ],
        "gsm8k/train_en.jsonl": [
            json.dumps({"question": f"{n} and 1?", "answer": f"It is {n + 1}. #### {n + 1}"}) for n in range(8)
        ],
        "metamath/train.jsonl": [json.dumps({"query": f"{n} and 1?", "response": f"It is {n + 1}."}) for n in range(8)],
        "question_translation/sw-en/train.sw": [f"{n} na 1 ni ngapi?" for n in range(8)],
        "question_translation/sw-en/train.en": [f"What is {n} and 1?" for n in range(8)],
        "gsm8kinstruct_parallel/train.jsonl": [
            json.dumps(
                {
                    "prompt": f"Write a response that appropriately completes the request in {name}. Please answer in {name}.\n\n"
                    f"### Instruction:\n{word} {n + 20} {n + 50}?\n\n### Response:",
                    "chosen": f"{n + 20} + {n + 50} = {2 * n + 70}.",
                }
            )
            for name, word in (("English", "What is"), ("Swahili", "Ngapi ni"))
            for n in range(8)
        ],
    }
    for name, rows in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")


#: What a server may say that is none: under http://.../list-NAME where its models are asked for, under answer-NAME its completions.
WRONG_ANSWERS = {
    **dict.fromkeys(("404", "500", "503"), '{"error": "no"}'),
    "html": "<html><body>It works!</body></html>",
    "nothing": "",
    "null": "null",
    "list": "[]",
    "number": "3",
    "error": '{"error": {"message": "no such thing"}}',
    "null-data": '{"data": null, "choices": null}',
    "text-data": '{"data": "x", "choices": "x"}',
    "nothing-in-it": '{"data": [], "choices": []}',
    "numbers": '{"data": [1], "choices": [1]}',
    "without-names": '{"data": [{"object": "model"}], "choices": [{"index": 0}]}',
    "null-names": '{"data": [{"id": null}], "choices": [{"index": 0, "text": null}]}',
    "deep": "[" * 100_000,
    "cut": '{"data": [{"id": "ti',
    "hangs": "",
    "closes": "",
}


class _Answers(BaseHTTPRequestHandler):
    """Answers as an OpenAI-style server does, or, under a path that names it, in a wrong way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": "tiny"}]}, self.path.split("/")[1].removeprefix("list-"))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
        said = {"choices": [{"index": n, "text": " The answer is 5.", "finish_reason": "stop"} for n in range(len(prompts))]}
        self._answer(said, self.path.split("/")[1].removeprefix("answer-"))

    def _answer(self, content: object, wrong: str) -> None:
        """Answers with `content`; or with what the path names after list- or answer-."""
        body = WRONG_ANSWERS.get(wrong, json.dumps(content)).encode()
        if wrong == "hangs":
            time.sleep(40)
        if wrong in ("hangs", "closes"):
            self.close_connection = True
            return
        self.send_response(int(wrong) if wrong.isdigit() else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[str]:
    """Serves while the block runs; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
