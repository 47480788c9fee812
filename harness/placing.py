"""Where jobs are done: in turn in this process, or by Ray on the nodes of a cluster.

A job is a piece of a plan that one process does: language layers found, one training, one model scored. It is done by `attempt`,
the same here and there: it holds the locks of its steps, and what it leaves is in the run store. So a job whose node is lost is
begun again by another, goes on from what the store holds, and finds done what was done.

Ray gives each job a process on one node, with as many of its GPUs as the job takes, or of its CPUs where the cluster has no GPU. A
process that has ended a job takes the next that needs as much: a vLLM engine that it has started stays for the models that fit it.
Without GPUs a process is pinned to cores of its own.
"""

import logging
import os
import socket
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from xreason.harness import progress
from xreason.harness.store.steps import Held, Step, only_writer
from xreason.tasks.errors import UserError

if TYPE_CHECKING:
    from xreason.harness.serving.engines import Engines

#: The least that Ray takes; what passes through it are plans and records.
_OBJECT_STORE_BYTES = 80 * 2**20
#: Where a process was lost no other is started for so long: by then Ray knows whether the node is gone.
_SECONDS_SHUNNED = 5
_SECONDS_BETWEEN_NEWS = 0.5
#: Variables of the environment that go along to the nodes, by their beginnings; secrets do not, the nodes have their own.
_GO_ALONG = ("XREASON_", "HF_", "VLLM_", "TRANSFORMERS_", "TQDM_", "TORCH_", "TOKENIZERS_", "RAYON_", "OMP_", "MKL_", "XDG_")
_SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD")


class Hands(ExitStack):
    """What a process keeps from one job to the next: its engine."""

    engines: "Engines | None" = None

    def drop(self) -> None:
        """Ends the engine, if one runs."""
        self.engines = None
        self.close()


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """What one process does at a time."""

    name: str  #: of the board's row, or of the model whose layers are found
    what: str  #: "layers", "training" or "scoring"
    rows: tuple[str, ...]  #: titles of the rows that fail with it
    steps: tuple[Step, ...]  #: what stands when it is done
    devices: int = 1  #: GPUs, or CPUs where there is none
    fits: str = ""  #: jobs of which it is the same can share an engine; empty where none is needed

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others of its plan."""
        return self.what, self.name

    @property
    def needs(self) -> frozenset[Path]:
        """Folders of the steps that must stand before."""
        return frozenset(need for step in self.steps for need in step.needs)

    def is_done(self) -> bool:
        """Returns whether all its steps stand."""
        return all(step.is_done() for step in self.steps)

    @abstractmethod
    def do(self, hands: Hands) -> Any:
        """Does what of it is not done yet; returns what is told of it."""


class Result(NamedTuple):
    """What became of a job."""

    ended: Literal["done", "held", "failed", "lost"]  #: held: another process does it now; lost: its process is gone
    value: Any = None  #: what the job returned
    reason: str = ""  #: why it failed, or where it was lost


def attempt(job: Job, hands: Hands, *, raising: bool = False) -> Result:
    """Does a job under the locks of those of its steps that do not stand yet; with `raising` an error is raised.

    An interrupt is no failure.
    """
    with ExitStack() as locks:
        try:
            for step in job.steps:
                if not step.is_done():
                    locks.enter_context(only_writer(step.place))
        except Held as held:
            return Result("held", reason=str(held))
        try:
            return Result("done", job.do(hands))
        except Exception as error:
            hands.drop()  # whose weights its engine holds now is not known
            if raising:
                raise
            if os.environ.get("XREASON_DEBUG"):
                traceback.print_exc()
            said = " ".join(str(error).split())
            return Result("failed", reason=said if isinstance(error, UserError) else f"{type(error).__name__}: {said[:300]}")


class Watch(Protocol):
    """Who is told what becomes of jobs that others do."""

    def state(self, job: Job, state: str, where: str = "") -> None:
        """Is told that a job is now waiting, begun, done, failed."""

    def moved(self, key: tuple[str, str], done: int, total: int, words: str) -> None:
        """Is told how far the job of this key is."""


class Here:
    """One job at a time, in this process."""

    def __init__(self, hands: Hands, *, raising: bool) -> None:
        self._hands, self._raising = hands, raising
        self._begun: list[Job] = []

    def begin(self, ready: Sequence[Job]) -> list[Job]:
        """Takes the first."""
        self._begun = list(ready[:1])
        return self._begun

    def ended(self) -> list[tuple[Job, Result]]:
        """Does it."""
        return [(job, attempt(job, self._hands, raising=self._raising)) for job in self._begun]


@dataclass(eq=False)
class _Node:
    """A node of the cluster, and what of it is free."""

    identifier: str
    host: str
    name: str
    numbers: tuple[int, ...]  #: of its GPUs; where the cluster has none, of the cores that are its own among the host's
    free: list[int]  #: those of them that no process has
    shunned_until: float = 0.0


@dataclass(eq=False)
class _Worker:
    """A process on a node, and what it does."""

    node: _Node
    numbers: list[int]  #: of the GPUs or cores that it has
    actor: Any
    job: Job | None = None
    answer: Any = None  #: Ray's reference to the result
    fits: str = ""  #: what its engine takes


class Nodes(ExitStack):
    """The nodes of a Ray cluster. Use it in a `with` block: when that ends, so does all that runs on them.

    Args:
        address: "auto" for the cluster that runs on this machine, "local" for one that is started here and ends with this, or
            HOST:PORT.
        watch: is told how far jobs are.

    Raises:
        UserError: Ray is not installed, or no cluster answers there.
    """

    def __init__(self, address: str, watch: Watch) -> None:
        super().__init__()
        self._watch, self._ray = watch, _connected(address)
        # what Ray says of a node that is gone, it says on the output stream
        self.enter_context(redirect_stdout(StringIO()))
        self.callback(self._ray.shutdown)
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._on = NodeAffinitySchedulingStrategy
        self._nodes: dict[str, _Node] = {}
        self._workers: list[_Worker] = []
        self._looked = 0.0
        self._on_gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in self._ray.nodes() if node["Alive"])
        here = self._ray.get_runtime_context().get_node_id()
        self._news = self._ray.remote(_News).options(num_cpus=0, scheduling_strategy=self._on(here, soft=False)).remote()
        self._look()
        if not self._nodes:
            self.close()
            raise UserError(f"The nodes of the Ray cluster at {address} have neither GPUs nor CPUs; start some with: ray start")

    def begin(self, ready: Sequence[Job]) -> list[Job]:
        """Begins those of the jobs that there is room for.

        First models that an idle engine fits; then all others in their order, each by an idle process without an engine, by a new
        one where there is room, by another idle one, or in the room of idle ones.

        Raises:
            UserError: a job takes more than any node has.
        """
        self._look()
        begun = []
        for job in (job for job in ready if job.fits):
            if worker := next((each for each in self._idle(job) if each.fits == job.fits), None):
                begun.append(self._give(worker, job))
        for job in (job for job in ready if job not in begun):
            free = next((each for each in self._idle(job) if not each.fits), None)
            if worker := free or self._started(job) or next(iter(self._idle(job)), None) or self._evicted(job):
                begun.append(self._give(worker, job))
        return begun

    def ended(self) -> list[tuple[Job, Result]]:
        """Waits a second, or until some job ends; tells how far the others are."""
        working = {worker.answer: worker for worker in self._workers if worker.job}
        if not working:
            time.sleep(_SECONDS_BETWEEN_NEWS)
        elif self._ray.wait(list(working), timeout=2 * _SECONDS_BETWEEN_NEWS)[0]:
            over, _ = self._ray.wait(list(working), num_returns=len(working), timeout=0)
            ended = [(working[answer].job, self._result(working[answer])) for answer in over]
            self._tell()
            return [(job, result) for job, result in ended if job]
        self._tell()
        return []

    def _look(self) -> None:
        """Notes which nodes are there now."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_NEWS:
            return
        self._looked = time.monotonic()
        alive = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        for identifier in self._nodes.keys() - alive.keys():
            del self._nodes[identifier]
        self._workers = [each for each in self._workers if each.job or each.node.identifier in alive]
        for identifier, told in alive.items():
            total = int(told["Resources"].get("GPU" if self._on_gpus else "CPU", 0))
            if identifier not in self._nodes and total:
                host = told["NodeManagerHostname"]
                beside = [node for node in self._nodes.values() if node.host == host]
                taken = {number for node in beside for number in node.numbers}
                numbers = [*islice((number for number in count() if number not in taken), total)]
                names = (f"{host}-{number}" if number > 1 else host for number in count(1))
                name = next(name for name in names if name not in {node.name for node in beside})
                self._nodes[identifier] = _Node(identifier, host, name, tuple(numbers), numbers)

    def _idle(self, job: Job) -> list[_Worker]:
        return [each for each in self._workers if not each.job and len(each.numbers) == job.devices]

    def _started(self, job: Job) -> _Worker | None:
        """Returns a new process for a job, on the fullest node that has room."""
        most = max((len(node.numbers) for node in self._nodes.values()), default=job.devices)
        if job.devices > most:
            said = f"{job.name}, {job.what}, takes {job.devices} {'GPUs' if self._on_gpus else 'CPUs'} of one node"
            raise UserError(f"{said}, and no node of the cluster has more than {most}; give a smaller --launch, or larger nodes.")
        now = time.monotonic()
        having = [node for node in self._nodes.values() if len(node.free) >= job.devices and node.shunned_until < now]
        if not having:
            return None
        node = min(having, key=lambda node: len(node.free))
        numbers, node.free = node.free[: job.devices], node.free[job.devices :]
        takes = {"num_gpus": job.devices, "num_cpus": 0} if self._on_gpus else {"num_cpus": job.devices}
        process = self._ray.remote(_Process).options(**takes, scheduling_strategy=self._on(node.identifier, soft=False))
        cores = None if self._on_gpus else tuple(numbers)
        worker = _Worker(node, numbers, process.remote(node.name, str(Path.cwd()), cores, self._news))
        self._workers.append(worker)
        return worker

    def _evicted(self, job: Job) -> _Worker | None:
        """Ends idle processes of a node where that makes room for a job, and returns its new one."""
        for node in self._nodes.values():
            idle = [each for each in self._workers if each.node is node and not each.job]
            if len(node.free) + sum(len(each.numbers) for each in idle) >= job.devices:
                for worker in idle:
                    self._ray.kill(worker.actor)
                    self._drop(worker)
                return self._started(job)
        return None

    def _give(self, worker: _Worker, job: Job) -> Job:
        worker.job, worker.answer = job, worker.actor.do.remote(job)
        # a training on GPUs has their memory to itself; on CPUs an engine stays beside it
        worker.fits = job.fits or ("" if self._on_gpus else worker.fits)
        self._watch.state(job, "begun", worker.node.name)
        return job

    def _result(self, worker: _Worker) -> Result:
        from ray.exceptions import RayError, RayTaskError

        try:
            result = self._ray.get(worker.answer)
        except RayTaskError as error:
            # the process lives, and could not even read the job
            said = " ".join(str(error.cause or error).split())[:300]
            result = Result("failed", reason=f"{worker.node.name} cannot do it, where all nodes need the same installation: {said}")
        except RayError as error:
            worker.node.shunned_until = time.monotonic() + _SECONDS_SHUNNED
            with suppress(RayError, ValueError):
                self._ray.kill(worker.actor)
            self._drop(worker)
            return Result("lost", reason=f"its process on {worker.node.name} is gone ({type(error).__name__})")
        worker.job = worker.answer = None
        if result.ended == "failed":
            worker.fits = ""
        return Result(*result)

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.node.free = sorted([*worker.node.free, *worker.numbers])

    def _tell(self) -> None:
        from ray.exceptions import RayError

        with suppress(RayError):
            said, moved = self._ray.get(self._news.take.remote(), timeout=30)
            for line in said:
                progress.say(line)
            for key, how in moved.items():
                self._watch.moved(key, *how)


def _connected(address: str) -> Any:
    """Returns Ray, connected to the cluster."""
    # where nothing runs on a GPU, Ray says for ever that it will not hide GPUs; and it reports its use over the network
    os.environ.update(RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0", RAY_USAGE_STATS_ENABLED="0")
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs Ray, which is not installed; install it with: pip install 'ray>=2.50,<3'") from None
    going = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_GO_ALONG) and not any(each in name for each in _SECRET)
    }
    for name in ("XREASON_DATA", "XREASON_TASKS"):
        if name in going:
            going[name] = str(Path(going[name]).absolute())
    told: dict[str, Any] = {"runtime_env": {"env_vars": going}, "log_to_driver": False, "configure_logging": False}
    if address == "local":
        told |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        if ":" in address:
            # Ray itself takes minutes, and logs them, where nobody listens
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, **told)
    # what it raises is a RayError, a ConnectionError or, of a node that does not start, an Exception and no more
    except Exception as error:
        said = " ".join(str(error).split())[:160]
        raise UserError(
            f"No Ray cluster answers at {address} ({type(error).__name__}: {said}); start one with `ray start --head`, or have one "
            "of this machine alone by --ray local."
        ) from error
    return ray


class _News:
    """What processes tell of their work, until the driver asks."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._moved: dict[tuple[str, str], tuple[int, int, str]] = {}

    def say(self, text: str) -> None:
        self._said.append(text)

    def move(self, key: tuple[str, str], done: int, total: int, words: str) -> None:
        self._moved[key] = done, total, words

    def take(self) -> tuple[list[str], dict[tuple[str, str], tuple[int, int, str]]]:
        news = self._said, self._moved
        self._said, self._moved = [], {}
        return news


class _Process:
    """A process on a node: does one job after another, and tells the driver how it goes."""

    def __init__(self, node: str, folder: str, cores: tuple[int, ...] | None, news: Any) -> None:
        self._node, self._folder, self._news, self._hands = node, folder, news, Hands()
        self._key, self._last = ("", ""), 0.0
        if cores is not None:
            # their numbers among those that this process may use; a node that claims more than there are is not pinned
            allowed = sorted(os.sched_getaffinity(0))
            if max(cores) < len(allowed):
                os.sched_setaffinity(0, {allowed[core] for core in cores})
            os.environ["OMP_NUM_THREADS"] = str(len(cores))
        progress.tell(self)
        if not os.environ.get("XREASON_DEBUG"):
            logging.disable(logging.WARNING)
            warnings.simplefilter("ignore")

    def do(self, job: Job) -> Result:
        self._key = job.key
        try:
            # a base, and what else was given by its path, is looked for from where the command was given
            os.chdir(self._folder)
        except OSError as error:
            return Result(
                "failed", reason=f"{self._node} cannot enter {self._folder} ({error.strerror}); share it between all nodes."
            )
        if not job.fits and "CUDA_VISIBLE_DEVICES" in os.environ:
            self._hands.drop()
        # a plain one, for Ray to carry
        return Result(*attempt(job, self._hands))

    def said(self, text: str) -> None:
        self._news.say.remote(f"{self._node}: {text}")

    def moved(self, done: int, total: int, words: str = "") -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_NEWS:
            self._last = time.monotonic()
            self._news.move.remote(self._key, done, total, words)
