"""Methods by name: the three in the box, and those that other packages bring.

A package adds a method by an entry point in the group `xreason.methods` that names a function which returns a Method:

    [project.entry-points."xreason.methods"]
    my-method = "my_package.my_method:my_method"
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tasks.errors import UserError
from tasks.names import canonical, unknown
from trainers.stages import STAGE_SETTINGS, FeedForward, Method, Stage

GROUP = "xreason.methods"

# The same as in pyproject.toml: entry points are found only once a distribution is installed, and a source tree must work too.
_IN_THE_BOX = (
    EntryPoint("slam", "trainers.slam:slam", GROUP),
    EntryPoint("two-stage", "trainers.two_stage:two_stage", GROUP),
    EntryPoint("full", "trainers.full:full", GROUP),
)


def method_names() -> tuple[str, ...]:
    """Returns the names of all methods: ours in the order of their cost, then those of other packages by name.

    Raises:
        UserError: two packages bring a method of the same name.
    """
    return tuple(_registered())


def load_method(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """Returns the method called `name`, with `settings` applied.

    Args:
        name: hyphens and underscores are the same, case does not matter.
        settings: those that the method's function takes (such as `layers` of slam) go to it, the rest to Method.with_settings.

    Raises:
        UserError: there is no such method or setting, its package cannot be imported, or what it returns is no Method.
    """
    registered = _registered()
    entry = registered.get(canonical(name))
    if entry is None:
        raise unknown("method", name, registered)
    try:
        factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"Method {name!r} is registered as {entry.value}, which cannot be imported ({error}); repair that package."
        ) from error
    own = set(inspect.signature(factory).parameters)
    given = dict(settings or {})
    for key in given:
        if key not in {*own, *STAGE_SETTINGS, "stages"}:
            raise unknown(f"setting of {entry.name}", str(key), {*own, *STAGE_SETTINGS, "stages"})
    method = factory(**{key: value for key, value in given.items() if key in own})
    if not isinstance(method, Method):
        raise UserError(
            f"Method {name!r} ({entry.value}) returned {type(method).__name__}; it must return a trainers.stages.Method."
        )
    return method.with_settings({key: value for key, value in given.items() if key not in own})


def wants_layers(method: Method) -> bool:
    """Returns whether a stage says `layers: auto`, so that the language layers must be found before the method can run."""
    return any(_wants_layers(stage) for stage in method.stages)


def with_layers(method: Method, layers: Sequence[int], evidence: str) -> Method:
    """Returns the method with `layers` where its stages say auto.

    Args:
        method: left as it is where no stage says auto.
        layers: indices.
        evidence: why these, in words; boards show it.
    """
    tune = FeedForward(tuple(layers), evidence)
    return replace(method, stages=tuple(replace(stage, tune=tune) if _wants_layers(stage) else stage for stage in method.stages))


def _wants_layers(stage: Stage) -> bool:
    return isinstance(stage.tune, FeedForward) and stage.tune.layers == "auto"


def _registered() -> dict[str, EntryPoint]:
    found = {entry.name: entry for entry in _IN_THE_BOX}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        name = canonical(entry.name)
        if name in found and found[name].value != entry.value:
            raise UserError(
                f"Both {found[name].value} and {entry.value} call themselves method {name!r}; uninstall one of the packages."
            )
        found[name] = entry
    return found
