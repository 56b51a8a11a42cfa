# The synthetic history: marked, in order, and wrong only in what is asked for.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from sandbox.history import BRUTE_FORCE, NEW_ERROR, SPIKE, UNDER, UNHEEDED, WRONG, History

END = 1_796_000_400
SAMPLE = re.compile(r'[a-zA-Z_]+\{.*synthetic="true"\} -?[0-9.e+]+ \d+\n')


def test_each_sample_is_marked_and_counters_never_fall() -> None:
    last: dict[str, tuple[float, int]] = {}
    for row in History(END).text():
        if row == "# EOF\n":
            break
        assert SAMPLE.fullmatch(row), row
        name, value, at = row.rsplit(" ", 2)
        before = last.get(name)
        if before:
            assert int(at) > before[1]
            assert float(value) >= before[0] or not name.startswith(("http_", "container_cpu", "auth_", "security_"))
        last[name] = (float(value), int(at))
    assert max(at for _value, at in last.values()) == END


def test_what_is_wrong_changes_only_its_own() -> None:
    sound = set(History(END).text())
    for wrong in sorted(WRONG - {NEW_ERROR}):
        names = {row.partition("{")[0] for row in History(END, frozenset({wrong})).text() if row not in sound}
        assert len(names) in {1, 2}, wrong
    changed = {row for row in History(END, frozenset({UNDER})).text() if row not in sound}
    assert all('container="api"' in row and 'resource="memory"' in row for row in changed)
    assert any(row.startswith("http_requests_total") for row in set(History(END, frozenset({SPIKE})).text()) - sound)


def test_what_is_wrong_of_security_is_told_of_it_alone() -> None:
    sound = set(History(END).text())
    guessed = {row.partition("{")[0] for row in set(History(END, frozenset({BRUTE_FORCE})).text()) - sound}
    assert guessed == {"auth_attempts_total", "security_events_total"}
    (alert,) = set(History(END, frozenset({UNHEEDED})).alerted()) - set(History(END).alerted())
    assert not alert.acted
    assert alert.name not in {action["alert"] for action in History(END).actions() if action["at"] > "2026-11-25"}


def test_lines_are_marked_and_a_new_error_is_new() -> None:
    lines = list(History(END).lines("m1"))
    assert {line["synthetic"] for line in lines} == {"m1"}
    assert any(line["level"] == "error" for line in lines)
    assert not any("checksum" in line["_msg"] for line in lines)
    assert any("checksum" in line["_msg"] for line in History(END, frozenset({NEW_ERROR})).lines("m2"))
