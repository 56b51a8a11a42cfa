# Which faults are tried by themselves, and the page that tells of all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import faults as registry
from sandbox.faults.fault import Fault, Hands
from sandbox.settings import Settings
from tests import seen
from tests.sabotage.keeping import seen_at_commits
from tests.sabotage.telling import Bite
from tests.seen.document import DOCUMENT, document, known_of, rewrite

ROOT = Path(__file__).resolve().parents[3]
NO_FAULTS = {"__init__", "app_visit", "certificates", "fault", "keeping"}


def test_every_file_of_faults_is_in_the_registry() -> None:
    files = {path.stem for path in (ROOT / "sandbox" / "faults").glob("*.py")}
    assert {module.__name__.rpartition(".")[2] for module in registry.MODULES} == files - NO_FAULTS


def test_the_few_are_one_of_each_file_and_one_switch_of_the_application() -> None:
    switches = {
        module.__name__
        for module in registry.MODULES
        if "application" in {fault.layer for fault in module.FAULTS if fault.seen}
    }
    tried = [module.__name__ for name in seen.FEW for module in registry.MODULES if name in _names(module.FAULTS)]
    seen_alone = {module.__name__ for module in registry.MODULES if any(fault.seen for fault in module.FAULTS)}
    assert sorted(set(tried) - switches) == sorted(seen_alone - switches)
    assert len(tried) == len(set(tried) - switches) + 1
    assert set(seen.FEW) <= set(seen.ALL)


def _names(faults: tuple[Fault, ...]) -> set[str]:
    return {fault.name for fault in faults}


def test_no_name_is_there_twice() -> None:
    assert len(registry.FAULTS) == sum(len(module.FAULTS) for module in registry.MODULES)


@pytest.mark.parametrize("fault", registry.FAULTS.values(), ids=list(registry.FAULTS))
def test_each_has_a_name_and_one_line(fault: Fault) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{3,40}", fault.name)
    assert re.fullmatch(r"[^|\n]{10,110}", fault.says)


def test_the_page_tells_of_each_what_the_registry_says() -> None:
    """What was seen and bitten are its last columns, which only the sandbox can tell."""
    wanted = _told(document({}, {}))
    assert _told((ROOT / DOCUMENT).read_text(encoding="utf-8")) == wanted
    assert len(wanted) == len(registry.FAULTS)


def _told(text: str) -> list[list[str]]:
    return [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("| `")]


def _column(page: str, name: str, column: int) -> str:
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
    return row.strip("| ").split(" | ")[column]


def test_the_page_says_what_was_seen() -> None:
    name = seen.FEW[0]
    for right, word in {True: "there and gone", False: "NOT SEEN"}.items():
        assert _column(document({name: right}, {}), name, 3) == word
    page = document({}, {})
    assert [_column(page, one, 3) for one in seen.ALL] == ["not yet"] * len(seen.ALL)


def test_a_later_call_goes_on_from_what_the_page_says() -> None:
    known = {seen.FEW[0]: True, seen.FEW[1]: False}
    assert known_of(document(known, {})) == known
    assert known_of("") == {}


def test_the_page_says_what_was_bitten(tmp_path: Path) -> None:
    """The way it was, as long as the fault declares the same; what was seen by itself stays beside it."""
    name = seen.FEW[0]
    fault = registry.FAULTS[name]
    bite = Bite(name, fault.turns_red, (), (), "shut", "shut", 1.0)
    said = {
        "alone": bite,
        "with others": dataclasses.replace(bite, together=("another",)),
        "not yet": dataclasses.replace(bite, turns_red=("what.it.was",)),
    }
    (tmp_path / "docs").mkdir()
    (tmp_path / DOCUMENT).write_text(document({name: True}, {}))
    for word, one in said.items():
        (tmp_path / "tests").mkdir(exist_ok=True)
        way = [fault.playbook, "shuts" if fault.shuts else "leaves open", fault.turns]
        line = {"bite": dataclasses.asdict(one), "sources": "1", "commit": "2", "way": way}
        (tmp_path / "tests" / "bitten.jsonl").write_text(f"{json.dumps(line)}\n")
        rewrite(tmp_path)
        page = (tmp_path / DOCUMENT).read_text()
        assert (_column(page, name, 3), _column(page, name, 4)) == ("there and gone", word)


def test_the_page_in_the_repository_is_of_what_is_there() -> None:
    page = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert page == document(known_of(page), seen_at_commits(ROOT)), "python -m tests.seen --document writes it anew"


@pytest.mark.parametrize(
    ("sees", "put", "healed"),
    [
        (lambda there: there, True, True),
        (lambda there: False, False, True),
        (lambda there: True, False, False),
    ],
)
def test_what_is_seen_before_while_it_is_in_and_after_decides(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sees: Callable[[bool], bool], put: bool, healed: bool
) -> None:
    there = [False]

    def switch(to: bool) -> Callable[[Hands], None]:
        def act(_: Hands) -> None:
            there[0] = to

        return act

    one = Fault(
        name="one", says="it is wrong", layer="cluster", put=switch(True), heal=switch(False),
        seen=lambda _: sees(there[0]),
    )  # fmt: skip
    monkeypatch.setattr(registry, "FAULTS", {"one": one})
    monkeypatch.setattr(seen, "FAULTS", {"one": one})
    monkeypatch.setattr(registry.Faults, "_until", lambda *_args, **_more: None)
    looked = seen.look(registry.Faults(settings), "one")
    assert (looked.put, looked.healed, looked.right) == (put, healed, put and healed)
