# Reads and judges controls that users write as data: a query over what was observed, and what it must come to; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import quoted
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    LEVELS,
    MUST,
    Evidence,
    Verdict,
    canonical_json,
    errored,
    failed,
    inconclusive,
    passed,
)

OPERATORS = ("equals", "not_equals", "contains", "matches", "at_least", "at_most", "exists", "empty")
# plugin_utils/catalogue.py has them in the same order; modules cannot reach it.
STAGES = ("preflight", "deploy", "validate", "operations", "sign_off", "t_minus_2h", "t_zero", "t_plus_30m",
          "t_plus_2h", "day", "week", "month")  # fmt: skip
_ID = re.compile(r"own\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_KEYS = ("id", "title", "level", "stage", "remedy", "source", "query", "expect")
_KUBERNETES = ("api_version", "kind", "namespace", "name", "labels")
_URL = ("url", "auth")
_AUTH = ("secret", "namespace", "token_key", "username_key", "password_key")
SHOWN = 2000  # characters of what a query found that are kept as evidence


@dataclass(frozen=True, slots=True)
class Objects:
    """Where a control looks in the Kubernetes API: one object by name, or all that labels choose."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""
    labels: str = ""

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        chosen = f" with {self.labels}" if self.labels else ""
        return f"GET {self.kind} {self.name}{where}" if self.name else f"LIST {self.kind}{where}{chosen}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a control looks by HTTP, and the Secret by which it signs in; empty for none."""

    url: str
    auth: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Own:
    """One control that a user has written."""

    id: str
    title: str
    source: Objects | Address
    query: str
    expect: Mapping[str, Any]
    level: str = MUST
    stage: str = "deploy"
    remedy: str = ""

    def told(self) -> dict[str, str]:
        """What goes with its result, since no catalogue has it."""
        return {"title": self.title, "level": self.level, "stage": self.stage, "remedy": self.remedy}


# ---------------------------------------------------------------------- reading


def parse(given: Sequence[Any], where: str, namespace: str) -> list[Own]:
    """The controls in a list.

    :param where: the file or option, for errors. :param namespace: where objects are that name none.
    :raises InputError: the first defect, with its place: file, control, key, and column in an expression.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"{where} is no list of controls.")
    return [_parsed(one, where, number, namespace) for number, one in enumerate(given, 1)]


def once(controls: Sequence[Own]) -> list[Own]:
    """The controls, none of which may stand twice."""
    seen: set[str] = set()
    for one in controls:
        if one.id in seen:
            raise InputError(f"The own control {one.id} stands twice; rename one of the two.")
        seen.add(one.id)
    return list(controls)


def _parsed(given: Any, where: str, number: int, namespace: str) -> Own:
    id_ = given.get("id") if isinstance(given, Mapping) else None
    place = f"{where}, {id_ if isinstance(id_, str) and id_ else f'control {number}'}"
    entry = _mapping(given, place, _KEYS, required=("id", "title", "source", "query", "expect"))
    if not isinstance(entry["id"], str) or not _ID.fullmatch(entry["id"]):
        raise InputError(f"{place}: id must be own.<group>.<item>, of small letters, digits and '_'.")
    for key in ("title", "query", "remedy"):
        if not isinstance(entry.get(key, ""), str) or (key != "remedy" and not entry[key].strip()):
            raise InputError(f"{place}: {key} must be a text that is not empty.")
    for key, choices in (("level", LEVELS), ("stage", STAGES)):
        if entry.get(key, choices[0]) not in choices:
            raise InputError(f"{place}: {key} is {entry[key]!r}; it is one of {', '.join(choices)}.")
    compiled(entry["query"], place)
    more = {key: entry[key] for key in ("level", "stage", "remedy") if key in entry}
    source, expect = _source(entry["source"], place, namespace), _expected(entry["expect"], place)
    return Own(entry["id"], " ".join(entry["title"].split()), source, entry["query"], expect, **more)


def _mapping(given: Any, place: str, keys: Sequence[str], required: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InputError(f"{place} is no mapping; give {', '.join(keys)}.")
    if unknown := sorted(str(key) for key in given if key not in keys):
        raise InputError(f"{place}: {', '.join(unknown)} is unknown; use only {', '.join(keys)}.")
    if missing := [key for key in required if given.get(key) is None]:
        raise InputError(f"{place}: {', '.join(missing)} is missing.")
    return given


def _source(given: Any, place: str, namespace: str) -> Objects | Address:
    place = f"{place}, source"
    entry = _mapping(given, place, ("kubernetes", *_URL))
    if ("kubernetes" in entry) == ("url" in entry):
        raise InputError(f"{place}: give either kubernetes or url.")
    if "url" in entry:
        auth = _mapping(entry.get("auth") or {}, f"{place}, auth", _AUTH)
        if auth and not (auth.get("secret") and (auth.get("token_key") or auth.get("password_key"))):
            raise InputError(f"{place}, auth: give secret, and token_key or username_key and password_key.")
        told = {"namespace": namespace, **auth} if auth else {}
        return Address(str(entry["url"]), {key: str(value) for key, value in told.items()})
    objects = _mapping(entry["kubernetes"], f"{place}, kubernetes", _KUBERNETES, required=("kind",))
    texts = {"api_version": "v1", "namespace": namespace, **objects}
    if not all(isinstance(value, str) for value in texts.values()):
        raise InputError(f"{place}, kubernetes: every value must be a text (labels as in app=bytebot,tier!=web).")
    if texts.get("name") and texts.get("labels"):
        raise InputError(f"{place}, kubernetes: give name or labels, not both.")
    return Objects(**texts)


def _expected(given: Any, place: str) -> Mapping[str, Any]:
    place = f"{place}, expect"
    entry = _mapping(given, place, OPERATORS)
    if not entry:
        raise InputError(f"{place}: give at least one of {', '.join(OPERATORS)}.")
    for name in ("exists", "empty"):
        if not isinstance(entry.get(name, True), bool):
            raise InputError(f"{place}: {name} is true or false.")
    for name in ("at_least", "at_most"):
        if name in entry and _number(entry[name]) is None:
            raise InputError(f"{place}: {name} is {entry[name]!r}, which is no number and no quantity (500m, 2Gi).")
    if "matches" in entry:
        try:
            re.compile(str(entry["matches"]))
        except re.error as exc:
            column = "" if exc.pos is None else f", column {exc.pos + 1}"
            raise InputError(f"{place}: matches is no regular expression{column}: {exc.msg}.") from exc
    return entry


def compiled(query: str, place: str) -> Any:
    """The expression of a query.

    :raises InputError: it is none, and where in it.
    """
    jmespath = _jmespath()
    try:
        return jmespath.compile(query)
    except ValueError as exc:  # JMESPath's own errors are ValueErrors
        at = getattr(exc, "lex_position", None)
        at = getattr(exc, "lexer_position", None) if at is None else at
        column = "" if at is None else f", column {int(at) + 1}"
        why = getattr(exc, "message", "") or getattr(exc, "msg", "") or str(exc).splitlines()[0]
        raise InputError(
            f"{place}: query {query!r} is no JMESPath expression{column}: {str(why).rstrip('.')}."
        ) from exc


def _jmespath() -> Any:
    try:
        import jmespath
    except ImportError as exc:
        raise LibraryMissing("jmespath", str(exc)) from exc
    return jmespath


# ---------------------------------------------------------------------- judging


def judge(control: Own, document: Any, source: str, observed_at: str) -> Verdict:
    """What an observation comes to.

    :param document: the object, the list of objects, or the answer of a URL; None where there is no such object.
    """
    try:
        found = _jmespath().search(control.query, document)
    except (ValueError, TypeError, RecursionError) as exc:
        why = " ".join(str(exc).split())[:300].rstrip(".")
        seen = Evidence(source, {"query": control.query, "problem": why}, observed_at)
        return errored(
            f"The query {control.query!r} does not fit what was observed: {why}.", "Correct the query.", seen
        )
    told = {"query": control.query, "found": _trimmed(found), "expect": dict(control.expect)}
    seen = Evidence(source, told, observed_at)
    if nothing := _nothing(control, document, found, seen):
        return nothing
    for name, wanted in control.expect.items():
        problem = _problem(name, wanted, found)
        if problem.startswith("?"):
            return errored(f"{problem[1:]}.", "Correct the query or what is expected.", seen)
        if problem:
            return failed(f"{problem}.", control.remedy or "Put right what the query shows.", seen)
    return passed(f"{_found(found)}, as expected ({_words(control.expect)}).", seen)


def _nothing(control: Own, document: Any, found: Any, seen: Evidence) -> Verdict | None:
    """What is said where nothing was found and its existence was not asked about; None where something was."""
    if found is not None or "exists" in control.expect:
        return None
    if document is None:
        told = f"There is no such object ({seen.source})."
        return failed(told, control.remedy or "Create it, or correct the source.", seen)
    if control.expect.get("equals", 0) is None:
        return None
    led = f"The query {control.query!r} led to nothing in what was observed."
    if set(control.expect) & {"empty", "not_equals"}:  # which a slip in the query would fulfil
        return inconclusive(led, "Correct the query; where absence is meant, expect exists: false.", seen)
    return failed(led, control.remedy or "Set it, or correct the query.", seen)


def _problem(name: str, wanted: Any, found: Any) -> str:
    """Why one expectation does not hold, empty where it does; with a leading ``?`` where it cannot be judged."""
    told = _found(found)
    holds: bool | None
    match name:
        case "equals":
            holds = _same(found, wanted)
        case "not_equals":
            holds = not _same(found, wanted)
        case "exists":
            holds = (found is not None) is wanted
        case "empty":
            holds = (found in ("", [], {})) is wanted
        case "contains":
            holds = wanted in found if isinstance(found, (list, Mapping)) else _in_text(wanted, found)
        case "matches":
            holds = bool(re.search(str(wanted), found)) if isinstance(found, str) else None
        case _:
            holds = _bound(name, wanted, found)
    if holds is None:
        return f"?{told}, which {name} cannot be asked of"
    return "" if holds else f"{told}; expected {name} {canonical_json(wanted)}"


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON is: true is not 1, and 1 is 1.0."""
    if {type(found), type(wanted)} == {int, float}:
        return bool(found == wanted)
    return canonical_json(found) == canonical_json(wanted)


def _in_text(wanted: Any, found: Any) -> bool | None:
    return wanted in found if isinstance(found, str) and isinstance(wanted, str) else None


def _bound(name: str, wanted: Any, found: Any) -> bool | None:
    number, limit = _number(found), _number(wanted)
    if number is None or limit is None:
        return None
    return number >= limit if name == "at_least" else number <= limit


def _number(value: Any) -> Decimal | None:
    """A number, or a Kubernetes quantity; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return quantity(value)


def _found(found: Any) -> str:
    return f"The query found {quoted(found)}"


def _words(expect: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {quoted(wanted)}" for name, wanted in expect.items())


def _trimmed(found: Any) -> Any:
    text = canonical_json(found)
    return found if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
