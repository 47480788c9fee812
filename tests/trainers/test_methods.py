"""Methods by name: ours, and one that another package brings."""

import io
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from tests.places import ROOT
from xreason.harness.showing.tables import methods_as_dicts, methods_table
from xreason.tasks.errors import UserError
from xreason.trainers.combining.declared import LayerSwap, Merge
from xreason.trainers.methods import list_methods, load_method, load_row, method_names, wants_layers, with_layers
from xreason.trainers.stages import AllParameters, FeedForward

HALF = '''"""Half: tunes chosen layers on questions only."""
from xreason.trainers.stages import FeedForward, Method, Stage


def half(depth: int = 1) -> Method:
    return Method("half", (Stage("half", ("question-translation",), FeedForward(depth)),), "nobody", "A test.")


def broken() -> str:
    return "no method"


def failing(size: int = 0) -> Method:
    return half(1 // size)


def based() -> Method:
    from dataclasses import replace
    return replace(half(), base="their/model")
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lays out an installed distribution that brings methods."""
    information = tmp_path / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    entries = "".join(f"{name} = other_methods:{name}\n" for name in ("half", "broken", "failing", "gone", "based"))
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


BROKEN = [
    ("broken", "returned str"),
    ("gone", "cannot be imported .AttributeError"),
    ("failing", "cannot be made of {} .ZeroDivisionError"),
]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(("name", "message"), BROKEN)
def test_a_broken_method_of_another_package_is_named_with_its_package(name: str, message: str) -> None:
    with pytest.raises(UserError, match=f"{message}.*other 1.0"):
        load_method(name)


@pytest.mark.usefixtures("package")
def test_a_broken_method_of_another_package_is_a_line_in_the_list_and_hides_no_other() -> None:
    listed = {each.name: each for each in list_methods()}
    for name, message in BROKEN:
        assert listed[name].method is None
        assert re.search(message, listed[name].problem)
    assert listed["half"].method == load_method("half")
    assert (listed["half"].package, listed["slam"].package) == ("other 1.0", "xreason")
    rows = {row["method"]: row for row in methods_as_dicts()}
    assert rows["half"]["stages"][0]["tuned"] == "up_proj, down_proj of layers 0"
    assert [stage["corpora"] for stage in rows["two-stage"]["stages"]] == [["question-translation"], ["english-reasoning"]]
    assert rows["gone"]["stages"] == []
    assert rows["gone"]["problem"]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(methods_table())
    text = console.export_text()
    assert all(name in text for name in method_names())


def test_a_name_that_two_packages_use_is_refused_and_the_others_are_not(package: Path) -> None:
    (package / "entry_points.txt").write_text("[xreason.methods]\nslam = other_methods:half\n")
    with pytest.raises(UserError, match=r"xreason.trainers.slam:slam \(xreason\) and other_methods:half \(other 1.0\) all call"):
        load_method("slam")
    assert load_method("full").name == "full"
    (slam,) = [each for each in list_methods() if each.name == "slam"]
    assert (slam.method, slam.package) == (None, "xreason and other 1.0")


@pytest.mark.usefixtures("package")
def test_a_method_may_start_from_a_model_of_its_own_and_a_setting_wins() -> None:
    assert load_method("half").base is None
    assert load_method("based").base == "their/model"
    assert load_method("based", {"base": "my/model"}).base == "my/model"
    assert load_method("two-stage", {"base": "plain/model", "epochs": 1}).stages[1].epochs == 1
    assert load_method("two-stage", {"base": "plain/model"}).base == "plain/model"
    with pytest.raises(UserError, match="base=7 is not possible in method 'full'; give a folder"):
        load_method("full", {"base": 7})


def test_what_takes_other_rows_has_the_settings_of_its_function_and_cannot_be_trained() -> None:
    swap = load_row("layer-swap", {"of": ["slam", "full"], "bottom": "2", "base": "pocket"})
    assert swap == Merge(
        name="layer-swap",
        of=("slam", "full"),
        formula=LayerSwap(bottom=2),
        source=swap.source,
        description=swap.description,
        base="pocket",
    )
    with pytest.raises(UserError, match=r"layer-swap trains nothing by itself.*xreason compare --methods layer-swap"):
        load_method("layer-swap")
    for name, key in (("layer-swap", "epochs"), ("layer-swap", "bottm"), ("translate-test", "base")):
        with pytest.raises(UserError, match=f"There is no setting of {name} '{key}'"):
            load_row(name, {key: 1})
    with pytest.raises(UserError, match=r"share=2 is not possible.*give a number from 0 to 1"):
        load_row("layer-swap", {"share": 2})


def test_english_sft_is_the_second_stage_of_two_stage() -> None:
    assert load_method("english-sft").stages == load_method("two-stage").stages[1:]
    assert load_method("english-sft").stages[0].corpora == ("english-reasoning",)


def test_without_an_installation_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError, match=r"xreason is not installed here.*run `pip install -e .`"):
        load_method("slam")


def test_ours_come_first_and_others_by_name(package: Path) -> None:
    (package / "entry_points.txt").write_text("[xreason.methods]\nzeta = other_methods:half\nalpha_beta = other_methods:half\n")
    trained = ("slam", "two-stage", "full", "mathoctopus", "lora", "english-sft", "language-sft", "mapo", "grpo")
    assert method_names() == (
        *trained,
        "layer-swap",
        "linear",
        "task-arithmetic",
        "translate-test",
        "self-consistency",
        "alpha-beta",
        "zeta",
    )


def test_what_is_in_the_box_is_declared_for_an_installed_distribution_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = project["project"]["entry-points"]["xreason.methods"]
    assert set(declared) == {each.name for each in list_methods() if each.package == "xreason"}
    assert all(load_row(name).name == name for name in declared)


def test_nothing_heavy_is_imported_with_the_methods() -> None:
    code = (
        "import sys, xreason.trainers.methods, xreason.trainers.corpora.load\nimport "
        "xreason.trainers.train, xreason.trainers.checkpoints.delta, xreason.trainers.loop.reports\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'accelerate'} & set(sys.modules)))"
    )
    root = ROOT
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
