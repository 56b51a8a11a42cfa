# The whole catalogue against the document, and the rules that hold over all controls.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import pytest

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
