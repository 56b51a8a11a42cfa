# The documented calls: health, search, dashboards, data sources, queries.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sandbox.pods.grafana_stub.access import QUERY, READ_DASHBOARDS, READ_SOURCES, Access
from sandbox.pods.grafana_stub.frames import frames
from sandbox.pods.grafana_stub.prometheus import Prometheus, Unreachable
from sandbox.pods.grafana_stub.ranges import time_range
from sandbox.pods.web import JSON, Answer, Request, as_json

VERSION = "0.0.0-contract-stub"
MARK = {"X-Contract-Stub": "answers as Grafana documents its HTTP API, and is not Grafana"}
SOURCE = "prometheus"
PASSED_ON = re.compile(r"api/v1/(query|query_range|series|labels|label/[A-Za-z0-9_:.]+/values|metadata|rules|alerts)")
MOST_HITS = 5000
SEARCHED = {"dash-db", ""}
Object = dict[str, Any]


def message(status: int, text: str) -> Answer:
    return as_json({"message": text}, status)


@dataclass(frozen=True)
class Stub:
    """Answers every request.

    :param dashboards: by uid.
    """

    dashboards: Mapping[str, Object]
    source: Prometheus
    access: Access
    now: Callable[[], float] = time.time

    def answer(self, request: Request) -> Answer:
        given = self._answer(request)
        return replace(given, headers={**given.headers, **MARK})

    def _answer(self, request: Request) -> Answer:
        if request.path == "/api/health":
            return as_json({"commit": "contract-stub", "database": "ok", "version": VERSION})
        for method, pattern, action, handler in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and request.method in method:
                refused = self.access.refusal(request.headers.get("authorization", ""), action)
                return refused or handler(self, request, *found.groups())
        return message(404, "Not found")

    # ------------------------------------------------------------------ dashboards

    def search(self, request: Request) -> Answer:
        asked = request.query
        try:
            limit, page = (int(asked.get(word, [default])[-1]) for word, default in (("limit", "1000"), ("page", "1")))
        except ValueError:
            return message(400, "bad request data")
        words, tags = asked.get("query", [""])[-1].lower(), set(asked.get("tag", []))
        uids = set(asked.get("dashboardUIDs", []) + asked.get("dashboardUID", []))
        kind = asked.get("type", [""])[-1]
        hits = [
            self._hit(number, uid, board)
            for number, (uid, board) in enumerate(sorted(self.dashboards.items()), start=1)
            if words in board["title"].lower() and tags <= set(board.get("tags", [])) and (not uids or uid in uids)
        ]
        size = max(1, min(limit, MOST_HITS))
        return as_json(hits[(page - 1) * size : page * size] if kind in SEARCHED else [])

    def _hit(self, number: int, uid: str, board: Object) -> Object:
        return {
            "id": number,
            "uid": uid,
            "title": board["title"],
            "uri": f"db/{slug(board['title'])}",
            "url": f"/d/{uid}/{slug(board['title'])}",
            "type": "dash-db",
            "tags": board.get("tags", []),
            "isStarred": False,
        }

    def dashboard(self, _: Request, uid: str) -> Answer:
        board = self.dashboards.get(uid)
        if board is None:
            return message(404, "Dashboard not found")
        name = slug(board["title"])
        meta = {"isStarred": False, "url": f"/d/{uid}/{name}", "folderId": 0, "folderUid": "", "slug": name}
        number = sorted(self.dashboards).index(uid) + 1
        return as_json({"dashboard": {**board, "id": number}, "meta": {**meta, "provisioned": True}})

    # ------------------------------------------------------------------ data sources

    def sources(self, _: Request) -> Answer:
        return as_json([self._source()])

    def source_by_uid(self, _: Request, uid: str) -> Answer:
        return as_json(self._source()) if uid == SOURCE else message(404, "Data source not found")

    def source_health(self, _: Request, uid: str) -> Answer:
        if uid != SOURCE:
            return message(404, "Data source not found")
        try:
            status, _body = self.source.ask("/api/v1/query", {"query": "vector(1)"})
        except Unreachable as error:
            return as_json({"status": "ERROR", "message": str(error)}, 400)
        if status != HTTPStatus.OK:
            return as_json({"status": "ERROR", "message": f"it answers with {status}"}, 400)
        return as_json({"status": "OK", "message": "Successfully queried the Prometheus API."})

    def _source(self) -> Object:
        return {
            "id": 1,
            "uid": SOURCE,
            "orgId": 1,
            "name": "Prometheus",
            "type": "prometheus",
            "typeLogoUrl": "",
            "access": "proxy",
            "url": self.source.url,
            "user": "",
            "database": "",
            "basicAuth": False,
            "isDefault": True,
            "jsonData": {"httpMethod": "POST"},
            "readOnly": True,
        }

    # ------------------------------------------------------------------ queries

    def proxy(self, request: Request, uid: str, path: str) -> Answer:
        if uid != SOURCE:
            return message(404, "Data source not found")
        if not PASSED_ON.fullmatch(path):
            return message(403, "this path is not passed on")
        query = f"?{urlencode(request.query, doseq=True)}" if request.query else ""
        kind = request.headers.get("content-type", "")
        try:
            status, body = self.source.send(request.method, f"/{path}{query}", body=request.body, content_type=kind)
        except Unreachable:
            return message(502, "Bad Gateway")
        return Answer(status, body, JSON)

    def query(self, request: Request) -> Answer:
        try:
            asked = json.loads(request.body)
            queries, begin, end = asked["queries"], str(asked.get("from", "now-1h")), str(asked.get("to", "now"))
            uids = {str((one.get("datasource") or {}).get("uid", "")) for one in queries}
        except (ValueError, KeyError, TypeError, AttributeError):
            return message(400, "bad request data")
        if not queries:
            return message(400, "no queries found")
        if uids != {SOURCE}:
            return message(404, "Data source not found")
        results = {str(one.get("refId", "A")): self._one(one, begin, end) for one in queries}
        failed = [result["status"] for result in results.values() if "error" in result]
        return as_json({"results": results}, failed[0] if failed else 200)

    def _one(self, asked: Object, begin: str, end: str) -> Object:
        try:
            span = time_range(
                begin,
                end,
                self.now(),
                interval_ms=int(asked.get("intervalMs", 1000)),
                points=int(asked.get("maxDataPoints", 100)),
            )
        except (ValueError, TypeError) as error:
            return {"error": str(error), "status": 400, "frames": []}
        expression = span.fill(str(asked.get("expr", "")))
        words, path = {"query": expression, "time": f"{span.end:.3f}"}, "/api/v1/query"
        if not asked.get("instant"):
            path = "/api/v1/query_range"
            words = {
                "query": expression,
                "start": f"{span.start:.3f}",
                "end": f"{span.end:.3f}",
                "step": str(span.step),
            }
        try:
            status, body = self.source.ask(path, words)
            said = json.loads(body)
        except (Unreachable, ValueError) as error:
            return {"error": str(error), "status": 502, "frames": []}
        if status != HTTPStatus.OK:
            return {"error": f"{said.get('errorType')}: {said.get('error')}", "status": status, "frames": []}
        return {"status": 200, "frames": frames(str(asked.get("refId", "A")), expression, said["data"])}


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


UID = r"([A-Za-z0-9_-]{1,40})"
ROUTES: tuple[tuple[tuple[str, ...], str, str, Callable[..., Answer]], ...] = (
    (("GET",), r"/api/search/?", READ_DASHBOARDS, Stub.search),
    (("GET",), rf"/api/dashboards/uid/{UID}", READ_DASHBOARDS, Stub.dashboard),
    (("GET",), r"/api/datasources/?", READ_SOURCES, Stub.sources),
    (("GET",), rf"/api/datasources/uid/{UID}", READ_SOURCES, Stub.source_by_uid),
    (("GET",), rf"/api/datasources/uid/{UID}/health", QUERY, Stub.source_health),
    (("GET", "POST"), rf"/api/datasources/proxy/uid/{UID}/(.+)", QUERY, Stub.proxy),
    (("POST",), r"/api/ds/query", QUERY, Stub.query),
)
