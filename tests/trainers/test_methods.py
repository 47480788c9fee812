"""Methods by name: ours, and one that another package brings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import UserError
from trainers.methods import load_method, method_names, wants_layers, with_layers
from trainers.stages import AllParameters, FeedForward

HALF = '''"""Half: tunes chosen layers on questions only."""
from trainers.stages import FeedForward, Method, Stage


def half(depth: int = 1) -> Method:
    return Method("half", (Stage("half", ("question-translation",), FeedForward(depth)),), "nobody", "A test.")


def broken() -> str:
    return "no method"
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lays out an installed distribution that brings methods."""
    information = tmp_path / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    entries = "half = other_methods:half\nbroken_one = other_methods:broken\ngone = other_methods:gone\n"
    (information / "entry_points.txt").write_text(f"[xreason.methods]\n{entries}")
    (tmp_path / "other_methods.py").write_text(HALF)
    monkeypatch.syspath_prepend(str(tmp_path))
    return information


def test_the_three_in_the_box_are_known() -> None:
    assert method_names()[:3] == ("slam", "two-stage", "full")


@pytest.mark.parametrize("name", ["two-stage", "two_stage", "Two-Stage"])
def test_hyphens_underscores_and_case_do_not_matter(name: str) -> None:
    assert load_method(name).name == "two-stage"


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'slam'"):
        load_method("slamm")


def test_settings_of_the_function_go_to_it_and_the_rest_to_the_stages() -> None:
    (stage,) = load_method("slam", {"layers": [0, 3], "epochs": 1}).stages
    assert (stage.tune, stage.epochs) == (FeedForward((0, 3)), 1)


def test_found_layers_go_where_a_stage_says_auto_and_nowhere_else() -> None:
    given = [load_method("slam"), load_method("slam", {"layers": 2}), load_method("full")]
    assert [wants_layers(method) for method in given] == [True, False, False]
    found = [with_layers(method, (0, 1), "seen").stages[0].tune for method in given]
    assert found == [FeedForward((0, 1), "seen"), FeedForward(2), AllParameters()]


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'layers'"):
        load_method("slam", {"layer": 2})


@pytest.mark.usefixtures("package")
def test_another_package_brings_a_method_by_entry_point() -> None:
    assert "half" in method_names()
    assert load_method("half", {"depth": 2}).stages[0].tune == FeedForward(2)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(("name", "message"), [("broken-one", "returned str"), ("gone", "cannot be imported")])
def test_a_broken_method_of_another_package_is_named(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_method(name)


def test_two_packages_with_one_name_are_refused(package: Path) -> None:
    (package / "entry_points.txt").write_text("[xreason.methods]\nslam = other_methods:half\n")
    with pytest.raises(UserError, match="Both "):
        method_names()


def test_nothing_heavy_is_imported_with_the_methods() -> None:
    code = (
        "import sys, trainers.methods, trainers.corpora, trainers.train, trainers.checkpoint, trainers.loop\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'trl'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
