"""Groups of languages: by how much text there is of them, by script and by family, from table.json beside this file.

    "sw": {"english": "Swahili", "native": "Kiswahili", "script": "Latin", "family": "niger-kordofanian", "resource": 2}

Names and scripts are CLDR's, as Babel has it; `python -m xreason.tasks.cldr.codes` writes them anew. `resource` is the class of
Joshi et al. 2020 (arXiv 2004.09095, its lang2tax.txt: 0 left behind, 5 the winners); 4 and 5 are `high`, 3 is `mid`, 0 to 2 are
`low`, as Global-MMLU takes them (arXiv 2412.03304). `family` is the topmost group above a language in CLDR 46
(supplemental/languageGroups.json) below "all languages", by its name in ISO 639-5; Korean is none's but its own.
"""

from collections.abc import Mapping

from xreason.tasks.languages import TABLE

_RESOURCES = ("low", "low", "low", "mid", "high", "high")


def groups_of(code: str) -> tuple[str, ...]:
    """Returns the groups that a language is in: its resource, its script, its family; none of a language of one's own."""
    said = TABLE.get(code)
    if said is None:
        return ()
    return tuple(dict.fromkeys((_RESOURCES[said["resource"]], str(said["script"]).lower(), str(said["family"]))))


#: Name of a group to the codes of its languages, in the order of the table.
GROUPS: Mapping[str, tuple[str, ...]] = {
    name: tuple(code for code in TABLE if name in groups_of(code))
    for name in sorted({name for each in TABLE for name in groups_of(each)})
}
