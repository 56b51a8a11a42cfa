# Writes the results as JUnit XML, so that a build server shows them: a suite per section, a case per control.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as ET

# A state that is not here is a case that passed.
OUTCOMES: Mapping[str, str] = {
    "fail": "failure",
    "error": "error",
    "pending": "skipped",
    "inconclusive": "skipped",
    "stale": "skipped",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def render(document: Mapping[str, Any]) -> str:
    """The XML for a results document. What XML cannot hold (control characters) is left out."""
    controls: Sequence[Mapping[str, Any]] = [*document["controls"], *document.get("own_controls", ())]
    root = _element("testsuites", {"name": f"bytebot.production {document['environment']['name']}", **_sums(controls)})
    for _section, members in groupby(controls, key=lambda control: control["section"]):
        _suite(root, document, list(members))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, document: Mapping[str, Any], controls: Sequence[Mapping[str, Any]]) -> None:
    started = min((str(control["started"]) for control in controls if control["started"]), default="")
    times = {"timestamp": started} if started else {}
    suite = _element("testsuite", {"name": controls[0]["section_title"], **_sums(controls), **times}, root)
    properties = _element("properties", {}, suite)
    for name, value in {
        "run": document["run"]["id"],
        "environment": document["environment"]["name"],
        "release_digest": document["environment"]["release_digest"],
        "gate": document["gate"]["decision"],
    }.items():
        _element("property", {"name": name, "value": value}, properties)
    for control in controls:
        _case(suite, control)


def _case(suite: ET.Element, control: Mapping[str, Any]) -> None:
    case = _element(
        "testcase",
        {
            "classname": f"{control['section']}.{control['group']}",
            "name": f"{control['item']}: {control['title']}",
            "time": _seconds([control]),
        },
        suite,
    )
    state = control["state"]
    message = f"{state}: {control['summary']}"
    if outcome := OUTCOMES.get(state):
        about = {"message": message} if outcome == "skipped" else {"message": message, "type": state}
        _element(outcome, about, case).text = _clean(_long(control))
    else:
        _element("system-out", {}, case).text = _clean(message)


def _long(control: Mapping[str, Any]) -> str:
    lines = [control["summary"], control["remedy"]]
    lines += [f"{item['observed_at']} {item['source']} (sha256 {item['sha256']})" for item in control["evidence"]]
    return "\n".join(line for line in lines if line)


def _sums(controls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(OUTCOMES.get(control["state"], "") for control in controls)
    return {
        "tests": len(controls),
        "failures": counts["failure"],
        "errors": counts["error"],
        "skipped": counts["skipped"],
        "time": _seconds(controls),
    }


def _seconds(controls: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(control['duration_s'] or 0 for control in controls):.3f}"


def _element(tag: str, attributes: Mapping[str, Any], parent: ET.Element | None = None) -> ET.Element:
    clean = {name: _clean("" if value is None else str(value)) for name, value in attributes.items()}
    return ET.Element(tag, clean) if parent is None else ET.SubElement(parent, tag, clean)


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
