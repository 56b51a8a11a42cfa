# The registry of faults: it is what the catalogue names, each declares what it turns red, and no check knows of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from sandbox import catalog
from sandbox import faults as registry
from sandbox.cluster import Cluster
from sandbox.errors import SandboxError
from sandbox.faults.fault import LAYERS, Fault, Hands
from sandbox.files import put as mark
from sandbox.settings import Settings
from tests.unit import judged

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = catalogue.load()


def test_every_fault_of_every_settled_control_is_there() -> None:
    wanted = {(name, id_) for id_ in judged.by_roles() for name in CATALOGUE.controls[id_].faults}
    there = {(fault.name, id_) for fault in registry.FAULTS.values() for id_ in fault.turns_red}
    assert sorted(wanted - there) == []


def test_every_settled_control_has_a_fault() -> None:
    assert [id_ for id_ in sorted(judged.settled()) if not CATALOGUE.controls[id_].faults] == []


@pytest.mark.parametrize("fault", registry.FAULTS.values(), ids=list(registry.FAULTS))
def test_a_fault_declares_what_a_check_can_turn_red_or_how_else_it_is_seen(fault: Fault) -> None:
    assert fault.turns_red or fault.seen
    signed = {one.id for one in CATALOGUE.controls.values() if one.signed_by}
    assert set(fault.turns_red) <= judged.settled() | signed
    assert not fault.signed or set(fault.turns_red) <= signed
    assert fault.turns in {"fail", "stale"}
    assert fault.layer in LAYERS
    assert fault.playbook in {"deploy", "go_live", "prepare", "review", "verify", "window"}
    assert not fault.says.endswith(".")


@pytest.mark.parametrize("fault", registry.FAULTS.values(), ids=list(registry.FAULTS))
def test_nothing_that_it_turns_red_rests_on_another_that_it_turns_red(fault: Fault) -> None:
    """Such a control is blocked, and not red."""
    assert not [id_ for id_ in fault.turns_red if CATALOGUE.rests_on(id_) & set(fault.turns_red)]


def test_no_part_of_the_collection_knows_a_fault_or_the_sandbox() -> None:
    names = re.compile("|".join([*registry.FAULTS, "SANDBOX_FAULT", r"bytebot\.test", r"registry\.sandbox"]))
    allowed = {"crash_loop"}  # the cause of a roll-out that fails has the same name
    found = {
        f"{path.relative_to(ROOT)}: {match}"
        for folder in ("plugins", "roles", "playbooks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yml", ".j2"}
        for match in names.findall(path.read_text(encoding="utf-8"))
        if match not in allowed
    }
    assert sorted(found) == []


@pytest.fixture
def faults(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> registry.Faults:
    def told(what: str) -> Any:
        return lambda _: told_of.append(what)

    told_of: list[str] = []
    one = Fault(
        name="one", says="it is wrong", layer="cluster", turns_red=("a.b.c",), put=told("put"), heal=told("healed"),
        variables=lambda hands: {"x": str(hands.folder.name)},
    )  # fmt: skip
    monkeypatch.setattr(registry, "FAULTS", {"one": one, "two": one})
    made = registry.Faults(settings)
    made.told = told_of  # type: ignore[attr-defined]
    return made


def test_it_is_marked_before_it_is_put_in_and_gone_after_healing(faults: registry.Faults, settings: Settings) -> None:
    faults.put("one")
    assert faults.active() == ["one"]
    assert json.loads((settings.state / "faults" / "variables.json").read_text()) == {"x": "faults"}
    assert faults.heal() == ["one"]
    assert faults.active() == []
    assert faults.variables() == {}
    assert faults.told == ["put", "healed"]  # type: ignore[attr-defined]


def test_only_one_is_in_at_a_time(faults: registry.Faults) -> None:
    faults.put("one")
    with pytest.raises(SandboxError, match="one is in already"):
        faults.put("two")


def test_several_are_in_at_once_where_the_application_does_each_of_itself(
    faults: registry.Faults, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled: list[Sequence[str]] = []
    world = several(monkeypatch, rolled)
    faults.put_together(["a", "b"])
    assert (rolled, faults.active(), faults.variables()) == ([["a", "b"]], ["a", "b"], {"x": "b"})
    assert faults.heal() == ["a", "b"]
    assert (rolled[1:], world["looked"]) == ([[]], ["a", "b", "a", "b"]), "one roll-out, and each is seen to be gone"
    assert faults.told == []  # type: ignore[attr-defined]


def test_what_is_judged_at_a_time_of_its_own_is_in_alone(
    faults: registry.Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = replace(registry.FAULTS["one"], name="late", playbook="go_live")
    monkeypatch.setattr(registry, "FAULTS", {**registry.FAULTS, "late": late})
    with pytest.raises(SandboxError, match="late can be in only alone"):
        faults.put_together(["one", "late"])
    assert faults.active() == []


def test_each_of_several_keeps_what_it_needs_in_a_place_of_its_own_and_goes_in_reverse(
    faults: registry.Faults, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that change one object: the second finds it as the first left it, and so must the first again."""
    world = {"object": "healthy"}

    def changed(name: str) -> Fault:
        def put(hands: Hands) -> None:
            mark(hands.folder / "kept", world["object"])
            world["object"] += f", {name}"

        def heal(hands: Hands) -> None:
            world["object"] = (hands.folder / "kept").read_text()

        return replace(registry.FAULTS["one"], name=name, put=put, heal=heal, seen=lambda _: name in world["object"])

    monkeypatch.setattr(registry, "FAULTS", {name: changed(name) for name in ("first", "second")})
    faults.put_together(["first", "second"])
    assert world == {"object": "healthy, first, second"}
    faults.heal()
    assert world == {"object": "healthy"}
    assert not (settings.state / "faults").exists()


def test_two_that_describe_one_object_are_not_in_at_once(
    faults: registry.Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second description would take from the object what the first one gave it."""
    told: list[str] = []
    monkeypatch.setattr(Cluster, "call", lambda _cluster, _method, path, *_: told.append(path.partition("?")[0]))

    def describes(name: str, *paths: str) -> Fault:
        return replace(
            registry.FAULTS["one"], name=name, put=lambda hands: [hands.apply(path, {}) for path in paths] and None
        )

    given = {"a": describes("a", "/x", "/x"), "b": describes("b", "/y", "/x")}
    monkeypatch.setattr(registry, "FAULTS", given)
    with pytest.raises(SandboxError, match="a and b both describe /x"):
        faults.put_together(["a", "b"])
    assert told == ["/x", "/x", "/y"]
    assert faults.heal() == ["a", "b"]
    faults.put("b")


def test_faults_of_documents_spoil_one_copy_and_its_inputs_can_be_asked_for_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(settings.documents / "people" / "a.yml", "a: good")
    mark(settings.documents / "people" / "b.yml", "b: good")
    monkeypatch.setattr(registry, "FAULTS", {name: spoils(name) for name in ("a", "b")})
    made = registry.Faults(settings)
    assert made.inputs("a") == {"sandbox_documents": "FOLDER/documents"}
    assert not (settings.state / "faults").exists()
    for _ in range(2):  # of a call that was broken off and is made again
        made.put_together(["a", "b"])
    copy = Path(made.variables()["sandbox_documents"])
    assert [(copy / "people" / f"{name}.yml").read_text() for name in "ab"] == ["a: good, spoilt", "b: good, spoilt"]
    assert (settings.documents / "people" / "a.yml").read_text() == "a: good"


def spoils(name: str) -> Fault:
    changed = registry.documents.one(f"people/{name}.yml", lambda text: f"{text}, spoilt")
    return Fault(name=name, says="x", layer="inputs", turns_red=("x",), variables=registry.documents.spoilt(changed))


@pytest.mark.parametrize("broken", ["put", "unmarked", "look"])
def test_several_that_were_broken_off_are_still_marked_and_all_gone_the_next_time(
    faults: registry.Faults, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """As a kill while they come in, while they go, or between two looks."""
    rolled: list[Sequence[str]] = []
    world = several(monkeypatch, rolled)
    world["broken"] = broken if broken == "put" else ""
    with contextlib.suppress(KeyboardInterrupt):
        faults.put_together(["a", "b"])
    if broken != "put":
        world["broken"] = broken
        with pytest.raises(KeyboardInterrupt):
            faults.heal()
    assert faults.active() == ["a", "b"]
    world["broken"] = ""
    assert faults.heal() == ["a", "b"]
    assert (rolled[-1], faults.active()) == ([], [])


def several(monkeypatch: pytest.MonkeyPatch, rolled: list[Sequence[str]]) -> dict[str, Any]:
    """Two faults of the application's own, ``a`` and ``b``; what is ``broken`` is so in the middle."""
    world: dict[str, Any] = {"in": [], "broken": "", "looked": []}

    def roll(marks: Sequence[str], what: str) -> None:
        rolled.append(marks)
        if world["broken"] == what:
            raise KeyboardInterrupt
        world["in"] = list(marks)

    def look(name: str) -> bool:
        if world["broken"] == "look":
            raise KeyboardInterrupt
        world["looked"].append(name)
        return name in world["in"]

    given = {
        name: replace(registry.FAULTS["one"], name=name, mark=name, seen=lambda _, name=name: look(name))
        for name in ("a", "b")
    }
    monkeypatch.setattr(registry, "FAULTS", {**registry.FAULTS, **given})
    monkeypatch.setattr(registry.app_visit, "together", lambda marks: lambda _hands: roll(marks, "put"))
    monkeypatch.setattr(registry.app_visit, "unmarked", lambda _hands: roll([], "unmarked"))
    return world


def test_what_has_a_mark_is_put_in_and_healed_by_nothing_else() -> None:
    """Several are put in by their marks alone, and go with them: what else one does would stay out, or stay in."""
    plain = registry.app_visit.planted("x", "x", lambda _: True)
    acts = {(fault.put.__code__, fault.heal.__code__) for fault in registry.FAULTS.values() if fault.mark}  # type: ignore[attr-defined]
    assert acts == {(plain.put.__code__, plain.heal.__code__)}  # type: ignore[attr-defined]


def test_what_another_revision_put_in_is_not_forgotten(faults: registry.Faults, settings: Settings) -> None:
    mark(settings.state / "faults" / registry.ACTIVE, json.dumps(["of_before"]))
    with pytest.raises(SandboxError, match="of_before is in, which this revision does not know"):
        faults.heal()
    assert faults.active() == ["of_before"]


def test_an_unknown_one_is_refused(faults: registry.Faults) -> None:
    with pytest.raises(SandboxError, match="there is no fault 'three'"):
        faults.put("three")
    assert faults.active() == []


def test_healing_what_is_healthy_does_nothing(faults: registry.Faults) -> None:
    assert faults.heal() == []


def test_an_edited_chart_is_a_copy(settings: Settings) -> None:
    for fault in registry.charts.FAULTS:
        variables = fault.variables(Hands(settings, None, None))  # type: ignore[arg-type]
        if chart := variables.get("bytebot_chart"):
            assert Path(chart).is_relative_to(settings.state)
            assert (Path(chart) / "Chart.yaml").is_file()


def test_what_needs_a_component_that_is_not_there_is_refused_before_it_is_marked(settings: Settings) -> None:
    made = registry.Faults(settings)
    with pytest.raises(SandboxError, match="needs the component pgbouncer"):
        made.put("pooler_stopped")
    assert made.active() == []


def test_components_that_faults_need_are_there() -> None:
    assert {fault.component for fault in registry.FAULTS.values()} - {""} <= set(catalog.discover())
