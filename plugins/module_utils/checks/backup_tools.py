# Reads what pgBackRest and barman say of their backups; nothing that they say is taken for a restore.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    BARMAN,
    PGBACKREST,
    BackupSeen,
    Made,
)

Object = Mapping[str, Any]
_SAID, _WHY = 160, 500  # characters that are repeated of what a tool said, and of why nothing is known
_WAL = re.compile(r"[0-9A-F]{24}")
_BACKUP_ID = re.compile(r"\d{8}T\d{6}")
_STANZA = "Look at the stanza there (pgbackrest info, pgbackrest check), and make it (stanza-create) where it is not."
_BACK_UP = "Back up again, and look at the log of that backup (pgbackrest --type=full backup)."
_ARCHIVE = "Look at archive_command and its log (pgbackrest check), and back up again."
_LOCK = "Look again when it has ended; where none runs, look at what holds the lock (lock-path)."
_SERVER = "Name a server that this barman knows (barman list-servers)."
_CHECK = "Mend what barman check names, and run it again."
_WAITS = "Look why its log does not come (barman cron, barman check-backup, barman replication-status)."
_SHAPE = "Ask by hand what it says, and name the pod and container where it works (in the inventory: bytebot_backup)."


@dataclass(slots=True)
class _Reading:
    """What is gathered from one answer."""

    wrong: list[tuple[str, str]] = field(default_factory=list)
    gaps: list[tuple[str, str]] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    copies: dict[str, float] = field(default_factory=dict)
    whole: int = 0
    log_judged: bool = False
    told: dict[str, Any] = field(default_factory=dict)

    def seen(self, kind: str, where: str) -> BackupSeen:
        return BackupSeen(
            kind,
            where,
            read=tuple(self.made),
            wrong=tuple(self.wrong),
            gaps=tuple(self.gaps),
            copies=self.copies,
            whole=self.whole,
            log_judged=self.log_judged,
            told=self.told,
        )


def unread(kind: str, where: str, why: str, remedy: str = _SHAPE) -> BackupSeen:
    """Nothing is known, and why."""
    return BackupSeen(kind, where, denied=_short(why, _WHY), remedy=remedy)


# ---------------------------------------------------------------------------- pgBackRest


def pgbackrest_seen(where: str, stanza: str, said: str) -> BackupSeen:
    """What ``pgbackrest info --output=json`` says of a stanza.

    pgBackRest, Command Reference, "Info Command", and its source, src/command/info/info.c: the status codes are 0 ok,
    1 missing stanza path, 2 no valid backups, 3 missing stanza data, 4 different across repos, 5 database mismatch
    across repos, 99 other. A backup that failed is in no list. ``error`` tells of pages whose checksums are wrong.
    The status stays 0 where the log archive is lost, or the stanza was upgraded and no backup was made since.
    """
    answer = _parsed(said)
    if answer is None:
        return unread(PGBACKREST, where, f"what pgBackRest says is no JSON: {_short(said) or 'nothing'}")
    one = next((entry for entry in _maps(answer) if entry.get("name") == stanza), None)
    if one is None:
        return unread(PGBACKREST, where, f"pgBackRest does not speak of stanza {stanza}")
    backups = _maps(one.get("backup"))
    if timeless := [entry for entry in backups if not _time_of(entry, "stop")]:
        return unread(PGBACKREST, where, f"pgBackRest does not tell when {_label(timeless[0])} ended")
    reading = _Reading()
    repositories = _repositories(one)
    for key, code, message in repositories:
        _repository(one, key, (code, message), len(repositories) > 1, reading)
    status = _map(one.get("status"))
    overall = _code(status.get("code"))
    if overall and not any(code for _number_of, code, _message in repositories):
        reading.wrong.append((_status(overall, str(status.get("message") or "")), _STANZA))
    if _map(_map(status.get("lock")).get("backup")).get("held"):
        reading.gaps.append(("a backup or an expire holds the stanza's lock", _LOCK))
        reading.told["locked"] = True
    reading.told["repositories"] = {str(key): {"code": code, "message": _short(m)} for key, code, m in repositories}
    return reading.seen(PGBACKREST, where)


def _repository(one: Object, key: int, status: tuple[int | None, str], several: bool, reading: _Reading) -> None:
    name = f"repository {key}"
    prefix = f"{name}: " if several else ""
    present = max((_int(db.get("id")) for db in _of_key(one.get("db"), key)), default=0)
    all_of_it = [entry for entry in _maps(one.get("backup")) if _key(entry) == key]
    mine = [entry for entry in all_of_it if not present or _db(entry) == present]
    good = [entry for entry in mine if entry.get("error") is not True]
    reading.made += [_made(entry, name if several else "") for entry in mine]
    reading.whole = max(reading.whole, sum(entry.get("type") == "full" for entry in good))
    code, message = status
    if code is None:
        reading.gaps.append((f"{prefix}its status is not told", _STANZA))
    if code:
        reading.wrong.append((prefix + _status(code, message), _STANZA))
    elif not good:
        reading.wrong.append((f"{prefix}it has no good backup of the present cluster", _BACK_UP))
    newest = max(good, key=lambda entry: _time_of(entry, "stop"), default=None)
    if several and newest:
        reading.copies[name] = _time_of(newest, "stop")
    archived = [entry for entry in _of_key(one.get("archive"), key) if not present or _db(entry) == present]
    last = max((str(entry.get("max") or "") for entry in archived), default="")
    first = min((str(entry.get("min")) for entry in archived if entry.get("min")), default="")
    reading.told.setdefault("archive", {})[name] = last
    if newest and (flaw := _log_flaw(newest, first, last)):
        reading.wrong.append((prefix + flaw, _ARCHIVE))


def _log_flaw(newest: Object, first: str, last: str) -> str:
    """What the log archive lacks of what a backup needs; names of segments sort by their timeline and place.

    Between its first and its last segment, pgBackRest tells nothing.
    """
    needs = _map(newest.get("archive"))
    begin, end = str(needs.get("start") or ""), str(needs.get("stop") or "")
    if not _WAL.fullmatch(end):
        return ""  # made while the server was stopped, or without the archive
    if not last:
        return f"its log archive is empty, and {_label(newest)} needs {end}"
    if last < end:
        return f"its log archive ends at {last}, and {_label(newest)} needs {end}"
    if first and _WAL.fullmatch(begin) and begin < first:
        return f"its log archive begins at {first}, and {_label(newest)} needs {begin}"
    return ""


def _repositories(one: Object) -> list[tuple[int, int | None, str]]:
    """Number, status code and message of each; before version 2.32 there was one, and no list."""
    told = [(_int(entry.get("key")), _map(entry.get("status"))) for entry in _maps(one.get("repo"))]
    found = told or [(1, _map(one.get("status")))]
    return [(key, _code(status.get("code")), str(status.get("message") or "")) for key, status in found]


def _made(entry: Object, repository: str) -> Made:
    name = f"{_label(entry)} ({repository})" if repository else _label(entry)
    flaw = "pages of it do not have their checksums" if entry.get("error") is True else ""
    return Made(name, _time_of(entry, "stop"), flaw, _time_of(entry, "start"))


def _status(code: int, message: str) -> str:
    return f"{_short(message) or 'it does not say what is wrong'} (status {code})"


def _code(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _of_key(entries: Any, key: int) -> list[Object]:
    return [entry for entry in _maps(entries) if _key(entry) == key]


def _key(entry: Object) -> int:
    """The repository that an entry is of; entries of ``db`` have its number beside their own, others below."""
    own = entry.get("repo-key", _map(entry.get("database")).get("repo-key", 1))
    return _int(own)


def _db(entry: Object) -> int:
    return _int(_map(entry.get("database")).get("id"))


def _label(entry: Object) -> str:
    return str(entry.get("label") or "a backup without a name")


def _time_of(entry: Object, which: str) -> float:
    return _number(_map(entry.get("timestamp")).get(which))


# ---------------------------------------------------------------------------- barman


def newest_failed(server: str, listed: str) -> str:
    """The id of the newest backup where that one failed; empty where it did not."""
    entries = _listed(server, listed) or []
    if not entries or entries[-1].get("status") != "FAILED":
        return ""
    found = str(entries[-1].get("backup_id"))
    return found if _BACKUP_ID.fullmatch(found) else ""


def cause_of(server: str, shown: str) -> str:
    """Why a backup failed, by ``barman show-backup``; empty where it does not tell."""
    return _short(str(_map(_map(_parsed(shown)).get(server)).get("error") or ""))


def barman_seen(where: str, server: str, listed: str, checked: str, cause: str = "") -> BackupSeen:
    """What ``barman list-backups`` and ``barman check`` say of a server, both as JSON.

    barman, source, barman/output.py (JsonOutputWriter) and barman/infofile.py: a backup is ``DONE`` when it is whole;
    with ``WAITING_FOR_WALS`` it is copied and what makes it consistent is not archived yet; ``STARTED`` and ``SYNCING``
    are on their way. A check is ``OK`` or ``FAILED``, with a hint.

    :param checked: what the check printed, or why it could not be had; :param cause: why the newest backup failed.
    """
    entries = _listed(server, listed)
    if entries is None:
        return _without_list(where, server, listed)
    done = [entry for entry in entries if entry.get("status") == "DONE"]
    if timeless := [entry for entry in done if not _ended(entry)]:
        return unread(BARMAN, where, f"barman does not tell when {_id(timeless[0])} ended")
    reading = _Reading()
    for place, entry in enumerate(entries):
        status = str(entry.get("status"))
        flaw = (cause or "barman does not tell why") if status == "FAILED" else ""
        at = _ended(entry) if status == "DONE" else 0.0
        reading.made.append(Made(_id(entry), at, flaw, float(place)))
    for entry in entries:
        if entry.get("status") == "WAITING_FOR_WALS":
            target = reading.gaps if done else reading.wrong
            target.append((f"{_id(entry)} is copied and waits for its log (WAITING_FOR_WALS)", _WAITS))
    reading.whole = sum(entry.get("backup_type") != "incremental" for entry in done)
    reading.told["states"] = {_id(entry): str(entry.get("status")) for entry in entries[-5:]}
    reading.told["retention"] = {_id(entry): str(entry.get("retention_status")) for entry in done[-5:]}
    reading.wrong += [(f"barman: {_short(text)}", _CHECK) for text in _errors(_parsed(listed))]
    _check(server, checked, reading)
    return reading.seen(BARMAN, where)


def _check(server: str, checked: str, reading: _Reading) -> None:
    fields = _map(_map(_parsed(checked)).get(server))
    if not fields:
        why = _short("; ".join(_errors(_parsed(checked))) or checked) or "nothing"
        reading.gaps.append((f"barman check tells nothing that can be read: {why}", _CHECK))
    log = _map(fields.get("wal_maximum_age"))
    # "interval provided: 1 hour, latest wal age: 9 seconds" where last_wal_maximum_age is set (barman/server.py).
    reading.log_judged = log.get("status") == "OK" and str(log.get("hint") or "").startswith("interval provided")
    bad = [name for name, told in fields.items() if _map(told).get("status") != "OK" and name != "failed_backups"]
    for name in bad:  # failed_backups counts those that a good one has followed, too; the list tells it better
        hint = _short(str(_map(fields[name]).get("hint") or ""))
        reading.wrong.append((f"barman check {name}" + (f": {hint}" if hint else " fails"), _CHECK))
    kept = [*bad, *(name for name in ("wal_maximum_age", "minimum_redundancy_requirements") if name in fields)]
    reading.told["check"] = {name: _short(str(_map(fields[name]).get("hint") or "")) for name in kept}
    reading.told["checks"] = len(fields)


def _without_list(where: str, server: str, listed: str) -> BackupSeen:
    answer = _parsed(listed)
    errors = _errors(answer)
    if any(text.startswith("Unknown server") for text in errors):
        return BackupSeen(BARMAN, where, wrong=((f"barman knows no server {server}", _SERVER),))
    if answer is None:
        return unread(BARMAN, where, f"what barman says is no JSON: {_short(listed) or 'nothing'}")
    why = f": {_short('; '.join(errors))}" if errors else " (is it active?)"
    return unread(BARMAN, where, f"barman does not speak of server {server}{why}")


def _listed(server: str, listed: str) -> list[Object] | None:
    """The backups, the oldest first (their ids are times); None where barman does not speak of the server."""
    found = _map(_parsed(listed)).get(server)
    return sorted(_maps(found), key=_id) if isinstance(found, list) else None


def _errors(answer: Any) -> list[str]:
    told = [_map(answer).get(name) for name in ("_ERROR", "_EXCEPTION")]
    return [str(text) for texts in told if isinstance(texts, list) for text in texts]


def _id(entry: Object) -> str:
    return str(entry.get("backup_id") or "a backup without an id")


def _ended(entry: Object) -> float:
    return _number(entry.get("end_time_timestamp"))


# ---------------------------------------------------------------------------- both


def _parsed(said: str) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


def _map(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> list[Object]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Iterable) else []


def _int(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _number(value: Any) -> float:
    """A time that is one; 0 where it is none."""
    try:
        found = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) and found > 0 else 0.0


def _short(text: str, most: int = _SAID) -> str:
    return " ".join(text.split())[:most].rstrip(".")
