# Faults of the desktop, and of the workers that use it: each behaves wrongly in one way, by a mark in its environment.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from sandbox.errors import SandboxError
from sandbox.faults.fault import NAMESPACE, STRATEGIC, Act, Fault, Hands

MARK = "SANDBOX_FAULT"
DESKTOP, WORKER = (
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-{component}" for component in ("desktop", "worker")
)
MOUSE, KEYBOARD, SCREENSHOT, OCR, TASK = (
    f"functional_testing.computer_use.{item}" for item in ("mouse", "keyboard", "screenshot", "ocr", "task")
)


def _marked(path: str, env: dict[str, Any]) -> Act:
    container = path.rpartition("-")[2]

    def act(hands: Hands) -> None:
        if hands.cluster.get(path) is None:
            raise SandboxError("fault", f"{path} is not there", remedy="make demo with PROFILE=full deploys it")
        template = {"spec": {"containers": [{"name": container, "env": [env]}]}}
        hands.patch(path, {"spec": {"template": template}}, STRATEGIC)
        hands.until(lambda: hands.rolled_out(path), f"the pods of bytebot-{container} are new")

    return act


def _planted(path: str, name: str, says: str, *turns_red: str) -> Fault:
    return Fault(
        name=name,
        says=says,
        layer="application",
        turns_red=turns_red,
        put=_marked(path, {"name": MARK, "value": name}),
        heal=_marked(path, {"name": MARK, "$patch": "delete"}),
        component="desktop-image",
    )


FAULTS = (
    _planted(DESKTOP, "mouse_moves_elsewhere", "the pointer goes to another place than it is sent to", MOUSE),
    _planted(DESKTOP, "click_lost", "clicks of the pointer are lost", MOUSE),
    _planted(DESKTOP, "letters_lost", "letters that the keyboard's layout lacks are lost", KEYBOARD),
    _planted(DESKTOP, "modifier_stuck", "the key shift stays down after it is let go", KEYBOARD),
    _planted(DESKTOP, "screenshot_black", "screenshots are black", SCREENSHOT),
    _planted(DESKTOP, "screenshot_stale", "all screenshots are the first one", SCREENSHOT),
    _planted(DESKTOP, "screenshot_wrong_size", "screenshots have half the size", SCREENSHOT),
    _planted(DESKTOP, "ocr_engine_missing", "no engine reads the screen when it is asked for its text", OCR),
    _planted(DESKTOP, "ocr_stale", "the screen's text is always the one that was read first", OCR),
    _planted(WORKER, "task_stuck", "tasks are begun and never end", TASK),
    _planted(WORKER, "task_completed_without_effect", "tasks are completed although nothing was done", TASK),
)
