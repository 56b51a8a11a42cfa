# A small PostgreSQL of its own that pgBackRest and barman of Debian back up, with the log archive of each.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, User
from sandbox.component import Context, Rollout, Workload, only_full
from sandbox.components.postgres import ROOT as POSTGRES
from sandbox.components.postgres import USER
from sandbox.settings import VERSIONS

NAME = "backup-tools"
POD = f"{NAME}-0"
# What both know the database by: the stanza of the one, the server of the other.
DATABASE = "main"
ROOT = DebianRoot(
    NAME,
    # barman's own dependencies name only libpq; it looks for pg_receivewal beside the server's programs.
    (*POSTGRES.packages, "pgbackrest", "barman"),
    users=(User("postgres", USER, "/var/lib/postgresql"),),
    without=POSTGRES.without,
)


def values(_: Context) -> Mapping[str, str]:
    return {"name": NAME, "database": DATABASE, "version": VERSIONS.postgres, "user": str(USER)}


COMPONENT = Workload(
    needs=("coredns",),
    version=VERSIONS.postgres,
    images=(Image(NAME, VERSIONS.postgres, (ROOT,), user=str(USER), stop_signal="SIGTERM"),),
    rollouts=(Rollout("StatefulSet", NAME, NAME),),
    values=values,
    wanted=only_full,
)
