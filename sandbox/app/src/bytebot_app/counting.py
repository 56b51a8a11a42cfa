# Counts what becomes of tasks; the API and the workers count what each of them did.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime

from bytebot_app.metrics import Metrics
from bytebot_app.store import ENDED, Row


def count(metrics: Metrics, task: Row) -> None:
    """A task has reached its status."""
    metrics.tasks.labels(task["status"], task["type"], task["createdBy"]).inc()
    if task["status"] in ENDED and task["completedAt"]:
        began: datetime = task["executedAt"] or task["createdAt"]
        metrics.task_seconds.labels(task["type"], task["status"]).observe((task["completedAt"] - began).total_seconds())
