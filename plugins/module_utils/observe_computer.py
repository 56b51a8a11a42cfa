# Uses a desktop through the API: points, clicks, types, reads the screen, lets a task work, and leaves no file.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import desktop_screen
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import Missing
from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import (
    COMPLETED,
    ComputerFacts,
    Event,
    Gesture,
    Kept,
    Point,
    Read,
    Shot,
    Typed,
    Worked,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, body_of
from ansible_collections.bytebot.production.plugins.module_utils.desktop_answers import (
    Reply,
    bytes_of,
    encoded,
    place_of,
    rows_of,
    why,
    xy,
)
from ansible_collections.bytebot.production.plugins.module_utils.desktop_screen import MARK, SIDE, Area, Picture
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

LETTERS = "ACDEFHKLMNPRTUVWXY347"  # none that look like another one
WORDS, LONG = 4, 8
LOOK_S, POLL_S = 10.0, 0.25  # how long an effect is waited for
SAVE_TRIES = 4
CHANGED = 0.01  # of the picture, where a dialog has come
WAIT_MS = 300
PATIENCE_S = 300  # that answers which say to come back later are waited for, in all
UNICODE = "Zażółć gęślą jaźń, Ωμέγα 9€"
ENDED = frozenset({COMPLETED, "FAILED", "CANCELLED", "NEEDS_HELP", "NEEDS_REVIEW"})
A, B, C = (8, 4), (30, 9), (20, 7)  # cells of the pattern, which are there in the smallest terminal
_OPT_IN = "Permit it for this environment (in the inventory: bytebot_tests_allowed, with the value writes)."
_ACCOUNTS = "Name the Secret of a user who may control the desktop (in the inventory: bytebot_test_accounts)."
_DESKTOP = "Describe the desktop that belongs to the release (in the inventory: bytebot_desktop)."


@dataclass(frozen=True, slots=True)
class Scope:
    """What is used, and how.

    :param size: the screen's; None where no desktop is given.
    :param folder: where files are made; :param task: what a task is asked for, with ``<text>`` and ``<file>``.
    """

    size: tuple[int, int] | None
    path: str = "/api/v1/computer-use"
    folder: str = "/home/user/Desktop"
    tasks: str = "/api/v1/tasks"
    task: str = 'Type "<text>" into the editor and save as "<file>"'
    task_s: float = 120.0
    editor: str = "vscode"
    most_wrong: float = 0.1
    accounts: tuple[Account, ...] = ()
    main: str = "operator"
    door: Door | None = None
    writes: bool = False
    unasked: str = ""


def observe(http: Http, scope: Scope, redactor: Redactor) -> ComputerFacts:
    """Use the desktop once; nothing where something is missing."""
    missing = missing_of(scope)
    if scope.unasked or missing or scope.size is None or scope.door is None:
        return ComputerFacts(http.base_url, missing=missing, unasked=scope.unasked)
    account = next((one for one in scope.accounts if one.role == scope.main), scope.accounts[0])
    who = scope.door.sign_in(account, redactor)
    if who.problem:
        return ComputerFacts(http.base_url, missing=Missing(f"Nobody could sign in: {who.problem}.", _ACCOUNTS))
    return Use(http, scope, who.headers).facts()


def missing_of(scope: Scope) -> Missing | None:
    """What is missing for a use of the desktop."""
    if scope.size is None:
        return Missing("Whether a desktop belongs to the release is not known: desktop is not given.", _DESKTOP)
    if not scope.writes:
        return Missing("The desktop is not used, since tests may not write here.", _OPT_IN)
    if scope.door is None or not scope.accounts:
        return Missing("The desktop is used signed in, and accounts names nobody.", _ACCOUNTS)
    return None


class Use:
    """One use of the desktop."""

    def __init__(
        self,
        http: Http,
        scope: Scope,
        headers: Mapping[str, str],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http, self._scope, self._headers, self._pause = http, scope, headers, pause
        self._nonce = secrets.token_hex(5)
        self._log = f"{scope.folder}/{MARK}-{self._nonce}"
        self._bits = "".join(secrets.choice("01") for _number in range(SIDE * SIDE))
        self._words = tuple("".join(secrets.choice(LETTERS) for _letter in range(LONG)) for _word in range(WORDS))
        self._read_to, self._patience_s = 0, PATIENCE_S

    def facts(self) -> ComputerFacts:
        base, size = self._http.base_url, self._scope.size or (0, 0)
        first = self._act("cursor_position")
        if first.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ComputerFacts(
                base, missing=Missing(f"The account may not use the desktop: it {first.problem}.", _ACCOUNTS)
            )
        if first.problem and first.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR):
            return ComputerFacts(base, absent=f"No desktop can be used: {self._scope.path} answers {first.problem}")
        try:
            points = tuple(self._points(size))
            before = self.shot()
            self._act("ocr")  # who tells a text that was read once is asked when nothing of it is on the screen yet
            unstarted = self._start()
            shot, area = self._drawn(before) if not unstarted else (_shot_of(before, before, ""), None)
            gestures = tuple(self._gestures(area)) if area else ()
            typed = tuple(self._terminal()) if not unstarted else ()
            read = self._recognised() if not unstarted else Read()
            self._act("type_keys", keys=["ctrl+c"])
            self._act("type_keys", keys=["ctrl+d"])
            typed += tuple(self._editor())
            kept = tuple(self._others(unstarted))
            work = self.work()
        finally:
            self.sweep()
        drawn = "" if unstarted else self._bits
        wrong = self._scope.most_wrong
        return ComputerFacts(base, size, points, gestures, typed, shot, drawn, read, wrong, work, kept, unstarted)

    def look(self) -> tuple[Shot, str, str]:
        """A screenshot after something was drawn, what was drawn, and why nothing was."""
        before = self.shot()
        unstarted = self._start()
        shot = self._drawn(before)[0] if not unstarted else _shot_of(before, before, "")
        self._act("type_keys", keys=["ctrl+c"])
        self._act("type_keys", keys=["ctrl+d"])
        return shot, "" if unstarted else self._bits, unstarted

    # ------------------------------------------------------------------ the pointer

    def _points(self, size: tuple[int, int]) -> Iterator[Point]:
        for share_x, share_y in ((0.1, 0.9), (0.9, 0.3), (0.5, 0.5)):
            place = int(size[0] * share_x), int(size[1] * share_y)
            went = self._act("move_mouse", coordinates=xy(place))
            there = self._act("cursor_position")
            yield Point(place, place_of(there.body.get("data")), went.problem or there.problem)

    def _gestures(self, area: Area) -> Iterator[Gesture]:
        to = {cell: xy(area.pixel(*cell)) for cell in (A, B, C)}
        path = [to[A], to[C], to[B]]
        yield self._gesture("move_mouse", (Event("motion", "", A),), coordinates=to[A])
        for button, cell, count in (("left", B, 1), ("left", C, 2), ("right", A, 1), ("middle", B, 1)):
            wanted = (Event("down", button, cell), Event("up", button, cell)) * count
            yield self._gesture("click_mouse", wanted, button=button, clickCount=count, coordinates=to[cell])
        yield self._gesture("press_mouse", (Event("down", "left", A),), button="left", press="down", coordinates=to[A])
        yield self._gesture(
            "press_mouse", (Event("motion", "", C), Event("up", "left", C)), button="left", press="up",
            coordinates=to[C],
        )  # fmt: skip
        # Terminals join motions that come at once, so only where a path ends is certain.
        dragged = (Event("down", "left", A), Event("up", "left", B))
        yield self._gesture("drag_mouse", dragged, path=path, button="left")
        traced = (Event("motion", "", B, ("ctrl",)),)
        yield self._gesture("trace_mouse", traced, path=path, holdKeys=["ctrl"])
        for direction, count in (("up", 3), ("down", 2)):
            turned = (Event("wheel", direction, A),) * count
            yield self._gesture("scroll", turned, direction=direction, scrollCount=count, coordinates=to[A])

    def _gesture(self, action: str, wanted: tuple[Event, ...], **fields: Any) -> Gesture:
        self._told()
        done = self._act(action, **fields)
        presses = [one for one in wanted if one.kind != "motion"]
        cells = {one.cell for one in wanted}
        told = ""

        def all_came() -> bool:
            nonlocal told
            told += self._told()
            got = desktop_screen.events(told)
            return len([one for one in got if one.kind != "motion"]) >= len(presses) and (
                bool(presses) or cells <= {one.cell for one in got}
            )

        if not done.problem:
            self._until(all_came, LOOK_S / 3)
        return Gesture(action, wanted, tuple(desktop_screen.events(told)), done.problem)

    # ------------------------------------------------------------------ the keyboard

    def _terminal(self) -> Iterator[Typed]:
        """Keys and texts as a program in the terminal gets them."""
        text = f"typed {self._nonce} {UNICODE}"
        yield self._keyed("type_text", text, ("type_text", {"text": text}))
        yield self._keyed("type_keys", "q\x01Z\r", ("type_keys", {"keys": ["q", "ctrl+a", "shift+z", "enter"]}))
        held = (
            ("press_keys", {"keys": ["shift"], "press": "down"}),
            ("type_keys", {"keys": ["k"]}),
            ("press_keys", {"keys": ["shift"], "press": "up"}),
            ("type_keys", {"keys": ["k"]}),
        )
        yield self._keyed("press_keys", "Kk", *held)

    def _keyed(self, how: str, wanted: str, *actions: tuple[str, dict[str, Any]]) -> Typed:
        self._told()
        problems = [done.problem for name, fields in actions if (done := self._act(name, **fields)).problem]
        told = ""

        def all_came() -> bool:
            nonlocal told
            told += self._told()
            return len(desktop_screen.keys(told)) >= len(wanted)

        if not problems:
            self._until(all_came, LOOK_S / 2)
        return Typed(how, wanted, desktop_screen.keys(told), problems[0] if problems else "")

    def _editor(self) -> Iterator[Typed]:
        """What is pasted into an editor, as it is in the file that the editor saves."""
        path, text = f"{self._log}-pasted.txt", f"pasted {self._nonce} {UNICODE} 漢字"
        steps = (
            ("application", {"application": self._scope.editor}),
            ("paste_text", {"text": text}),
        )
        for name, fields in steps:
            if (done := self._act(name, **fields)).problem:
                yield Typed("paste_text", text, problem=f"{name}: {done.problem}")
                return
        before = self.shot()
        self._act("type_keys", keys=["ctrl+s"])
        self._until(lambda: _differ(before, self.shot()), LOOK_S)
        self._act("type_text", text=path)
        got: str | None = None
        for _try in range(SAVE_TRIES):
            self._act("type_keys", keys=["enter"])
            self._until(lambda: self._file(path) is not None, LOOK_S / SAVE_TRIES)
            if (got := self._file(path)) is not None:
                break
        self._act("type_keys", keys=["ctrl+q"])
        yield Typed("paste_text", text, None if got is None else got.rstrip("\r\n"))

    # ------------------------------------------------------------------ the screen

    def _start(self) -> str:
        """Start the program in a terminal; why it did not, or nothing."""
        script = f"{self._log}.sh"
        text = desktop_screen.program(self._log, self._bits, self._words, self._nonce)
        wrote = self._act("write_file", path=script, data=encoded(text))
        opened = self._act("application", application="terminal") if not wrote.problem else wrote
        typed = self._act("type_text", text=f"exec sh {script}\n") if not opened.problem else opened
        if typed.problem:
            return typed.problem
        self._until(lambda: self._file(f"{self._log}.ready") == self._nonce, LOOK_S)
        if self._file(f"{self._log}.ready") != self._nonce:
            return "a program that was started in a terminal did not come to run"
        return ""

    def shot(self) -> tuple[str, Picture | str]:
        """The screen now: its picture as it came, and what it shows or why it is none."""
        reply = self._act("screenshot")
        data = reply.body.get("data")
        image = str(data.get("image", "")) if isinstance(data, dict) else ""
        return image, (reply.problem or desktop_screen.seen(image))

    def _drawn(self, before: tuple[str, Picture | str]) -> tuple[Shot, Area | None]:
        """Look until the pattern is on the screen."""
        now = before

        def there() -> bool:
            nonlocal now
            now = self.shot()
            return isinstance(now[1], Picture) and now[1].bits == self._bits

        self._until(there, LOOK_S)
        area = now[1].area if isinstance(now[1], Picture) and now[1].bits == self._bits else None
        return _shot_of(before, now, self._bits), area

    def _recognised(self) -> Read:
        reply = self._act("ocr")
        result = reply.body.get("result")
        text = str(result.get("text", "")) if isinstance(result, dict) else ""
        return Read(self._words, text, reply.problem)

    # ------------------------------------------------------------------ others

    def _others(self, unstarted: str) -> Iterator[Kept]:
        yield Kept("application", not unstarted, unstarted)
        sent, path = secrets.token_bytes(200), f"{self._log}.bin"
        wrote = self._act("write_file", path=path, data=base64.b64encode(sent).decode())
        read = self._act("read_file", path=path)
        yield Kept("write_file", not wrote.problem and bytes_of(read.body) == sent, wrote.problem)
        right = read.body.get("size") == len(sent) and str(read.body.get("name", "")) == path.rpartition("/")[2]
        yield Kept("read_file", not read.problem and right, read.problem)
        began = time.monotonic()
        waited = self._act("wait", duration=WAIT_MS)
        yield Kept("wait", not waited.problem and time.monotonic() - began >= WAIT_MS / 1000, waited.problem)

    def work(self) -> Worked:
        """A task from its creation to its end, and what it left on the desktop."""
        scope, file, text = self._scope, f"{self._log}-task.txt", f"task {self._nonce}"
        self._forget_tasks()
        asked = scope.task.replace("<text>", text).replace("<file>", file)
        made = self._http.request("POST", scope.tasks, headers=self._headers, json={"description": asked})
        id_ = body_of(made).get("id")
        if made.status != HTTPStatus.CREATED or not isinstance(id_, str):
            return Worked(wanted=text, problem=f"POST {scope.tasks} {why(made)}")
        began, last = time.monotonic(), made

        def ended() -> bool:
            nonlocal last
            last = self._http.get(f"{scope.tasks}/{id_}", headers=self._headers)
            return body_of(last).get("status") in ENDED

        self._until(ended, scope.task_s, POLL_S * 2)
        took = time.monotonic() - began
        said = body_of(last)
        status = str(said.get("status") or f"unknown, since reading it {why(last)}")
        problem = str(said.get("error") or "")
        got = self._file(file)
        removed = self._http.request("DELETE", f"{scope.tasks}/{id_}", headers=self._headers)
        return Worked(status, text, got, took, problem, "" if removed.succeeded else why(removed))

    def _forget_tasks(self) -> None:
        """Remove tasks that an earlier check left, since it was killed."""
        answer = self._http.get(f"{self._scope.tasks}?limit=100", headers=self._headers)
        for one in rows_of(answer):
            if MARK in str(one.get("description", "")) and isinstance(one.get("id"), str):
                self._http.request("DELETE", f"{self._scope.tasks}/{one['id']}", headers=self._headers)

    def sweep(self) -> None:
        """End the programs and remove the files, those of an earlier check too."""
        with contextlib.suppress(CollectionError):  # it must not hide what was seen; the next check sweeps again
            script = f"{self._log}-sweep.sh"
            self._act("write_file", path=script, data=encoded(desktop_screen.sweep(self._scope.folder)))
            self._act("application", application="terminal")
            self._act("type_text", text=f"exec sh {script}\n")
            self._until(lambda: self._file(script) is None, LOOK_S / 2)

    # ------------------------------------------------------------------ asking

    def _act(self, action: str, **fields: Any) -> Reply:
        body = {"action": action, **fields}
        answer = self._http.request("POST", self._scope.path, headers=self._headers, json=body)
        while answer.status == HTTPStatus.TOO_MANY_REQUESTS and self._waited(answer.headers.get("retry-after", "")):
            answer = self._http.request("POST", self._scope.path, headers=self._headers, json=body)
        said = body_of(answer)
        well = answer.status == HTTPStatus.OK and said.get("success") is True
        return Reply(answer.status, said, "" if well else why(answer))

    def _waited(self, said: str) -> bool:
        """Come back when that is said, within the patience; whether that was waited for."""
        if not said.isdecimal() or int(said) > self._patience_s:
            return False
        self._patience_s -= int(said)
        self._pause(float(said))
        return True

    def _file(self, path: str) -> str | None:
        reply = self._act("read_file", path=path)
        data = None if reply.problem else bytes_of(reply.body)
        return None if data is None else data.decode("utf-8", "replace")

    def _told(self) -> str:
        """What the program was told since this was asked last."""
        text = self._file(self._log) or ""
        new, self._read_to = text[self._read_to :], len(text)
        return new

    def _until(self, holds: Callable[[], bool], within: float, every: float = POLL_S) -> None:
        until = time.monotonic() + within
        while not holds() and time.monotonic() < until:
            self._pause(every)


def _shot_of(before: tuple[str, Picture | str], now: tuple[str, Picture | str], bits: str) -> Shot:
    picture = now[1]
    if isinstance(picture, str):
        return Shot(problem=picture)
    same = bool(bits) and now[0] == before[0]
    return Shot(picture.size, picture.blank, same, picture.bits)


def _differ(before: tuple[str, Picture | str], now: tuple[str, Picture | str]) -> bool:
    """Whether much more than a cursor has changed: the size of the packed pictures tells."""
    return abs(len(now[0]) - len(before[0])) > CHANGED * max(1, len(before[0]))
