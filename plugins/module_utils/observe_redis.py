# Observes a Redis or Valkey server and its pods, for the checks in checks/redis.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    MEMORY,
    PERSISTENCE,
    RedisFacts,
    RedisSeen,
    RedisWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Held, Keys
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import target_of
from ansible_collections.bytebot.production.plugins.module_utils.clients import ask_redis
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.observe_injected import injected
from ansible_collections.bytebot.production.plugins.module_utils.observe_postgres import password_flaw, with_ca
from ansible_collections.bytebot.production.plugins.module_utils.observe_redis_pods import pods_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import (
    mentions,
    read_secrets,
    referenced,
    released_objects,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_sign_in import SIGN_IN_S, ca_file
from ansible_collections.bytebot.production.plugins.module_utils.reach import Roads, Sides, Way
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

DIRECTORY = "/data"  # where the usual images keep their data


@dataclass(frozen=True, slots=True)
class RedisScope:
    """What is looked at.

    :param ca: CA of the server in PEM, where the Secret has none.
    :param data_directory: where the server keeps its data, where it may not be asked itself.
    """

    namespace: str
    release: str
    redis: Keys
    sides: Sides
    wanted: RedisWanted = field(default_factory=RedisWanted)
    ca: str = field(default="", repr=False)
    data_directory: str = DIRECTORY
    probing: bool = True
    only: Collection[str] = ()

    def judges(self, *controls: str) -> bool:
        """Whether one of the controls is judged."""
        return any(control in (self.only or CHECKS.controls) for control in controls)


def observe(cluster: Cluster, scope: RedisScope, redactor: Redactor, folder: str) -> RedisFacts:
    """Read the Secret, meet the server, and look at its pods.

    :param folder: a private folder for the CA of a server, which vanishes with the task.
    """
    name = scope.redis.secret
    found, _absent, denied = read_secrets(cluster, scope.namespace, [name])
    facts = RedisFacts(scope.namespace, scope.redis, probing=scope.probing, wanted=scope.wanted)
    if name in denied:
        return replace(facts, secret_problem=f"Secret {name} could not be read: {denied[name]}")
    if not found:
        return _unnamed(cluster, scope, facts)
    data, keys = hide.data_of(found[0]), scope.redis
    shown = (keys.host, keys.port, keys.username, keys.ca)
    told = (scope.namespace, scope.release, name, *data)
    hide.learn(redactor, (value for key, value in data.items() if key not in shown), told)
    target = with_ca(target_of(data, keys, "redis"), scope.ca)
    redactor.learn(target.password)
    facts = replace(facts, target=target, password_flaw=password_flaw(target))
    if target.problems:
        return facts

    def look(way: Way) -> RedisSeen:
        place = Place(way.address, way.port, ca_file(Path(folder), target.ca), SIGN_IN_S)
        return ask_redis.look(target, place, probing=scope.probing)

    with Roads(cluster, scope.sides) as roads:
        seen, side, no_way = roads.ask(target.host, target.port, look)
    facts = replace(facts, seen=seen, side=side, no_way=no_way)
    if seen and scope.judges(PERSISTENCE, MEMORY):
        directory = seen.config.get("dir") or scope.data_directory
        return replace(facts, pods=pods_of(cluster, target.host, scope.namespace, directory))
    return facts


def _unnamed(cluster: Cluster, scope: RedisScope, facts: RedisFacts) -> RedisFacts:
    """Where there is no Secret, the release says whether Redis is used at all."""
    objects, released, problem = released_objects(cluster, scope.release, scope.namespace)
    names = dict.fromkeys(name for one in objects for name in referenced(one))
    secrets, _absent, _denied = read_secrets(cluster, scope.namespace, names)
    held = {one["metadata"]["name"]: Held(one["metadata"]["name"], data=hide.data_of(one)) for one in secrets}
    return replace(
        facts,
        absent=True,
        released=released,
        release_problem=problem,
        mentions_redis=tuple(mentions(objects, held)),
        injected=injected(cluster, scope.namespace, objects),
    )
