# The sinks as a pod: webhooks and the list on one port, mail on another.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from sandbox.pods.sinks import mail
from sandbox.pods.sinks.store import Store
from sandbox.pods.web import Answer, Request, as_json, serve

HTTP_PORT, SMTP_PORT = 8080, 2525


def answer(store: Store, request: Request) -> Answer:
    """POST to /webhook/NAME or /slack/NAME keeps, GET /received lists."""
    kind, _, name = request.path.strip("/").partition("/")
    if request.method == "POST" and kind in {"webhook", "slack"} and name:
        return _keep(store, kind, name, request.body)
    if request.method == "GET" and request.path == "/received":
        return _listing(store, {key: values[-1] for key, values in request.query.items()})
    if request.method == "GET" and request.path == "/healthz":
        return Answer(200, b"ok\n")
    return as_json({"error": "not found"}, 404)


def _keep(store: Store, kind: str, name: str, body: bytes) -> Answer:
    try:
        json.loads(body)
    except ValueError:
        return as_json({"error": "the body is no JSON"}, 400)
    store.put(kind, [name], body.decode(errors="replace"))
    return Answer(200, b"ok")


def _listing(store: Store, asked: dict[str, str]) -> Answer:
    unknown = sorted(set(asked) - {"kind", "to", "contains", "after"})
    if unknown or not asked.get("after", "0").isdecimal():
        return as_json({"error": "it takes kind, to, contains, and after, which is the number of a message"}, 400)
    words = {key: asked.get(key, "") for key in ("kind", "to", "contains")}
    return as_json(store.listing(**words, after=int(asked.get("after", "0"))))


def main() -> None:
    store = Store()
    mail.server(store, SMTP_PORT).start()
    serve(HTTP_PORT, lambda request: answer(store, request))


if __name__ == "__main__":
    main()
