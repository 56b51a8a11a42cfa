# Prints one line per judged control as the results come, in the order of the checklist.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: E402 (the documentation stands above the imports, as ansible-test wants it)

from __future__ import annotations

DOCUMENTATION = r"""
name: checklist
type: aggregate
short_description: Print one line per judged control as the results come
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - After each task whose result carries RV(ignore:results) as the examining modules return them, prints one line per
    control, its state first, in the order of the checklist.
  - A heading names the task and the host; the items of a loop follow as they come.
  - Stands beside the callback that owns the standard output, which is not replaced.
  - What C(no_log) hides is not printed, and a result of another shape is passed over.
requirements:
  - C(callbacks_enabled = bytebot.production.checklist) under C([defaults]) in C(ansible.cfg), or
    E(ANSIBLE_CALLBACKS_ENABLED) set to C(bytebot.production.checklist).
seealso:
  - module: bytebot.production.checklist_report
"""

import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.model import RED, SHOULD, State
from ansible_collections.bytebot.production.plugins.module_utils.progress_line import one_line
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.render.terminal import NARROWEST, SIGNS, WIDEST

Result = Mapping[str, Any]
COLORS = {State.PASS: "COLOR_OK", State.INCONCLUSIVE: "COLOR_WARN"}
FIELDS = ("control", "state", "summary")


class CallbackModule(CallbackBase):
    """Shows results of the contract, item by item where a task loops."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bytebot.production.checklist"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._under = ("", "")  # the task and the host whose heading was printed last

    def v2_runner_on_ok(self, result: Any) -> None:
        """Show what a task judged."""
        self._show(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 - Ansible passes it
        """Show what a failed task judged."""
        self._show(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Show what one item of a loop judged."""
        self._show(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Show what a failed item of a loop judged."""
        self._show(result)

    def _show(self, result: Any) -> None:
        judged = contracted(result._result)
        if not judged or result._task.no_log:
            return
        task, host = result._task, str(result._host.get_name())
        if self._under != (str(task._uuid), host):
            self._under = (str(task._uuid), host)
            self._display.display(f"  {one_line(str(task.get_name()))} [{host}]")
        titles = _titles()
        for one in sorted(judged, key=lambda found: _place(titles, str(found["control"]))):
            self._display.display(line_of(one, titles), color=_color(one))


def contracted(outcome: Any) -> list[Result]:
    """The results of our contract in a task's outcome; none where it is hidden or of another shape."""
    if not isinstance(outcome, Mapping) or outcome.get("_ansible_no_log") or "censored" in outcome:
        return []
    given = outcome.get("results")
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        return []
    return [one for one in given if _is_result(one)]


def line_of(result: Result, titles: Mapping[str, str]) -> str:
    """State, title and summary in one line; what is no pass is told whole."""
    control, state = str(result["control"]), str(result["state"])
    title = titles.get(control, control)
    width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 20)).columns))
    start = f"    {SIGNS.get(state, state):<7}{one_line(title)}"
    summary = one_line(str(result["summary"]), len(str(result["summary"])) + 1)
    line = f"{start}: {summary}" if summary else start
    return line if state != State.PASS or len(line) <= width else f"{line[: width - 1]}…"


def _is_result(given: Any) -> bool:
    return (
        isinstance(given, Mapping)
        and all(isinstance(given.get(name), str) for name in FIELDS)
        and given["state"] in set(State)
        and not given.get("_ansible_no_log")
    )


@cache
def _titles() -> Mapping[str, str]:
    """Titles by id in the order of the checklist; none where the catalogue cannot be read, so that ids are shown."""
    try:
        return {control.id: control.title for control in catalogue.load().controls.values()}
    except (CollectionError, OSError):
        return {}


def _place(titles: Mapping[str, str], control: str) -> int:
    """Where a control stands in the checklist; what it does not have stands behind, as it came."""
    return list(titles).index(control) if control in titles else len(titles)


def _color(result: Result) -> str:
    state = result["state"]
    if state in RED:
        name = "COLOR_WARN" if result.get("level") == SHOULD else "COLOR_ERROR"
    else:
        name = COLORS.get(state, "COLOR_SKIP")
    return str(constants.config.get_config_value(name))
