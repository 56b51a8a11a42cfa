# Notes when each task of a play began and ended, and its result: the same instrument for every environment.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: benchmark_timing
type: aggregate
short_description: Writes the seconds and the result of each task to a file
description:
  - One JSON object per line; the file is named by E(BENCHMARK_TIMES).
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Writes one line for each task that ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "benchmark_timing"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._began = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, failed=True)

    def _write(self, result: Any, *, failed: bool) -> None:
        seconds = time.monotonic() - self._began
        said = result._result
        line = {
            "seconds": seconds,
            "failed": failed,
            "changed": bool(said.get("changed")),
            "text": json.dumps({key: said[key] for key in ("msg", "stderr", "causes") if key in said}),
            "phases": said.get("seconds") or {},
            "helm_processes": said.get("helm_processes"),
        }
        with Path(os.environ["BENCHMARK_TIMES"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
