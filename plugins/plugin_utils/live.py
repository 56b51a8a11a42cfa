# The shared base of the action plugins of long modules: shows what a module tells while it still runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash

from ansible_collections.bytebot.production.plugins.module_utils.progress_line import VARIABLE, one_line

FILE = "progress.jsonl"
POLL_S = 0.2
CHUNK = 64 * 1024  # bytes read at once


class Tail:
    """Follows a file of records in a thread and shows each text once, from entering to leaving."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path, self._show = path, show
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)
        self._offset = 0

    def __enter__(self) -> Tail:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Show what is left, and no line after that."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(POLL_S):
            self._show_new()
        self._show_new()

    def _show_new(self) -> None:
        with suppress(OSError):  # nothing was told yet, or another user's module wrote it
            while whole := self._whole_lines():
                for line in whole.splitlines():
                    if text := text_of(line):
                        self._show(text)

    def _whole_lines(self) -> bytes:
        """The next lines that are written to their end."""
        file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            read = os.pread(file, CHUNK, self._offset)
        finally:
            os.close(file)
        whole = read[: read.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole


def text_of(line: bytes) -> str:
    """The text in a record; empty where it is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    text = record.get("text") if isinstance(record, dict) else None
    return one_line(text) if isinstance(text, str) else ""


class LiveAction(ActionBase):
    """Runs the module of the same name and shows its progress.

    Lines are shown where the module runs on the controller itself (``ansible_connection: local``), neither with
    ``async`` nor with ``no_log``. Everywhere else the module runs as any other, without them.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        wrap_async = self._task.async_val and not self._connection.has_native_async
        try:
            with self._shown(task_vars or {}):
                done = self._execute_module(task_vars=task_vars, wrap_async=wrap_async)
        finally:
            if not wrap_async:
                self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]  # Ansible's
        merged: dict[str, Any] = merge_hash(outcome, done)
        return merged

    def _configure_module(self, *arguments: Any, **named: Any) -> Any:
        """Put the module together as Ansible does. It parses every file that the module imports, and in each of them
        Python would look for cycles among some ten thousand nodes, where there are none: that is half of the time.
        """
        with _no_search_for_cycles():
            return super()._configure_module(*arguments, **named)

    @contextmanager
    def _shown(self, task_vars: Mapping[str, Any]) -> Iterator[None]:
        """Show progress while the module runs, where that can be done."""
        if self._task.async_val or self._task.no_log or self._connection.transport != "local":
            yield
            return
        path = Path(self._connection._shell.tmpdir or self._make_tmp_path()) / FILE
        try:
            with self._named(str(path)), Tail(path, _shower(task_vars)):
                yield
        finally:
            with suppress(OSError):  # the folder goes too, unless ANSIBLE_KEEP_REMOTE_FILES keeps it
                path.unlink()

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """Name the file to the module in its environment, as Ansible itself names the folder for async."""
        given = self._task.environment
        before = given if isinstance(given, list) else [given]
        self._task.environment = [*before, {VARIABLE: path}]
        try:
            yield
        finally:
            self._task.environment = given


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Leave it to reference counts to free memory."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _shower(task_vars: Mapping[str, Any]) -> Callable[[str], None]:
    """Displays a line, with the host before it where the play has several."""
    several = len(task_vars.get("ansible_play_hosts_all") or ()) > 1
    prefix = f"  [{task_vars.get('inventory_hostname')}] " if several else "  "
    display = Display()
    return lambda text: display.display(f"{prefix}{text}")
