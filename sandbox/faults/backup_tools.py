# Faults in what pgBackRest and barman keep of a database: the log archive, pages, the receiver, the last backup.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.components.backup_tools import DATABASE, NAME, POD
from sandbox.faults.fault import Act, Fault, Hands
from sandbox.settings import VERSIONS

REGULAR, DATABASE_BACKUP = "infrastructure.database.backup", "backup.drills.database"
PSQL = "psql -X -q -A -t -h /data/socket -U postgres -d postgres"
ARCHIVE, ASIDE = f"/data/pgbackrest/archive/{DATABASE}", "/data/aside"
UNREADABLE = "/data/pgdata/unreadable"
# A page of a table is written over in its file while the server has it in no buffer that it would write.
DAMAGE = f"""set -eu
{PSQL} -c 'CREATE TABLE IF NOT EXISTS damaged AS SELECT generate_series(1, 1000) AS one' -c CHECKPOINT
file=/data/pgdata/$({PSQL} -c "SELECT pg_relation_filepath('damaged')")
printf damaged | dd of="$file" bs=1 seek=1000 conv=notrunc status=none
pgbackrest --stanza={DATABASE} --type=full --log-level-console=error backup"""
MENDED = f"""set -eu
{PSQL} -c 'DROP TABLE IF EXISTS damaged'
pgbackrest --stanza={DATABASE} --type=full backup"""
# The server cannot send the file, so that the backup breaks off.
BREAK = f"""touch {UNREADABLE}; chmod 000 {UNREADABLE}
if barman backup --wait {DATABASE} > /dev/null; then exit 1; fi"""


def _tool(hands: Hands, script: str) -> str:
    """What a script in the tools' pod says."""
    return hands.exec(NAME, POD, "database", ["sh", "-c", script])


def _runs(script: str) -> Act:
    def act(hands: Hands) -> None:
        _tool(hands, script)

    return act


def _pgbackrest(hands: Hands) -> Mapping[str, Any]:
    said = _tool(hands, f"pgbackrest --stanza={DATABASE} --log-level-console=off info --output=json")
    found: Mapping[str, Any] = json.loads(said)[0]
    return found


def _barman(hands: Hands, *words: str) -> Any:
    """What barman says of its server; its check ends with an error where one of its points is not right."""
    said = _tool(hands, f"barman -f json {' '.join(words)} {DATABASE} || true")
    return json.loads(said)[DATABASE]


def _log_is_lost(hands: Hands) -> bool:
    return not any(one.get("max") for one in _pgbackrest(hands).get("archive", []))


def _pages_are_damaged(hands: Hands) -> bool:
    return bool(_pgbackrest(hands)["backup"][-1].get("error"))


def _receiver_is_stopped(hands: Hands) -> bool:
    return bool(_barman(hands, "check")["receive_wal_running"]["status"] != "OK")


def _last_failed(hands: Hands) -> bool:
    newest = max(_barman(hands, "list-backups"), key=lambda one: str(one["backup_id"]))
    return bool(newest["status"] == "FAILED")


def _receives_again(hands: Hands) -> None:
    _tool(hands, "rm -f /data/paused; sh /etc/backup-tools/keep.sh")
    hands.until(lambda: not _receiver_is_stopped(hands), "barman receives the log again")


@dataclass(frozen=True)
class _Asked:
    """Faults of one tool, which the environment says makes the regular backups."""

    kind: str
    named: str

    def fault(
        self, name: str, says: str, put: Act, heal: Act, seen: Callable[[Hands], bool], *, last_failed: bool = False
    ) -> Fault:
        place = {"kind": self.kind, "namespace": NAME, "pod": f"app={NAME}", self.named: DATABASE, "interval": "24h"}
        return Fault(
            name=name, says=says, layer="cluster", component=NAME, shuts=False, put=put, heal=heal,
            turns_red=(DATABASE_BACKUP, REGULAR) if last_failed else (REGULAR,), seen=seen,
            variables=lambda _: {"bytebot_backup": place},
        )  # fmt: skip


FAULTS = (
    _Asked("pgbackrest", "stanza").fault(
        "pgbackrest_log_lost", "pgBackRest's archive of the log is empty, and its backup needs it",
        _runs(f"[ -e {ASIDE} ] || mv {ARCHIVE}/*-1 {ASIDE}"),
        _runs(f"[ ! -e {ASIDE} ] || {{ rm -rf {ARCHIVE}/*-1; mv {ASIDE} {ARCHIVE}/{VERSIONS.postgres}-1; }}"),
        _log_is_lost,
    ),
    _Asked("pgbackrest", "stanza").fault(
        "pgbackrest_page_damaged", "pages of pgBackRest's newest backup do not have their checksums",
        _runs(DAMAGE), _runs(MENDED), _pages_are_damaged, last_failed=True,
    ),
    _Asked("barman", "server").fault(
        "barman_receiver_stopped", "barman receives no log",
        _runs(f"touch /data/paused; barman receive-wal --stop {DATABASE} > /dev/null || true"), _receives_again,
        _receiver_is_stopped,
    ),
    _Asked("barman", "server").fault(
        "barman_backup_failed", "barman's newest backup has failed", _runs(BREAK),
        _runs(f"rm -f {UNREADABLE}; barman backup --wait {DATABASE} > /dev/null"), _last_failed, last_failed=True,
    ),
)  # fmt: skip
