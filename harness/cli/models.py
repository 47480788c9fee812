"""Commands about models and methods: layers, count, doctor, methods, export, pocket build."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError


def layers(
    model: Annotated[str, typer.Argument(help="A folder, a hub id, or pocket.")],
    suite: Annotated[str | None, typer.Option(help="Ask this suite's questions; training questions by default.")] = None,
    languages: options.Languages = None,
    questions: Annotated[int, typer.Option(min=1, help="Parallel questions a language.")] = 1000,
    source: options.Source = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    out: options.Out = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Finds which layers hold languages: table, JSON, and a plot (PNG and SVG)."""
    from xreason.harness.plan import plan_finding
    from xreason.harness.run import run
    from xreason.harness.training.found import layers_table
    from xreason.harness.training.layers import find_layers

    chosen = options.codes(languages)
    plan = plan_finding(model, out, suite=suite, languages=chosen, questions=questions, source=source, data=data)
    run(plan)
    found = find_layers(plan.layers[0])
    options.show(as_json, found.model_dump(mode="json"), layers_table(found))
    options.say_where(plan.layers[0].folder)


def count(
    model: Annotated[str, typer.Argument(help="A model, or a folder with nothing but its config.json.")],
    method: Annotated[str, typer.Option(help="slam, two-stage, full, or another package's.")] = "slam",
    layers: options.Layers = None,
    as_json: options.Json = False,
) -> None:
    """Counts what a method tunes of a model, and estimates what training takes; no weights are needed."""
    from xreason.harness.showing.tables import count_table
    from xreason.harness.training.counting import count_method
    from xreason.trainers.methods import load_method
    from xreason.trainers.tuning.counting import skeleton

    settings = {} if layers is None else {"layers": options.layers_of(layers)}
    counted = count_method(skeleton(model), model, load_method(method, settings))
    options.show(as_json, counted.model_dump(mode="json"), count_table(counted))


def doctor(
    data: options.Data = None,
    tasks: options.Tasks = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Prove the GPU: train and serve a random model, into gpu.json.")] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="With --gpu: what no longer fits is left out.")] = 8.0,
    shape: Annotated[Literal["7b", "tiny"], typer.Option(help="With --gpu: tiny tries it out, also on a CPU.")] = "7b",
    as_json: options.Json = False,
) -> None:
    """Says what this machine has, and what a 7B model would need."""
    if not minutes <= 1440:
        raise UserError(f"--minutes {minutes:g} is no time that a proof takes; give such as 8.")
    if gpu:
        from xreason.harness.showing.gpu import proof_tables, prove

        proved = prove(shape, minutes, Path("gpu.json"))
        options.show(as_json, proved, *proof_tables(proved))
        return
    from xreason.harness.showing.doctor import diagnose, doctor_tables

    diagnosis = diagnose()
    options.show(as_json, diagnosis, *doctor_tables(diagnosis))


def methods(
    rewards: Annotated[bool, typer.Option("--rewards", help="Lists what stages can be rewarded for instead.")] = False,
    as_json: options.Json = False,
) -> None:
    """Lists methods, the box's and other packages': their stages and sources."""
    from xreason.harness.showing.tables import methods_as_dicts, methods_table, rewards_table

    if rewards:
        from xreason.tasks.rewards.named import list_rewards

        options.show(as_json, list_rewards(), rewards_table())
        return
    options.show(as_json, methods_as_dicts(), methods_table())


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of a training.")],
    directory: Annotated[Path, typer.Argument(help="Folder for the whole model.")],
    push: Annotated[str | None, typer.Option("--push", help="Also upload it to this repository of the hub.")] = None,
) -> None:
    """Writes a checkpoint as a whole Transformers folder with a model card."""
    from xreason.harness.showing.export import export as write
    from xreason.harness.store.writable import check_writable

    check_writable(directory, "name another folder")
    options.say_where(write(checkpoint, directory, push=push))


def pocket_build(
    directory: Annotated[Path, typer.Argument(help="Folder for the model.")],
    seed: options.Seed = 0,
) -> None:
    """Makes the pocket model again from nothing: tokenizer and weights (minutes on two cores)."""
    from xreason.harness import progress
    from xreason.harness.store.writable import check_writable
    from xreason.trainers.pocket.build import build

    check_writable(directory, "name another folder")
    if directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory} is not empty; name a new folder.")
    with progress.bar("building the pocket model") as report:
        build(directory, seed=seed, progress=lambda step, steps, loss: report(step, steps, f"loss {loss:.3f}"))
    options.say_where(directory)
