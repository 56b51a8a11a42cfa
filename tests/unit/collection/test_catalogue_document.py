# The catalogue against the document it was made from, and the sentence that each defect of a catalogue gives.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue

KNOWN = catalogue.load()
CONTROLS = list(KNOWN.controls.values())

# ---------------------------------------------------------------------- the document, read on its own

COUNTS = {
    "infrastructure": 22,
    "security_configuration": 17,
    "application_configuration": 11,
    "deployment": 22,
    "functional_testing": 19,
    "performance_testing": 5,
    "security_testing": 5,
    "monitoring": 12,
    "documentation": 12,
    "team": 8,
    "backup": 5,
    "go_live": 28,
    "post_go_live": 24,
    "emergency": 8,
    "sign_off": 6,
}
HEADING = re.compile(r"#{2,3} (.+?)(?: ✅)?\s*")
STEP = re.compile(r"\d+\. \*\*(.+)\*\*\s*")
GROUP = re.compile(r"- \[ \] \*\*([^*]+)\*\*\s*")
SIGNATURE = re.compile(r"- \[ \] \*\*([^*]+)\*\*: _+ Date: _+\s*")
ITEM = re.compile(r"\s*- \[ \] (?!\*\*)(.+?)\s*")
STATEMENT = re.compile(r"  - (?!\[)(.+?)\s*")


@dataclass
class Section:
    title: str
    items: list[str] = field(default_factory=list)
    groups: list[tuple[str, bool]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


def read_document() -> dict[str, Section]:
    """The sections by title; a heading opens one where the catalogue has a section of that title."""
    sections: dict[str, Section] = {}
    titles = {control.section_title for control in CONTROLS}
    current = Section("")
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines():
        if match := HEADING.fullmatch(line):
            if match[1] in titles:
                current = sections[match[1]] = Section(match[1])
            elif re.match(r"Step \d|\w+ Sign-off", match[1]):
                current.groups.append((match[1], False))
        elif match := STEP.fullmatch(line):
            current.groups.append((match[1], False))
        elif match := GROUP.fullmatch(line):
            current.groups.append((match[1], True))
        elif match := SIGNATURE.fullmatch(line) or ITEM.fullmatch(line):
            current.items.append(match[1])
        elif match := STATEMENT.fullmatch(line):
            current.statements.append(match[1])
    return sections


DOCUMENT = read_document()


def test_the_document_has_204_items_239_boxes_and_18_statements() -> None:
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    assert text.count("- [ ] ") == 239
    assert sum(len(section.items) for section in DOCUMENT.values()) == 204
    assert sum(len(section.statements) for section in DOCUMENT.values()) == 18
    assert sum(box for section in DOCUMENT.values() for _title, box in section.groups) == 239 - 204


def test_every_section_has_its_number_of_controls() -> None:
    assert dict(Counter(control.section for control in CONTROLS)) == COUNTS
    assert list(KNOWN.sections) == list(COUNTS)
    assert len(KNOWN.controls) == 204


def test_sections_stand_in_the_order_of_the_document() -> None:
    assert [KNOWN.section(name)[0].section_title for name in KNOWN.sections] == list(DOCUMENT)


@pytest.mark.parametrize("name", COUNTS)
def test_titles_are_the_document_s_in_its_order(name: str) -> None:
    controls = KNOWN.section(name)
    section = DOCUMENT[controls[0].section_title]
    assert [control.title for control in controls] == section.items


@pytest.mark.parametrize("name", COUNTS)
def test_groups_and_their_boxes_are_the_document_s(name: str) -> None:
    groups = [group for group in KNOWN.groups.values() if group.section == name]
    title = KNOWN.section(name)[0].section_title
    # Sections 6, 7 and 11 have no heading below their own, so their one group bears the section's.
    assert [(group.title, group.box) for group in groups] == (DOCUMENT[title].groups or [(title, False)])


def test_boxes_add_up() -> None:
    assert len(KNOWN.controls) + sum(group.box for group in KNOWN.groups.values()) == 239


def test_statements_are_the_document_s() -> None:
    statements = [statement for control in CONTROLS for statement in control.statements]
    assert [statement.title for statement in statements] == DOCUMENT["Sign-off"].statements
    assert len({statement.id for statement in statements}) == 18
    assert {len(control.statements) for control in KNOWN.section("sign_off")} == {3}


# ---------------------------------------------------------------------- rules over all controls

# Which methods settle what, the settling one first: A automated, D documented, H attested. The longest prefix counts.
METHODS = {
    "infrastructure": "A",
    "security_configuration": "A",
    "security_configuration.auth.default_users": "AD",
    "security_configuration.secrets.rotation": "DA",
    "security_configuration.containers.scanned": "DA",
    "application_configuration": "A",
    "application_configuration.environment.feature_flags": "AD",
    "application_configuration.tuning.vpa": "AH",
    "deployment": "A",
    "functional_testing": "A",
    "performance_testing": "A",
    "security_testing": "A",
    "monitoring": "A",
    "monitoring.alerting.escalation": "AD",
    "documentation": "D",
    "team.training": "H",
    "team.access.production": "AH",
    "team.access.emergency": "D",
    "team.access.service_accounts": "A",
    "team.access.review": "DA",
    "backup.drills": "A",
    "backup.drills.recovery": "DA",
    "backup.drills.rto_rpo": "AD",
    "backup.drills.disaster": "DH",
    "go_live": "A",
    "go_live.review": "H",
    "go_live.review.placeholders": "A",
    "go_live.change.request": "DA",
    "go_live.change.stakeholders": "HA",
    "go_live.change.rollback_plan": "AH",
    "go_live.change.communication": "D",
    "go_live.testing.acceptance": "H",
    "go_live.testing.penetration": "DH",
    "go_live.t_minus_2h.team": "HA",
    "go_live.t_minus_2h.channels": "AH",
    "go_live.t_plus_2h.feedback": "HA",
    "post_go_live": "A",
    "post_go_live.day_support": "HA",
    "post_go_live.day_support.documentation": "HD",
    "post_go_live.month_optimization": "AH",
    "post_go_live.month_process": "DH",
    "emergency": "DA",
    "sign_off": "H",
}
LETTERS = {"automated": "A", "documented": "D", "attested": "H"}
STAGES_OF_SECTIONS = {
    "infrastructure": ("preflight", "validate", "operations"),
    "security_configuration": ("deploy", "validate", "operations"),
    "application_configuration": ("validate",),
    "deployment": ("deploy",),
    "functional_testing": ("validate",),
    "performance_testing": ("validate",),
    "security_testing": ("validate",),
    "monitoring": ("validate",),
    "documentation": ("operations",),
    "team": ("operations",),
    "backup": ("operations",),
    "go_live": ("sign_off", "t_minus_2h"),
    "emergency": ("operations",),
    "sign_off": ("sign_off",),
}
PERMITTED_NOT_APPLICABLE = {
    "application_configuration.tuning.vpa",
    "deployment.secrets.redis",
    *(f"infrastructure.cache.{item}" for item in ("version", "credentials", "persistence", "memory")),
}


def ids_where(holds: Callable[[catalogue.Control], object]) -> list[str]:
    return [control.id for control in CONTROLS if holds(control)]


def rule_for(control: catalogue.Control) -> str:
    parts = control.id.split(".")
    return next(METHODS[prefix] for length in (3, 2, 1) if (prefix := ".".join(parts[:length])) in METHODS)


def test_methods_follow_the_rules() -> None:
    assert not ids_where(lambda it: "".join(LETTERS[method] for method in it.methods) != rule_for(it))


def test_what_can_be_observed_or_examined_names_what_turns_it_red() -> None:
    assert not ids_where(lambda it: not it.faults and it.methods != ("attested",))


def test_ids_have_three_parts_in_american_spelling() -> None:
    assert not ids_where(lambda it: not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){2}", it.id))
    assert not ids_where(lambda it: re.search(r"isation|ised|ising|iser|behaviour|colour|licence", it.id))


def expected_stages(control: catalogue.Control) -> tuple[str, ...]:
    if control.group.startswith("t_"):
        return (control.group,)
    if control.section == "post_go_live":
        return (control.group.split("_")[0],)
    return STAGES_OF_SECTIONS[control.section]


def test_stage_fits_its_section() -> None:
    assert not ids_where(lambda it: it.stage not in expected_stages(it))


def test_what_counts_from_go_live_asks_when_it_is() -> None:
    later = catalogue.STAGES[catalogue.STAGES.index("sign_off") + 1 :]
    assert not ids_where(lambda it: it.stage in later and "bytebot_go_live" not in it.inputs)


def test_a_need_is_named_once_and_directly() -> None:
    assert not ids_where(lambda it: {far for need in it.needs for far in KNOWN.rests_on(need)} & set(it.needs))


def test_needs_have_no_circle() -> None:
    order = list(TopologicalSorter({control.id: control.needs for control in CONTROLS}).static_order())
    assert len(order) == 204


def test_rests_on_follows_needs_to_the_end() -> None:
    assert KNOWN.rests_on("deployment.health.live") >= {
        "deployment.execution.endpoints",
        "deployment.execution.pods",
        "infrastructure.database.version",
    }
    assert not KNOWN.rests_on("infrastructure.cluster.version")


def test_only_what_a_release_need_not_have_may_be_not_applicable() -> None:
    assert {control.id for control in CONTROLS if control.not_applicable} == PERMITTED_NOT_APPLICABLE


def test_no_statement_is_about_what_is_judged_after_the_sign_off() -> None:
    limit = catalogue.STAGES.index("sign_off")
    for control in CONTROLS:
        for statement in control.statements:
            bearing = KNOWN.bearing_on(statement)
            assert bearing
            assert not [each.id for each in bearing if catalogue.STAGES.index(each.stage) > limit]


def row_of_counts(name: str, controls: list[catalogue.Control]) -> str:
    stages = Counter(control.stage for control in controls)
    settled_by = Counter(control.methods[0] for control in controls)
    numbers = [*(stages[name] for name in catalogue.STAGES), *(settled_by[name] for name in catalogue.METHODS)]
    return f"| {name} | {len(controls)} | {' | '.join(str(number or '·') for number in numbers)} |"


def test_the_documentation_counts_what_is_there() -> None:
    text = (catalogue.FOLDER.parent / "docs" / "catalogue.md").read_text(encoding="utf-8")
    rows = [row_of_counts(name, KNOWN.section(name)) for name in KNOWN.sections]
    assert "\n".join([*rows, row_of_counts("all", CONTROLS)]) in text


# ---------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("P7D", timedelta(days=7)),
        ("P2W", timedelta(days=14)),
        ("P1Y", timedelta(days=365)),
        ("P1Y2W3DT4H5M", timedelta(days=382, hours=4, minutes=5)),
        ("PT12H", timedelta(hours=12)),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    assert catalogue.duration(text) == span


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "P1M", "7D", "P7", "P-1D", "P1.5D", "P0D", "p7d", "P7D "])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        catalogue.duration(text)


# ---------------------------------------------------------------------- defects

CONTROL: dict[str, Any] = {
    "item": "one",
    "title": "One thing holds",
    "level": "must",
    "stage": "deploy",
    "methods": ["automated"],
    "touch": "reads",
    "binds_to": "release",
    "valid_for": "P7D",
}
FILES: dict[str, Any] = {
    "index.yml": {"sections": ["first", "second"]},
    "first.yml": {
        "section": "first",
        "title": "First",
        "groups": [{"group": "g", "title": "G", "box": True, "controls": [CONTROL, {**CONTROL, "item": "two"}]}],
    },
    "second.yml": {
        "section": "second",
        "title": "Second",
        "groups": [{"group": "g", "title": "G", "box": False, "controls": [{**CONTROL, "stage": "preflight"}]}],
    },
}
Files = dict[str, Any]


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def control_of(files: Files, section: str = "first", number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = files[f"{section}.yml"]["groups"][0]["controls"][number]
    return found


def changed(**fields: Any) -> Callable[[Files], None]:
    return lambda files: control_of(files).update(fields)


def without(key: str) -> Callable[[Files], None]:
    return lambda files: control_of(files).pop(key)


def in_file(name: str, /, **fields: Any) -> Callable[[Files], None]:
    return lambda files: files[name].update(fields)


def in_group(**fields: Any) -> Callable[[Files], None]:
    return lambda files: files["first.yml"]["groups"][0].update(fields)


def set_file(name: str, content: Any) -> Callable[[Files], None]:
    return lambda files: files.update({name: content})


def add_group_again(files: Files) -> None:
    files["first.yml"]["groups"].append(copy.deepcopy(files["first.yml"]["groups"][0]))


def need_each_other(files: Files) -> None:
    control_of(files, number=0)["needs"] = ["first.g.two"]
    control_of(files, number=1)["needs"] = ["first.g.one"]


def need_a_later_stage(files: Files) -> None:
    control_of(files, "second")["needs"] = ["first.g.one"]


STATEMENT_ENTRY = {"statement": "sure", "title": "It is sure", "about": ["first"]}
ALL_KEYS = (
    "item, title, level, stage, methods, touch, binds_to, valid_for, needs, inputs, not_applicable, faults, remedy, "
    "by_hand, statements, signed_by, about, confirms, everyone, signed_before"
)

DEFECTS: dict[str, tuple[Callable[[Files], None], str]] = {
    "unknown key of a control": (
        changed(stages="deploy"),
        f"first.yml, first.g.one: the key 'stages' is unknown; use only {ALL_KEYS}.",
    ),
    "unknown key of a group": (
        in_group(boxes=1),
        "first.yml, first.g: the key 'boxes' is unknown; use only group, title, box, controls.",
    ),
    "unknown key of a section": (
        in_file("first.yml", name="x"),
        "first.yml, first: the key 'name' is unknown; use only section, title, groups.",
    ),
    "unknown key of a statement": (
        changed(statements=[{**STATEMENT_ENTRY, "on": 1}]),
        "first.yml, first.g.one.sure: the key 'on' is unknown; use only statement, title, about.",
    ),
    "unknown key of the index": (
        in_file("index.yml", order=[]),
        "index.yml, the index: the key 'order' is unknown; use only sections.",
    ),
    "missing key": (without("touch"), "first.yml, first.g.one: touch is missing; give a text."),
    "missing name": (without("item"), "first.yml, first.g, item 1: item is missing; give a text."),
    "wrong type": (changed(methods="automated"), "first.yml, first.g.one: methods is 'automated'; give a list."),
    "no truth": (in_group(box="yes"), "first.yml, first.g: box is 'yes'; give true or false."),
    "no mapping": (
        in_group(controls=["one"]),
        f"first.yml, first.g, item 1: 'one' is no mapping; give {ALL_KEYS}.",
    ),
    "unknown level": (
        changed(level="may"),
        "first.yml, first.g.one: level 'may' is unknown; use must or should.",
    ),
    "unknown stage": (
        changed(stage="later"),
        f"first.yml, first.g.one: stage 'later' is unknown; use {' or '.join(catalogue.STAGES)}.",
    ),
    "unknown method": (
        changed(methods=["guessed"]),
        "first.yml, first.g.one: methods 'guessed' is unknown; use automated or documented or attested.",
    ),
    "method twice": (
        changed(methods=["automated", "automated"]),
        "first.yml, first.g.one: methods has 'automated' twice; take one out.",
    ),
    "no method": (
        changed(methods=[]),
        "first.yml, first.g.one: methods is empty; name at least one of automated, documented, attested.",
    ),
    "unknown touch": (
        changed(touch="breaks"),
        "first.yml, first.g.one: touch 'breaks' is unknown; use reads or probes or disturbs.",
    ),
    "unknown binding": (
        changed(binds_to="world"),
        "first.yml, first.g.one: binds_to 'world' is unknown; use release or environment or organization.",
    ),
    "bad duration": (
        changed(valid_for="1 month"),
        "first.yml, first.g.one: valid_for '1 month' is no duration; write it as P7D, P2W, P1Y or PT12H.",
    ),
    "empty title": (
        changed(title="  "),
        "first.yml, first.g.one: title is empty; write it, or leave out what needs none.",
    ),
    "bad name": (
        changed(item="One"),
        "first.yml, first.g.One: item has 'One'; write it to match [a-z][a-z0-9_]*.",
    ),
    "bad input": (
        changed(inputs=["namespace"]),
        "first.yml, first.g.one: inputs has 'namespace'; write it to match bytebot_[a-z0-9_]+.",
    ),
    "bad fault": (
        changed(faults=["Pods die"]),
        "first.yml, first.g.one: faults has 'Pods die'; write it to match [a-z][a-z0-9_]*.",
    ),
    "need of an unknown id": (
        changed(needs=["first.g.three"]),
        "first.yml, first.g.one: it needs first.g.three, which is no control; correct or remove the id.",
    ),
    "need of a later stage": (
        need_a_later_stage,
        "second.yml, second.g.one: it needs first.g.one, which is judged at a later stage (deploy); "
        "remove the need, or judge second.g.one later.",
    ),
    "circle": (
        need_each_other,
        "first.yml, first.g.one: needs run in a circle (first.g.one → first.g.two → first.g.one); "
        "remove one of these needs.",
    ),
    "circle of one": (
        changed(needs=["first.g.one"]),
        "first.yml, first.g.one: needs run in a circle (first.g.one → first.g.one); remove one of these needs.",
    ),
    "id twice": (changed(item="two"), "first.yml, first.g.two: the id stands twice; rename one of the two."),
    "group twice": (
        add_group_again,
        "first.yml, first.g: the group stands twice; rename one, or put their controls together.",
    ),
    "statement twice": (
        changed(statements=[STATEMENT_ENTRY, STATEMENT_ENTRY]),
        "first.yml, first.g.one.sure: the statement stands twice; rename one of the two.",
    ),
    "statement about nothing known": (
        changed(statements=[{**STATEMENT_ENTRY, "about": ["third"]}]),
        "first.yml, first.g.one.sure: it is about third, which is no section, group or control; "
        "correct or remove the name.",
    ),
    "other name than the file's": (
        in_file("first.yml", section="other"),
        "first.yml, first: the section calls itself 'other'; name it first, as index.yml and the file.",
    ),
    "file not listed": (
        in_file("index.yml", sections=["first"]),
        "index.yml, the index: second.yml is not listed; list its section, or delete the file.",
    ),
    "section twice": (
        in_file("index.yml", sections=["first", "second", "first"]),
        "index.yml, the index: sections has 'first' twice; take one out.",
    ),
    "file missing": (
        in_file("index.yml", sections=["first", "second", "third"]),
        "third.yml, third: it cannot be read (No such file or directory); create the file, or correct index.yml.",
    ),
    "no control": (
        lambda files: [in_file(f"{name}.yml", groups=[])(files) for name in ("first", "second")] and None,
        "index.yml, the index: there is no control in any section; list the sections.",
    ),
    "empty file": (
        set_file("second.yml", ""),
        "second.yml, second: 'None' is no mapping; give section, title, groups.",
    ),
}


def test_a_good_catalogue_loads_in_the_index_s_order(tmp_path: Path) -> None:
    files = copy.deepcopy(FILES)
    files["index.yml"]["sections"].reverse()
    loaded = catalogue.load(write(tmp_path, files))
    assert list(loaded.controls) == ["second.g.one", "first.g.one", "first.g.two"]
    assert loaded.groups["first.g"].controls == ("first.g.one", "first.g.two")
    assert loaded.controls["first.g.one"].age_limit == timedelta(days=7)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_gives_its_sentence_and_no_other(name: str, tmp_path: Path) -> None:
    spoil, sentence = DEFECTS[name]
    files = copy.deepcopy(FILES)
    spoil(files)
    with pytest.raises(InputError) as caught:
        catalogue.load(write(tmp_path, files))
    assert caught.value.details["defects"] == [sentence]
    assert caught.value.sentence == sentence


def test_all_defects_are_said_at_once(tmp_path: Path) -> None:
    files = copy.deepcopy(FILES)
    control_of(files)["level"] = "may"
    control_of(files, "second")["stage"] = "later"
    with pytest.raises(InputError) as caught:
        catalogue.load(write(tmp_path, files))
    assert [defect.split(":")[0] for defect in caught.value.details["defects"]] == [
        "first.yml, first.g.one",
        "second.yml, second.g.one",
    ]


def test_a_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^second\.yml, second: it does not parse \(.+\); correct the YAML\.$"):
        catalogue.load(write(tmp_path, {**FILES, "second.yml": "a: [1"}))


def test_a_folder_without_an_index_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^There is no catalogue in .+: index\.yml is missing\.$"):
        catalogue.load(tmp_path)
