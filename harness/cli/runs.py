"""Commands about the run store: what it holds, and the removal of what is named."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from xreason.harness.cli import options
from xreason.tasks.errors import UserError

if TYPE_CHECKING:
    from xreason.harness.store.holdings import Holding


class RunsGroup(TyperGroup):
    """Lists, where no command of its own is named: `xreason runs`, `xreason runs DIR`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Puts the command in front that is meant."""
        named = args[:1] and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["list", *args])


def runs_list(
    folder: Annotated[Path, typer.Argument(help="Run store, or a folder of it.")] = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Lists what the run store holds: what, how old, how large, and what uses it."""
    from xreason.harness.showing.tables import holdings_as_dicts, holdings_table
    from xreason.harness.store.holdings import holdings

    found = holdings(folder)
    options.show(as_json, holdings_as_dicts(found), holdings_table(found, str(folder)))


def runs_clean(
    names: Annotated[list[str], typer.Argument(help="Folders to remove, as `xreason runs` lists them, or whole rows.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    out: options.Out = options.RUNS,
) -> None:
    """Removes what is named, and nothing else; asks before."""
    from xreason.harness import progress
    from xreason.harness.showing.tables import holdings_table
    from xreason.harness.store.holdings import remove
    from xreason.leaderboards.forms.format import size

    def sure(going: "list[Holding]") -> bool:
        progress.console.print(holdings_table(going, f"to be removed from {out}"))
        try:
            return yes or typer.confirm("Remove all of this?", err=True)
        except typer.Abort:
            raise UserError("Nothing is removed: nobody is there to ask; give --yes.") from None

    progress.say(f"{size(remove(out, names, sure))} removed")
