"""The table of languages is CLDR's, and groups are of the languages in it."""

import pytest

from xreason.tasks.added import TASKS_FOLDER, Registry
from xreason.tasks.cldr.codes import language, language_of, table_anew
from xreason.tasks.cldr.groups import GROUPS, groups_of
from xreason.tasks.errors import UserError
from xreason.tasks.languages import IN_BOX, TABLE
from xreason.tasks.suites import suites_with


def test_names_and_scripts_are_those_of_cldr() -> None:
    assert table_anew() == (TASKS_FOLDER / "cldr" / "table.json").read_text(encoding="utf-8")


def test_the_table_has_the_languages_of_all_suites_and_no_other() -> None:
    assert {code for suite in suites_with(Registry()).values() for code in suite.languages} == set(TABLE) >= set(IN_BOX)


def test_every_language_is_in_a_group_of_resources_of_script_and_of_family() -> None:
    assert groups_of("sw") == ("low", "latin", "niger-kordofanian")
    assert groups_of("bn") == ("mid", "bangla", "indo-european")
    assert groups_of("th") == ("mid", "thai", "tai")
    assert groups_of("xx") == ()
    assert sorted(GROUPS["high"] + GROUPS["mid"] + GROUPS["low"]) == sorted(TABLE)
    assert set(GROUPS["arabic"]) == {"ar", "ur"}


def test_a_tag_is_read_in_one_way_by_whoever_meets_it() -> None:
    for tag in ("sw", "swa", "swh_Latn", "jap", "jpn_Jpan", "zho_Hans", "ben", "kor_Hang", "srp_Cyrl"):
        assert language_of(tag) == language(tag).code, tag
    # what names a task may be another script's; what a person asks for may not
    assert language_of("ben_Latn") == "bn_Latn"
    with pytest.raises(UserError, match="'ben_Latn' is another script than that of the suites' questions; give 'bn'"):
        language("ben_Latn")
