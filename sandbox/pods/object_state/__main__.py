# The exporter as a pod: /metrics, and /healthz, which is well once everything has been listed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from sandbox.api import PodApi
from sandbox.pods.object_state.exporter import Exporter
from sandbox.pods.object_state.text import CONTENT_TYPE
from sandbox.pods.web import Answer, Request, serve

PORT = 8080


def answer(exporter: Exporter, request: Request) -> Answer:
    if request.path not in {"/metrics", "/healthz"}:
        return Answer(404, b"not found\n")
    if not exporter.complete:
        return Answer(503, b"not everything has been listed yet\n")
    return (
        Answer(200, b"ok\n") if request.path == "/healthz" else Answer(200, exporter.metrics().encode(), CONTENT_TYPE)
    )


def main() -> None:
    exporter = Exporter(PodApi(), os.environ.get("VERSION", ""), lambda line: print(line, flush=True))
    exporter.start()
    serve(PORT, lambda request: answer(exporter, request))


if __name__ == "__main__":
    main()
