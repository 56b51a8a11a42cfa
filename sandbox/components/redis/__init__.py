# Redis of Debian in the namespace `cache`: one ACL user, nobody by default, append-only file.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import hashlib
from collections.abc import Mapping

from sandbox import probe
from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, User
from sandbox.component import Context, Reach, Rollout, Workload
from sandbox.handover import password
from sandbox.settings import VERSIONS

USER = 171
ROOT = DebianRoot("redis", ("redis-server", "redis-tools"), users=(User("redis", USER, "/var/lib/redis"),))


def prepare(ctx: Context) -> None:
    password(ctx.settings, "redis-password")


def values(ctx: Reach) -> Mapping[str, str]:
    word = password(ctx.settings, "redis-password")
    return {
        "version": VERSIONS.redis,
        "user": str(USER),
        "password": word,
        "acl": access_list(ctx.settings.redis_user, word),
    }


def access_list(user: str, word: str) -> str:
    """Everything an application needs, INFO among it, and nothing that changes or stops the server.

    Nobody signs in as the default user, but Redis replays the append-only file as it: without its permissions
    transactions would be lost at a restart (redis/redis#14541).
    """
    digest = hashlib.sha256(word.encode()).hexdigest()
    return f"user default off ~* &* +@all\nuser {user} on #{digest} ~* &* +@all -@admin -@dangerous +info\n"


def answers(ctx: Context) -> bool:
    """Nobody by default: that refusal is the answer."""
    service = ctx.cluster.get("/api/v1/namespaces/cache/services/redis")
    said = probe.exchange(ctx.settings, service["spec"]["clusterIP"], 6379, b"PING\r\n") if service else b""
    return said.startswith(b"-NOAUTH")


COMPONENT = Workload(
    needs=("coredns", "local-path"),
    version=VERSIONS.redis,
    images=(Image("redis", VERSIONS.redis, (ROOT,), user=str(USER)),),
    rollouts=(Rollout("StatefulSet", "cache", "redis"),),
    prepare=prepare,
    values=values,
    answers=answers,
)
