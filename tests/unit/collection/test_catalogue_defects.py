# Each defect of a catalogue is told in one sentence, all of them at once; and what a duration is.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue

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
