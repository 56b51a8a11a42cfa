# PostgreSQL of Debian in the namespace `database`: TLS only, SCRAM only, an owner without privileges.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox import probe
from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, User
from sandbox.component import Context, Reach, Rollout, Workload
from sandbox.files import put
from sandbox.handover import password
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS

USER = 170
NAMES = ("postgres", "postgres.database", "postgres.database.svc", "postgres.database.svc.cluster.local")
ROOT = DebianRoot(
    "postgres",
    (f"postgresql-{VERSIONS.postgres}",),
    users=(User("postgres", USER, "/var/lib/postgresql"),),
    # Only for just-in-time compilation, which is switched off; a quarter of the image.
    without=("/usr/lib/x86_64-linux-gnu/libLLVM*", "/usr/lib/llvm*", "/usr/lib/postgresql/*/lib/bitcode/*"),
)
# The protocol's request for TLS: length 8, code 80877103. The server answers with one letter.
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def prepare(ctx: Context) -> None:
    s, pki = ctx.settings, ctx.pki
    put(s.handover / "database-ca.crt", pki.text("database-ca.crt"))
    password(s, "database-password")
    pki.random_b64("postgres-admin-password", 24)


def values(ctx: Reach) -> Mapping[str, str]:
    return {
        "version": VERSIONS.postgres,
        "user": str(USER),
        "database_password": password(ctx.settings, "database-password"),
        "admin_password": ctx.pki.random_b64("postgres-admin-password", 24),
    }


def answers(ctx: Context) -> bool:
    service = ctx.cluster.get("/api/v1/namespaces/database/services/postgres")
    said = probe.exchange(ctx.settings, service["spec"]["clusterIP"], 5432, SSL_REQUEST) if service else b""
    return said == b"S"


COMPONENT = Workload(
    needs=("coredns", "local-path"),
    version=VERSIONS.postgres,
    images=(Image("postgres", VERSIONS.postgres, (ROOT,), user=str(USER), stop_signal="SIGINT"),),
    authorities=(("database-ca", ""),),
    certificates=(Certificate("postgres", "database-ca", "postgres.database.svc.cluster.local", names=NAMES),),
    rollouts=(Rollout("StatefulSet", "database", "postgres"),),
    prepare=prepare,
    values=values,
    answers=answers,
)
