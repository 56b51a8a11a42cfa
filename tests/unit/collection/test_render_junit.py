# The JUnit XML: a suite per section, a case per control, valid whatever the texts are.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
import report_fixtures as fixtures
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.plugin_utils.render import junit

CHILD = {
    "pass": "system-out",
    "attested": "system-out",
    "waived": "system-out",
    "not_applicable": "system-out",
    "fail": "failure",
    "error": "error",
    "pending": "skipped",
    "inconclusive": "skipped",
    "stale": "skipped",
}


def parsed(document: dict[str, Any]) -> ET.Element:
    return ET.fromstring(junit.render(document).encode("utf-8"))


ROOT = parsed(fixtures.every_state())


def test_a_suite_per_section_and_a_case_per_control_in_order() -> None:
    titles = [fixtures.KNOWN.section(name)[0].section_title for name in fixtures.KNOWN.sections]
    assert [suite.get("name") for suite in ROOT.findall("testsuite")] == titles
    cases = ROOT.findall("testsuite/testcase")
    names = [f"{case.get('classname')}.{str(case.get('name')).partition(':')[0]}" for case in cases]
    assert names == fixtures.IDS
    assert len(set(names)) == 204


def test_every_state_has_its_outcome() -> None:
    controls = fixtures.every_state()["controls"]
    for case, control in zip(ROOT.findall("testsuite/testcase"), controls, strict=True):
        (child,) = list(case)
        assert child.tag == CHILD[control["state"]]
        said = child.get("message") or child.text
        assert said == f"{control['state']}: {control['summary']}"


def test_the_sums_are_right() -> None:
    for suite in [ROOT, *ROOT.findall("testsuite")]:
        for attribute, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
            assert int(str(suite.get(attribute))) == len(suite.findall(f".//testcase/{tag}")), attribute
        assert int(str(suite.get("tests"))) == len(suite.findall(".//testcase"))


def test_a_failure_says_what_to_do_and_on_what_it_rests() -> None:
    case = next(
        case
        for case in parsed(fixtures.mixed()).findall("testsuite/testcase")
        if case.get("classname") == "deployment.health" and str(case.get("name")).startswith("ready:")
    )
    text = case.findtext("failure")
    assert text
    assert "Look at the Redis ACL" in text
    assert fixtures.evidence("deployment.health.ready")["sha256"] in text


def test_nothing_judged_is_valid_too() -> None:
    document = fixtures.all_in("pending")
    document["environment"]["release_digest"] = None
    assert len(parsed(document).findall(".//skipped")) == 204


@pytest.mark.parametrize("state", ["pass", "fail", "pending"])
@example(text='\x00\x08\x0b\x1b[31m\ud800\ufffe]]><!DOCTYPE x [<!ENTITY a "b">]>&a;')
@given(text=st.text(st.characters()))  # with surrogates
@settings(max_examples=20)
def test_any_text_gives_valid_xml(state: str, text: str) -> None:
    control = fixtures.entry(fixtures.IDS[0], state, summary=text, remedy=text, title=text, section_title=text)
    root = parsed(fixtures.document([control]))
    assert len(root.findall("testsuite/testcase")) == 1
