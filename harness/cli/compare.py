"""Commands that make and score models: compare, train, score."""

from functools import partial
from typing import Annotated, Literal

import typer

from xreason.harness.cli import options
from xreason.tasks.errors import UserError


def compare(
    experiment: Annotated[str | None, typer.Argument(help="Experiment file, or one in the box; pocket by default.")] = None,
    model: options.Model = None,
    methods: Annotated[str | None, typer.Option(help="Methods, by commas: slam, two-stage, full, ...")] = None,
    suites: options.Suites = None,
    languages: options.Languages = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, by commas.")] = None,
    limit: options.Limit = None,
    max_new_tokens: options.MaxNewTokens = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    dtype: options.Dtype = None,
    engine: options.Engine = None,
    fresh_engines: options.FreshEngines = None,
    prompt: options.Prompt = None,
    shots: options.Shots = None,
    worked_examples: options.WorkedExamples = None,
    samples: options.Samples = None,
    temperature: options.Temperature = None,
    gen_kwargs: options.GenKwargs = None,
    system_instruction: options.SystemInstruction = None,
    chat_arg: options.ChatArg = None,
    think_end: options.ThinkEnd = None,
    thinking_tokens: options.ThinkingTokens = None,
    reading: options.Reading = None,
    mean: options.Mean = None,
    launch: options.Launch = 1,
    save_minutes: options.SaveMinutes = None,
    ray: options.Ray = None,
    report_to: options.ReportTo = None,
    dry_run: options.DryRun = False,
    tflops: options.Tflops = None,
    exact: options.Exact = False,
    out: options.Out = options.RUNS,
    wide: options.Wide = False,
    as_json: options.Json = False,
) -> None:
    """Trains methods, serves every model with one engine, scores all, and writes a leaderboard."""
    options.heed_dry_run(dry_run, tflops, exact)
    from xreason.harness import progress
    from xreason.harness.experiment import experiment_file, experiment_of_flags, read_experiment
    from xreason.harness.plan import plan_comparison
    from xreason.harness.run import run
    from xreason.harness.serving.arguments import told
    from xreason.harness.serving.models import folder_name

    if not progress.is_first_process():
        raise UserError("A comparison starts its own processes; run it without torchrun, with --launch N.")
    which = {"suites": options.listed(suites), "languages": options.listed(languages), "seeds": options.listed(seeds)}
    served = {
        "base": model,
        "data": data,
        "dtype": dtype,
        "fresh_engines": fresh_engines,
        "limit": limit,
        "reading": reading,
        "mean": mean,
    }
    asked = {"prompt": prompt, "shots": shots, "worked_examples": worked_examples, "system": system_instruction}
    decoded = {"samples": samples, "temperature": temperature, "max_new_tokens": max_new_tokens, "gen_kwargs": gen_kwargs}
    thought = {"chat_args": options.chat_args(chat_arg), "think_end": think_end, "thinking_tokens": thinking_tokens}
    given = options.asked(
        **which, **served, **asked, **thought, **decoded, engine=told(engine) if engine else None, save_minutes=save_minutes
    )
    chosen = options.listed(methods)
    if experiment is None and model is not None and model != "pocket":
        settled = experiment_of_flags({"name": folder_name(model), **given, **({"methods": list(chosen)} if chosen else {})})
    else:
        settled = read_experiment(experiment_file("pocket" if experiment is None else experiment), given, chosen)
    if settled.data is not None:
        options.use_data(settled.data)
    # for processes of other nodes, which begin elsewhere
    place = out if ray is None else out.absolute()
    plan = plan_comparison(settled, place, devices=launch, outline=dry_run)
    if dry_run:
        options.show_outlook(as_json, plan, out, tflops, exact)
        return
    done = run(plan, report_to=options.listed(report_to) or (), ray=ray)
    options.show_boards(as_json, done.boards, wide)
    options.say_where(out / settled.name)
    options.end_with(done.failures)


def train(
    method: Annotated[str, typer.Argument(help="slam, two-stage, full, or another package's.")],
    model: options.Model = None,
    languages: Annotated[str | None, typer.Option(help="Codes to train on, by commas; the papers' ten by default.")] = None,
    source: options.Source = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    seed: options.Seed = 0,
    layers: options.Layers = None,
    corpora: Annotated[
        str | None, typer.Option(help="Train on these instead of the method's own, by commas; also file:PATH.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the corpus, each stage.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its peak, each stage.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences an optimizer step.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Optimizer steps at most, each stage.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows at most, a language and corpus.")] = None,
    held_out: Annotated[
        str | None, typer.Option(help="Tell the loss on rows held out: a share such as 0.05, or file:PATH.")
    ] = None,
    look_every: Annotated[int | None, typer.Option(min=1, help="Steps between two looks at it; ten looks by default.")] = None,
    keep: Annotated[Literal["last", "best"] | None, typer.Option(help="Weights of the last step, or of the best by it.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="End a stage after so many looks without a lower one.")] = None,
    launch: options.Launch = 1,
    save_minutes: options.SaveMinutes = None,
    report_to: options.ReportTo = None,
    dry_run: options.DryRun = False,
    tflops: options.Tflops = None,
    exact: options.Exact = False,
    out: options.Out = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Trains one method into one checkpoint, and reports what it took."""
    options.heed_dry_run(dry_run, tflops, exact)
    from xreason.harness import progress
    from xreason.harness.plan import plan_training_alone
    from xreason.harness.run import run
    from xreason.harness.showing.tables import training_table
    from xreason.harness.training.train import SAVE_MINUTES, read_training

    what = {"layers": options.layers_of(layers), "corpora": list(options.listed(corpora) or ()) or None, "rows": rows}
    how = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_steps": max_steps}
    held = {"held_out": held_out, "look_every": look_every, "keep": keep, "patience": patience}
    settings, codes = {key: value for key, value in (what | how | held).items() if value is not None}, options.codes(languages)
    planned = partial(plan_training_alone, languages=codes, source=source, data=data, seed=seed, devices=launch, outline=dry_run)
    plan = planned(method, settings, model, out, save_minutes=SAVE_MINUTES if save_minutes is None else save_minutes)
    if dry_run:
        options.show_outlook(as_json, plan, out, tflops, exact)
        return
    run(plan, report_to=options.listed(report_to) or ())
    if progress.is_first_process():
        training, folder = read_training(plan.trainings[0].report), plan.trainings[0].folder
        options.show(as_json, training.model_dump(mode="json") | {"checkpoint": str(folder)}, training_table(training))
        options.say_where(folder)


def score(
    models: Annotated[list[str] | None, typer.Argument(help="Hub ids, model folders, checkpoints, or pocket.")] = None,
    suites: options.Suites = None,
    languages: options.Languages = None,
    limit: options.Limit = None,
    max_new_tokens: options.MaxNewTokens = None,
    data: options.Data = None,
    tasks: options.Tasks = None,
    dtype: options.Dtype = None,
    engine: options.Engine = None,
    model_args: options.ModelArgs = None,
    fresh_engines: options.FreshEngines = None,
    prompt: options.Prompt = None,
    shots: options.Shots = None,
    worked_examples: options.WorkedExamples = None,
    samples: options.Samples = None,
    temperature: options.Temperature = None,
    gen_kwargs: options.GenKwargs = None,
    system_instruction: options.SystemInstruction = None,
    chat_arg: options.ChatArg = None,
    think_end: options.ThinkEnd = None,
    thinking_tokens: options.ThinkingTokens = None,
    reading: options.Reading = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of a running vLLM (or another OpenAI-style server).")] = None,
    concurrency: Annotated[str | None, typer.Option(help="Requests to --endpoint in flight; auto for as many as pay.")] = None,
    dry_run: options.DryRun = False,
    tflops: options.Tflops = None,
    exact: options.Exact = False,
    out: options.Out = options.RUNS,
    wide: options.Wide = False,
    as_json: options.Json = False,
) -> None:
    """Scores anything: hub ids, folders, checkpoints, or a running server."""
    options.heed_dry_run(dry_run, tflops, exact)
    from xreason.harness.plan import plan_endpoint, plan_scoring
    from xreason.harness.run import run
    from xreason.harness.scoring.questions import Asking, scorings
    from xreason.harness.serving.arguments import told, told_as_lm_eval

    named_in, dtype_in, arguments = told_as_lm_eval(model_args or "")
    if dtype_in and dtype not in (None, dtype_in):
        raise UserError("dtype is given twice, with different values; give it once.")
    models, served_in = [*(models or ()), *([named_in] if named_in else ())], dtype or dtype_in or "auto"
    arguments = told([*(f"{name}={value}" for name, value in arguments.items()), *(engine or ())])
    if endpoint is not None and arguments:
        raise UserError("A running server has an engine of its own; start it with these arguments, and leave out --engine.")
    if not models and endpoint is None:
        raise UserError("There is nothing to score; name a model (a folder, a hub id, a checkpoint, pocket), or --endpoint URL.")
    if concurrency is not None and endpoint is None:
        raise UserError("--concurrency is of a running server; give its --endpoint, or leave it out.")
    how = {"style": prompt, "shots": shots, "worked_examples": worked_examples, "system": system_instruction, "samples": samples}
    thought = {"chat_args": options.chat_args(chat_arg), "think_end": think_end, "thinking_tokens": thinking_tokens}
    given = options.asked(**how, **thought, temperature=temperature, gen_kwargs=gen_kwargs, max_new_tokens=max_new_tokens)
    longest = given.pop("max_new_tokens", None)
    named = options.listed(suites) or ("mgsm", "msvamp")
    asked = scorings(named, options.listed(languages), limit=limit, max_new_tokens=longest, asking=Asking(**given))
    if endpoint is not None:
        in_flight = options.in_flight(concurrency)
        plan = plan_endpoint(endpoint, models, asked, out, concurrency=in_flight, reading=reading or "paper")
    else:
        planned = partial(plan_scoring, dtype=served_in, engine=arguments, fresh_engines=bool(fresh_engines))
        plan = planned(models, asked, out, reading=reading or "paper", outline=dry_run)
    if dry_run:
        options.show_outlook(as_json, plan, out, tflops, exact)
        return
    done = run(plan)
    options.show_boards(as_json, done.boards, wide)
    options.say_where(plan.folder)
    options.end_with(done.failures)
