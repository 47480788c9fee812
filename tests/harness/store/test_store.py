"""Steps appear whole or not at all, and one process writes at a time."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xreason.harness.store.steps import is_done, key_of, only_writer, step
from xreason.tasks.errors import UserError


def test_a_finished_step_stands_under_its_key_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    with step(folder, "one") as directory:
        (directory / "weights").write_text("1")
        assert not folder.exists()
    assert is_done(folder, "one")
    assert not is_done(folder, "two")
    assert (folder / "weights").read_text() == "1"


def test_a_step_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    with step(folder, "one") as directory:
        (directory / "weights").write_text("1")
    with pytest.raises(KeyboardInterrupt), step(folder, "two") as directory:
        (directory / "weights").write_text("2")
        raise KeyboardInterrupt
    assert is_done(folder, "one")
    assert (folder / "weights").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_step_made_again_keeps_the_old_one_under_another_name(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    with step(folder, "one") as directory:
        (directory / "old").write_text("1")
    with step(folder, "two") as directory:
        (directory / "new").write_text("2")
    assert is_done(folder, "two")
    assert sorted(path.name for path in folder.iterdir()) == ["new", "step.json"]
    (kept,) = (path for path in tmp_path.iterdir() if path.name != "checkpoint")
    assert (kept / "old").read_text() == "1"


def killed_at(rename: int, folder: Path) -> bool:
    """Makes a step of `folder` anew in a process that dies before its so many-th rename; returns whether it got that far."""
    if (child := os.fork()) == 0:
        done, real = 0, os.rename

        def counted(*paths: Any, **told: Any) -> None:
            nonlocal done
            if done == rename:
                os._exit(9)
            done += 1
            real(*paths, **told)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "rename", counted)
            patch.setattr(os, "replace", counted)
            with step(folder, "key", (folder.parent / "need",)) as directory:
                (directory / "new").write_text("2")
            os._exit(0)
    return bool(os.waitpid(child, 0)[1])


def test_a_kill_before_any_rename_loses_neither_the_old_nor_the_new(tmp_path: Path) -> None:
    kills = []
    for number in range(9):
        root = tmp_path / str(number)
        folder, need = root / "checkpoint-key", root / "need"
        for text in ("1", "2"):  # made out of what then is made anew
            with step(need, "need"):
                pass
            if text == "1":
                with step(folder, "key", (need,)) as directory:
                    (directory / "old").write_text("1")
        kills.append(killed_at(number, folder))
        with only_writer(root):
            pass
        assert [path.read_text() for path in root.rglob("old")] == ["1"]
        # the first rename is the mark's, which says that all is there
        assert is_done(folder, "key", (need,)) == (number > 0)
        if not kills[-1]:
            break
    assert kills == [True, True, True, False]


def test_a_damaged_step_file_is_no_finished_step(tmp_path: Path) -> None:
    (tmp_path / "step.json").write_text("[")
    assert not is_done(tmp_path, "one")
    (tmp_path / "step.json").write_text("[]")
    assert not is_done(tmp_path, "one")


def test_a_key_tells_values_apart_but_not_the_order_of_names() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_a_second_writer_of_a_step_is_told_and_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    hold = (
        "from xreason.harness.store.steps import only_writer; from pathlib import Path\n"
        f"with only_writer(Path({str(tmp_path)!r})): print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="Another xreason is making"), only_writer(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with only_writer(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Cannot write to .*--out"), only_writer(tmp_path / "file" / "runs"):
        pass
