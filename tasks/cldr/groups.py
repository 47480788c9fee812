"""Groups of languages: by how much text there is of them, by script and by family, from table.json beside this file.

    "sw": {"english": "Swahili", "native": "Kiswahili", "script": "Latin", "family": "niger-kordofanian", "resource": 2}

Names and scripts are CLDR's, as Babel has it; `python -m xreason.tasks.cldr.codes` writes them anew. `resource` is the class of
Joshi et al. 2020 (arXiv 2004.09095, its lang2tax.txt: 0 left behind, 5 the winners); 4 and 5 are `high`, 3 is `mid`, 0 to 2 are
`low`, as Global-MMLU takes them (arXiv 2412.03304). `family` is the topmost group above a language in CLDR 46
(supplemental/languageGroups.json) below "all languages", by its name in ISO 639-5; Korean is none's but its own.
"""

from collections.abc import Collection, Iterable, Mapping

from xreason.tasks.errors import UserError
from xreason.tasks.languages import TABLE
from xreason.tasks.names import unknown

_RESOURCES = ("low", "low", "low", "mid", "high", "high")
#: What languages are grouped by.
KINDS = ("resource", "script", "family")


def _by_kind(code: str) -> dict[str, str]:
    said = TABLE.get(code)
    if said is None:
        return {}
    return {"resource": _RESOURCES[said["resource"]], "script": str(said["script"]).lower(), "family": str(said["family"])}


def groups_of(code: str) -> tuple[str, ...]:
    """Returns the groups that a language is in: its resource, its script, its family; none of a language of one's own."""
    return tuple(dict.fromkeys(_by_kind(code).values()))


#: Name of a group to the codes of its languages, in the order of the table.
GROUPS: Mapping[str, tuple[str, ...]] = {
    name: tuple(code for code in TABLE if name in groups_of(code))
    for name in sorted({name for each in TABLE for name in groups_of(each)})
}


def chosen_groups(names: Iterable[str], codes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Returns the groups that are named, of these languages: "low resource" to the codes of it; a kind names all groups of it.

    Groups of a kind are in the order high, mid, low, else in that of the alphabet.

    Raises:
        UserError: a name is of no group and no kind, or none of the languages is in the group.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    for name in (each.strip().lower() for each in names):
        if name not in KINDS and name not in GROUPS:
            raise unknown("group of languages", name, (*KINDS, *GROUPS))
        kinds = [name] if name in KINDS else [kind for kind in KINDS if name in {_by_kind(code)[kind] for code in GROUPS[name]}][:1]
        found: dict[str, list[str]] = {}
        for code in sorted(code for code in codes if code in TABLE):
            group = _by_kind(code)[kinds[0]]
            if name in KINDS or group == name:
                found.setdefault(group, []).append(code)
        if not found:
            of = f"scored were {', '.join(sorted(codes))}"
            raise UserError(f"No language of the group {name} was scored ({of}); name another with --groups, or leave it out.")
        for group in sorted(found, key=lambda group: (_RESOURCES[::-1].index(group) if group in _RESOURCES else 0, group)):
            chosen[f"{group} {kinds[0]}"] = tuple(found[group])
    return chosen
