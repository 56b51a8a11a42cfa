# A description is read as it is written, its samples fit it, its mistakes do not, and what it lacks is said in words.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description, Operation

ROOT = Path(__file__).parents[3]
THING: dict[str, Any] = {
    "type": "object",
    "required": ["name", "size"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 30, "pattern": "^[a-z]"},
        "size": {"type": "integer", "minimum": 2},
        "kind": {"enum": ["a", "b"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}


def described(**changes: Any) -> Description:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    document = {
        "openapi": "3.1.0",
        "components": {"schemas": {"Thing": THING}},
        "paths": {
            "/things": {
                "post": {
                    "requestBody": {"content": content},
                    "security": [{"x": []}],
                    "responses": {"201": {"content": content}, "204": {"description": "none"}, "4XX": {}},
                },
            }
        },
    }
    return Description({**document, **changes})


@pytest.mark.parametrize(
    "document", [None, [], {}, {"openapi": "2.0"}, {"openapi": "3.1.0"}, {"openapi": "3.1.0", "paths": {}}]
)
def test_what_is_no_description_is_refused_in_one_sentence(document: Any) -> None:
    with pytest.raises(InputError, match=r"^openapi: "):
        Description(document)


def test_a_reference_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(InputError, match="leads nowhere"):
        described(paths={"/x": {"$ref": "#/components/nothing"}})


@pytest.mark.parametrize(
    ("status", "media", "body", "told"),
    [
        (201, "application/json; charset=utf-8", '{"name":"a","size":2}', ""),
        (404, "text/html", "<h1>no</h1>", ""),
        (204, "", "", ""),
        (204, "", "x", "answers a body where none is described"),
        (200, "application/json", "{}", "answers 200"),
        (201, "text/html", "x", "answers text/html"),
        (201, "application/json", "x", "says JSON and answers none"),
        (201, "application/json", '{"name":"a"}', "content lacks size"),
        (201, "application/json", '{"name":"a","size":"2"}', "size is not of type integer"),
        (201, "application/json", '{"name":"a","size":2,"kind":"c"}', "kind does not keep to enum"),
    ],
)
def test_departures(status: int, media: str, body: str, told: str) -> None:
    one = described()
    found = one.departures(one.operations[0], status, media, body)
    assert (told in "; ".join(found)) if told else found == []


def test_a_departure_never_shows_the_value() -> None:
    one = described()
    body = json.dumps({"name": "a", "size": "tell-nobody"})
    assert "tell-nobody" not in str(one.departures(one.operations[0], 201, "application/json", body))


def test_samples_fit_and_mistakes_do_not() -> None:
    one = described()
    make = one.operations[0]
    good = one.sample(make.body or {}, "mark-1")
    assert good == {"name": "mark-1", "size": 2}
    cases = list(one.mistakes(make, good))
    assert {"no name", "name of a wrong type", "name that is too long", "an unknown kind"} <= {c.why for c in cases}
    assert [case.why for case in cases if case.raw is None and one.fits(make.body or {}, case.body)] == []


def test_version_3_0_and_its_nullable_are_understood() -> None:
    schema = {"type": "string", "nullable": True}
    old = described(openapi="3.0.3", components={"schemas": {"Thing": schema}})
    assert old.fits({"$ref": "#/components/schemas/Thing"}, None)
    assert not old.fits({"$ref": "#/components/schemas/Thing"}, 1)


def test_the_path_of_the_server_and_unknown_references_elsewhere() -> None:
    assert described(servers=[{"url": "https://x.test/base/"}]).operations[0].path == "/base/things"
    assert Operation("GET", "/a/{b}/{c}").variables == ["b", "c"]


def test_the_reference_application_is_described_as_the_file_says() -> None:
    one = Description(json.loads((ROOT / "sandbox/app/openapi.json").read_text()))
    for operation in one.operations:
        if operation.body is not None:
            assert one.fits(operation.body, one.sample(operation.body, "bytebot-api-check-1")), operation.name
