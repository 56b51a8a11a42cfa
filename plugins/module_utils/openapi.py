# Reads an OpenAPI 3 description: its operations, bodies that fit it and bodies that do not, and how an answer departs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing

METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
LONGEST = 100_000  # characters of a text that is too long
DEEP = 12  # levels that a body is made to
FEW = 4  # fields that are tried for each kind of mistake
ODD = "UNKNOWN-VALUE"
_WRONG: tuple[Any, ...] = ({"not": "this"}, 1, "text", True, [{}])
_TEXTS = {
    "date-time": "2099-01-01T00:00:00Z",
    "date": "2099-01-01",
    "email": "{}@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/{}",
}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as described.

    :param body: the schema of its JSON body; None where it takes none.
    :param secured: whether it wants a token.
    """

    method: str
    path: str
    parameters: tuple[Mapping[str, Any], ...] = ()
    body: Schema | None = None
    responses: Mapping[str, Any] = field(default_factory=dict)
    secured: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def variables(self) -> list[str]:
        """The names in braces in its path."""
        return re.findall(r"{([^{}]+)}", self.path)


@dataclass(frozen=True, slots=True)
class Case:
    """A body that must be refused, and why."""

    why: str
    body: Any = None
    raw: Any = None
    media: str = JSON


class Description:
    """An OpenAPI document."""

    def __init__(self, document: Any) -> None:
        """:raises InputError: it is no OpenAPI 3 document with paths."""
        version = document.get("openapi") if isinstance(document, dict) else None
        if not isinstance(version, str) or not version.startswith("3."):
            raise InputError("openapi: this is no OpenAPI 3 description (it has no field openapi of 3.x).")
        if not isinstance(document.get("paths"), dict) or not document["paths"]:
            raise InputError("openapi: the description has no paths.")
        self._document = _without_nullable(document) if version.startswith("3.0") else document
        self._checker = _validator()
        self.operations = tuple(self._operations())

    def _operations(self) -> Iterator[Operation]:
        before = _prefix(self._document.get("servers"))
        always = self._document.get("security")
        for path, described in self._document["paths"].items():
            item = self.found(described)
            for method in METHODS:
                one = item.get(method)
                if not isinstance(one, dict):
                    continue
                given = {}
                for said in (*item.get("parameters", ()), *one.get("parameters", ())):
                    parameter = self.found(said)
                    given[parameter.get("name"), parameter.get("in")] = parameter
                content = self.found(one.get("requestBody", {})).get("content", {})
                body = content.get(JSON, {}).get("schema")
                responses = {str(code): self.found(answer) for code, answer in one.get("responses", {}).items()}
                yield Operation(
                    method.upper(),
                    before + path,
                    tuple(given.values()),
                    body,
                    responses,
                    bool(one.get("security", always)),
                )

    def found(self, given: Any) -> dict[str, Any]:
        """What a reference within the document stands for; what is none stays.

        :raises InputError: it leads nowhere.
        """
        for _step in range(DEEP):
            if not isinstance(given, dict) or "$ref" not in given:
                break
            target: Any = self._document
            for part in str(given["$ref"]).removeprefix("#/").split("/"):
                name = part.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, dict) or name not in target:
                    raise InputError(f"openapi: the reference {given['$ref']} leads nowhere.")
                target = target[name]
            given = target
        return given if isinstance(given, dict) else {}

    # ------------------------------------------------------------------ answers

    def departures(self, operation: Operation, status: int, media: str, body: str) -> list[str]:
        """How an answer departs from what is described; an error's own form is not looked at."""
        described = _described(operation.responses, status)
        if described is None:
            known = ", ".join(sorted(operation.responses))
            return [f"answers {status}, and only {known} is described"]
        content = described.get("content") or {}
        failed = status >= HTTPStatus.BAD_REQUEST
        if failed or not content:
            told = not failed and bool(body.strip())
            return ["answers a body where none is described"] if told else []
        kind = media.partition(";")[0].strip().lower()
        accepted = [one for one in content if _fits(kind, one)]
        if not accepted:
            return [f"answers {kind or 'no content type'} and not {' or '.join(content)}"]
        schema = content[accepted[0]].get("schema")
        return self._misfit_body(schema, body) if schema is not None and "json" in kind else []

    def _misfit_body(self, schema: Schema, body: str) -> list[str]:
        try:
            said = json.loads(body)
        except ValueError:
            return ["says JSON and answers none"]
        return [f"answers a body whose {where}" for where in self.misfits(schema, said)]

    def misfits(self, schema: Schema, value: Any) -> list[str]:
        """Where a value does not fit; never the value itself, which may be a secret."""
        return [_told(error) for error in list(self._of(schema).iter_errors(value))[:FEW]]

    def fits(self, schema: Schema, value: Any) -> bool:
        """Whether a value fits a schema of the document."""
        return not self.misfits(schema, value)

    def _of(self, schema: Schema) -> Any:
        return self._checker({**schema, "components": self._document.get("components", {})})

    # ------------------------------------------------------------------ bodies

    def sample(self, schema: Schema, text: str, depth: int = 0) -> Any:
        """A small value that fits, with a given text where it may stand."""
        one = self._plain(schema)
        for key in ("const", "example", "default"):
            if key in one and one[key] is not None:
                return one[key]
        kind = _kind(one)
        if one.get("enum") or depth > DEEP:
            return (one.get("enum") or [None])[0]
        if kind == "object":
            return self._object(one, text, depth)
        if kind == "array":
            return [self.sample(one.get("items", {}), text, depth + 1) for _number in range(one.get("minItems", 0))]
        return {
            "string": _text(one, text),
            "integer": one.get("minimum", 1),
            "number": one.get("minimum", 1),
            "boolean": False,
        }.get(kind)

    def _object(self, one: Schema, text: str, depth: int) -> dict[str, Any]:
        known = one.get("properties", {})
        wanted = list(one.get("required", ())) or (list(known)[:1] if depth == 0 else [])
        return {name: self.sample(known.get(name, {}), text, depth + 1) for name in wanted}

    def _plain(self, schema: Schema) -> dict[str, Any]:
        """Without references and choices: the first choice that is not null, and all parts of a whole."""
        one = dict(self.found(schema))
        for key in ("anyOf", "oneOf"):
            choices = [self.found(choice) for choice in one.get(key, ())]
            if real := [choice for choice in choices if choice.get("type") != "null"]:
                one = {**one, **self._plain(real[0])}
        for part in one.get("allOf", ()):
            more = self._plain(part)
            one = {
                **one,
                **more,
                "properties": {**one.get("properties", {}), **more.get("properties", {})},
                "required": [*one.get("required", ()), *more.get("required", ())],
            }
        return one

    def mistakes(self, operation: Operation, good: Any) -> Iterator[Case]:
        """Bodies that the operation must refuse, each with one mistake."""
        if operation.body is None:
            return
        yield Case("JSON that is broken", raw=b'{"broken')
        yield Case("another content type", raw=json.dumps(good).encode(), media="text/plain")
        for case in self._misfitting(self._plain(operation.body), good):
            if not self.fits(operation.body, case.body):
                yield case

    def _misfitting(self, schema: Schema, good: Any) -> Iterator[Case]:
        yield Case("a list in place of an object", [good])
        if not isinstance(good, dict):
            return
        known = schema.get("properties", {})
        for name in list(schema.get("required", ()))[:FEW]:
            yield Case(f"no {name}", {key: value for key, value in good.items() if key != name})
        for name in list(known)[:FEW]:
            wrong = next((one for one in _WRONG if not self.fits(known[name], one)), None)
            if wrong is not None:
                yield Case(f"{name} of a wrong type", {**good, name: wrong})
        for name, one in known.items():
            plain = self._plain(one)
            if plain.get("maxLength", LONGEST) < LONGEST:
                yield Case(f"{name} that is too long", {**good, name: "x" * (plain["maxLength"] + 1)})
            if "enum" in plain:
                yield Case(f"an unknown {name}", {**good, name: ODD})
        yield Case("a field that nobody knows", {**good, "bytebotUnknown": 1})

    def odd_queries(self, operation: Operation) -> Iterator[tuple[str, str]]:
        """Parameters of the query, each with a value that does not fit."""
        for one in operation.parameters:
            if one.get("in") == "query" and not self.fits(one.get("schema", {}), ODD):
                yield str(one["name"]), ODD


# ---------------------------------------------------------------------- parts


def _validator() -> Any:
    """Makes validators that fetch nothing from anywhere."""
    try:
        from jsonschema import Draft202012Validator
        from referencing import Registry
    except ImportError as exc:
        raise LibraryMissing("jsonschema", str(exc)) from exc
    nowhere: Any = Registry()
    return lambda schema: Draft202012Validator(schema, registry=nowhere)


def _without_nullable(value: Any) -> Any:
    """Version 3.0 in the words of 3.1."""
    if isinstance(value, list):
        return [_without_nullable(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _without_nullable(one) for key, one in value.items() if key != "nullable"}
    for bound in ("Minimum", "Maximum"):
        if isinstance(made.get(f"exclusive{bound}"), bool):
            limit = made.pop(bound.lower(), None) if made.pop(f"exclusive{bound}") else None
            made |= {} if limit is None else {f"exclusive{bound}": limit}
    return {"anyOf": [made, {"type": "null"}]} if value.get("nullable") is True else made


def _prefix(servers: Any) -> str:
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    return "" if "{" in url else urlsplit(url).path.rstrip("/")


def _described(responses: Mapping[str, Any], status: int) -> dict[str, Any] | None:
    for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
        if key in responses:
            return dict(responses[key])
    return None


def _fits(kind: str, described: str) -> bool:
    wanted = described.partition(";")[0].strip().lower()
    return wanted in (kind, "*/*") or (wanted.endswith("/*") and kind.startswith(wanted[:-1]))


def _kind(one: Schema) -> str:
    given = one.get("type")
    if isinstance(given, list):
        given = next((kind for kind in given if kind != "null"), "null")
    return str(given or ("object" if "properties" in one else "string"))


def _text(one: Schema, text: str) -> str:
    least, most = one.get("minLength", 0), one.get("maxLength", LONGEST)
    pattern = one.get("pattern", "")
    tried = [_TEXTS.get(one.get("format", ""), "{}").replace("{}", text), text.replace("-", ""), "a1", "A1", "1"]
    for each in tried:
        made = each.ljust(least, "x")[:most]
        try:
            if re.search(pattern, made):
                return made
        except re.error:  # written for another engine
            return made
    return text[:most]


def _told(error: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    at = where or "content"
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{at} lacks {', '.join(missing)}"
    if error.validator == "type":
        return f"{at} is not of type {error.validator_value}"
    return f"{at} does not keep to {error.validator}"
