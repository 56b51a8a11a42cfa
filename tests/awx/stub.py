# A stand-in for AWX's API, for tests only: a contract stub that keeps objects in memory and answers as AWX 24 does
# where awx.awx asks it. It refuses what AWX refuses of surveys, prompts, nodes and schedules, and launches nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "a token that no output may hold"
KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # by list: type of an object, its defaults
    "organizations": ("organization", {}),
    "execution_environments": ("execution_environment", {"organization": None, "pull": ""}),
    "credential_types": ("credential_type", {"managed": False}),
    "credentials": ("credential", {}),
    "projects": ("project", {"scm_revision": "4f1c", "status": "successful"}),
    "inventories": ("inventory", {"kind": "", "host_filter": None, "variables": ""}),
    "inventory_sources": ("inventory_source", {}),
    "job_templates": ("job_template", {"survey_enabled": False, "limit": "", "job_tags": "", "extra_vars": "---"}),
    "workflow_job_templates": ("workflow_job_template", {"extra_vars": "---"}),
    "workflow_job_template_nodes": ("workflow_job_template_node", {"extra_data": {}, "job_tags": ""}),
    "workflow_approval_templates": ("workflow_approval_template", {}),
    "schedules": ("schedule", {"extra_data": {}, "job_tags": "", "enabled": True}),
}
RUNS = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
LINKED = ("credentials", "success_nodes", "failure_nodes", "always_nodes")
QUESTIONS = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}
_RULE = re.compile(r"^DTSTART(;TZID=[A-Za-z_]+(/[A-Za-z_]+)*)?:\d{8}T\d{6}Z? RRULE:FREQ=\w+;INTERVAL=\d+")


class Refused(Exception):
    """AWX answers 400."""


class Awx:
    """What AWX holds, and each request that changed it."""

    def __init__(self) -> None:
        """An AWX as it is when new: one organization."""
        self.objects: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.links: dict[tuple[int, str], list[int]] = {}
        self.changes: list[str] = []
        self.tokens: set[str] = set()
        self.count = 0
        self.make("organizations", {"name": "Default"})
        self.changes.clear()

    def named(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind by name (nodes by identifier)."""
        return {one.get("identifier") or one["name"]: one for one in self.objects[kind].values()}

    def linked(self, number: int, name: str) -> set[str]:
        """Names of what an object is linked with."""
        every = {key: one for kind in self.objects.values() for key, one in kind.items()}
        found = [every[key] for key in self.links.get((number, name), [])]
        return {one.get("identifier") or one["name"] for one in found}

    def make(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        """A new object."""
        self.count += 1
        number, (type_, defaults) = self.count, KINDS[kind]
        made = {**defaults, **given, "id": number, "type": type_, "url": f"/api/v2/{kind}/{number}/"}
        self._check(kind, made)
        if kind == "job_templates":
            made["organization"] = self.objects["projects"][made["project"]]["organization"]
        made["related"] = {"survey_spec": f"{made['url']}survey_spec/"}
        made["summary_fields"] = {}
        if kind == "workflow_job_template_nodes":
            workflow = self.objects["workflow_job_templates"][made["workflow_job_template"]]
            made["summary_fields"] = {"workflow_job_template": {"id": workflow["id"], "name": workflow["name"]}}
        self.objects[kind][number] = made
        self.changes.append(f"made {kind} {made.get('identifier') or made['name']}")
        return made

    def change(self, kind: str, number: int, given: dict[str, Any]) -> dict[str, Any]:
        """An object with other fields."""
        one = self.objects[kind][number]
        known = {key: value for key, value in given.items() if key in one}  # others are ignored, as by AWX
        self._check(kind, {**one, **known})
        one.update(known)
        self.changes.append(f"changed {kind} {one.get('identifier') or one['name']}")
        return one

    def _check(self, kind: str, one: dict[str, Any]) -> None:
        if kind == "schedules" and not _RULE.match(one["rrule"]):
            raise Refused(f"rrule: {one['rrule']}")
        if kind in {"schedules", "workflow_job_template_nodes"} and one.get("unified_job_template"):
            template = self.objects["job_templates"].get(one["unified_job_template"])
            if template is None:
                return
            spec = {item["variable"]: item for item in self.surveys.get(template["id"], {}).get("spec", [])}
            unknown = set(one["extra_data"]) - set(spec)
            lacking = {name for name, item in spec.items() if item["required"] and not item.get("default")} - set(
                one["extra_data"]
            )
            if unknown or lacking:
                raise Refused(f"not asked for: {sorted(unknown)}; needed to start: {sorted(lacking)}")
            for name, value in one["extra_data"].items():
                if spec[name].get("choices") and value not in spec[name]["choices"]:
                    raise Refused(f"{name}: {value} is no choice")
            if one["job_tags"] and not template.get("ask_tags_on_launch"):
                raise Refused("job_tags: not asked for")

    def survey(self, number: int, spec: dict[str, Any]) -> None:
        """Set the survey of a template."""
        if set(spec) != {"name", "description", "spec"} or not spec["spec"]:
            raise Refused("name, description and spec are needed")
        names = [item.get("variable") for item in spec["spec"]]
        for item in spec["spec"]:
            if not {"type", "question_name", "variable", "required"} <= set(item) or item["type"] not in QUESTIONS:
                raise Refused(f"question: {item}")
            if names.count(item["variable"]) > 1 or not isinstance(item["required"], bool):
                raise Refused(f"question: {item}")
            default, choices = item.get("default", ""), item.get("choices", [])
            if item["type"] == "multiplechoice" and (not choices or (default and default not in choices)):
                raise Refused(f"choices: {item}")
            if default != "" and isinstance(default, int) is not (item["type"] == "integer"):
                raise Refused(f"default: {item}")
        self.surveys[number] = spec
        self.changes.append(f"survey {number}")

    def listed(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """The objects of a list that a query asks for."""
        kinds = RUNS if kind == "unified_job_templates" else (kind,)
        return [one for name in kinds for one in self.objects[name].values() if self._fits(one, query)]

    def _fits(self, one: dict[str, Any], query: dict[str, str]) -> bool:
        for key, wanted in query.items():
            if key == "organization__name":
                fits = self.objects["organizations"].get(one.get("organization") or 0, {}).get("name") == wanted
            elif key == "workflow_job_template__name__in":
                fits = one["summary_fields"]["workflow_job_template"]["name"] in wanted.split(",")
            elif key in {"or__id", "or__name"}:
                fits = query.get("or__id") == str(one["id"]) or query.get("or__name") == one["name"]
            else:
                fits = key in {"page_size", "page"} or str(one.get(key)) == wanted
            if not fits:
                return False
        return True


def _page(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(found), "next": None, "previous": None, "results": found}


class _Handler(BaseHTTPRequestHandler):
    awx: Awx

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing is printed."""

    def _answer(self, status: int, body: Any = None) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        given = json.loads(self.rfile.read(length) or b"{}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"detail": "Authentication credentials were not provided."})
            return
        url = urlsplit(self.path)
        parts = url.path.removeprefix("/api/v2/").strip("/").split("/")
        try:
            self._answer(*self._found(parts, dict(parse_qsl(url.query)), given))
        except Refused as error:
            self._answer(400, {"detail": str(error)})
        except KeyError:
            self._answer(404, {"detail": "Not found."})

    do_GET = do_POST = do_PATCH = do_DELETE = _handle

    def _found(self, parts: list[str], query: dict[str, str], given: dict[str, Any]) -> tuple[int, Any]:
        if parts[0] == "project_updates":
            return 200, {"status": "successful"}
        if len(parts) == 1:
            return self._list(parts[0], query, given)
        one = self.awx.objects[parts[0]][int(parts[1])]
        return self._part(parts[0], one, parts[2], given) if len(parts) > 2 else self._one(parts[0], one, given)

    def _list(self, kind: str, query: dict[str, str], given: dict[str, Any]) -> tuple[int, Any]:
        if self.command == "POST":
            return 201, self.awx.make(kind, given)
        return 200, _page(self.awx.listed(kind, query))

    def _one(self, kind: str, one: dict[str, Any], given: dict[str, Any]) -> tuple[int, Any]:
        if self.command == "PATCH":
            return 200, self.awx.change(kind, one["id"], given)
        if self.command == "DELETE":
            self.awx.changes.append(f"deleted {kind} {one.get('identifier') or one['name']}")
            del self.awx.objects[kind][one["id"]]
            return 204, None
        return 200, one

    def _part(self, kind: str, one: dict[str, Any], part: str, given: dict[str, Any]) -> tuple[int, Any]:
        awx, number = self.awx, one["id"]
        if part == "survey_spec":
            if self.command == "POST":
                awx.survey(number, given)
            if self.command == "DELETE":
                awx.surveys.pop(number, None)
            return 200, awx.surveys.get(number, {})
        if part == "create_approval_template":
            made = awx.make("workflow_approval_templates", given)
            one["unified_job_template"] = made["id"]
            one["related"]["unified_job_template"] = made["url"]
            return 201, made
        if part not in LINKED or (part.endswith("_nodes") and kind != "workflow_job_template_nodes"):
            raise KeyError(part)
        linked = awx.links.setdefault((number, part), [])
        if self.command == "POST":
            (linked.remove if given.get("disassociate") else linked.append)(given["id"])
            awx.changes.append(f"linked {kind} {number} {part} {given['id']}")
            return 204, None
        source = "credentials" if part == "credentials" else "workflow_job_template_nodes"
        return 200, _page([awx.objects[source][key] for key in linked])


@contextmanager
def serving(awx: Awx) -> Iterator[str]:
    """The stand-in on a port of this machine; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"awx": awx}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
