"""Large files are read once for their hash, until they are written to."""

import os
import shutil
import time
from pathlib import Path

import pytest

from xreason.trainers.checkpoints.base import base_hash
from xreason.trainers.checkpoints.hashes import kept_hash
from xreason.trainers.pocket import MODEL


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_ten_models_of_a_quarter_gigabyte_are_hashed_in_no_time_once_they_are_known(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.truncate(2**28)
    began = time.perf_counter()
    first = base_hash(tmp_path / "model")
    once = time.perf_counter() - began
    began = time.perf_counter()
    assert {base_hash(tmp_path / "model") for _ in range(10)} == {first}
    assert time.perf_counter() - began < once / 2


@pytest.mark.parametrize("how", ["longer", "other", "other, with its time put back", "another file in its place"])
def test_a_file_that_changed_has_another_hash(how: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    before, first = path.stat(), kept_hash([path])
    time.sleep(0.02)  # of the clock that files are stamped by
    if how == "longer":
        path.write_bytes(b"more")
    elif how == "another file in its place":
        (tmp_path / "other").write_bytes(b"two")
        (tmp_path / "other").replace(path)
    else:
        path.write_bytes(b"two")
    if how.startswith("other,"):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept_hash([path]) != first


@pytest.mark.parametrize("damage", ["", "short", "x" * 64])
def test_a_damaged_or_unwritable_cache_changes_no_hash(damage: str, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = kept_hash([path])
    for kept in (cache / "xreason" / "hashes").iterdir():
        kept.write_text(damage)
    assert kept_hash([path]) == first
    shutil.rmtree(cache)
    cache.write_text("no folder")
    assert kept_hash([path]) == first
