# Judges how a Redis or Valkey server keeps its data, and what it does when its memory is full.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    CACHE,
    HEADROOM,
    QUEUE,
    RedisFacts,
    RedisSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import some, without_redis
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import no_way
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

FULL = 0.95  # of maxmemory
_MIB = 2**20
DAY_S = 86_400.0
_START_S = 60.0  # a server that starts takes that time for its last snapshot's, so what is near it proves none
_SECRET = "Write the host and the password that it accepts into the Secret (in the inventory: bytebot_secrets)."
_INFO = "Let the user run INFO: ACL SETUSER NAME +info."
_AOF = "Set appendonly yes, or say in rdb_reason why snapshots will do."
_WRITE = (
    "Look at the server's log, at the space on its volume and the memory for a fork: its last write to disk failed, "
    "and until one succeeds it may refuse all writes (MISCONF)."
)
_SAVE = (
    "Judge again within a day of a snapshot, let the user read the setting (ACL SETUSER NAME +config|get), or set "
    "appendonly yes."
)
_VOLUME = "Keep the data directory on a PersistentVolumeClaim: a volumeClaimTemplate of the StatefulSet."
_PODS = "Grant get on services and list on pods in the server's namespace; behind a proxy, look at the servers by hand."
_MAXMEMORY = "Set maxmemory to 80 % of the container's memory limit or less: rewriting the append-only file needs room."
_POLICY = (
    "Choose maxmemory-policy by what is kept: noeviction for queues, allkeys-lru for a cache, volatile-lru where both "
    "are in one server and what may go has a time to live."
)
_ROOM = "Raise maxmemory with the container's limit, or look for what is never removed: redis-cli --bigkeys."


def unmet(facts: RedisFacts, *, own: bool) -> Verdict | None:
    """What is said where no server was met.

    :param own: whether that is the control's own matter, which it is of the version alone.
    """
    evidence = facts.evidence({"secret": facts.secret_problem or "read", "wrong": list(facts.target.problems)})
    if facts.absent and (verdict := without_redis(facts, facts.keys.secret, _SECRET)):
        if own or verdict.state == "not_applicable":
            return verdict
        return pending(verdict.summary, verdict.remedy, evidence)
    if facts.absent or facts.secret_problem:
        summary = facts.secret_problem or f"Secret {facts.keys.secret} is not there; its values are put into the pods."
        return pending(summary, "Name it in redis.secret, and let this account get it.", evidence)
    if facts.target.problems:
        summary = f"Nobody can sign in: Secret {facts.keys.secret}: {some(list(facts.target.problems))}."
        return pending(summary, "Correct the Secret.", evidence)
    if facts.no_way is None:
        return None
    return no_way(facts.no_way, f"Redis at {facts.where}", facts.evidence({"way": facts.no_way.cause}), own=own)


def untold(facts: RedisFacts, what: str) -> Verdict | None:
    """What is said where the server answers and tells nothing."""
    seen = facts.seen or RedisSeen()
    evidence = facts.evidence({"sign_in": seen.cause or "accepted", "info": seen.info_denied or "read"})
    if seen.cause:
        say = inconclusive if seen.passing else pending
        summary = f"A server answers at {facts.where}, but {seen.cause}; {what} is told to nobody who is not signed in."
        return say(summary, "Let the credentials work first.", evidence)
    if seen.info_denied:
        return pending(f"{facts.where} does not tell {what}: {seen.info_denied}.", _INFO, evidence)
    return None


def _pods_words(facts: RedisFacts) -> dict[str, object]:
    return {
        "pods": [
            f"{one.name}: {one.volume or 'no volume'}, {_mib(one.limit) if one.limit else 'no limit of memory'}"
            for one in facts.pods.found
        ],
        "pods_not_seen": facts.pods.problem or facts.pods.outside,
    }


def _config_words(seen: RedisSeen) -> str:
    return f"not readable ({seen.config_denied}); judged by INFO" if seen.config_denied else "read"


# ---------------------------------------------------------------------------- persistence


def persistence(facts: RedisFacts) -> Verdict:
    """The append-only file is written (or snapshots are, for a reason), on a volume that outlives the pod."""
    if verdict := unmet(facts, own=False) or untold(facts, "how it keeps its data"):
        return verdict
    seen = facts.seen or RedisSeen()
    names = ("aof_enabled", "aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status",
             "rdb_last_save_time", "uptime_in_seconds", "loading")  # fmt: skip
    evidence = facts.evidence(
        {
            **{name: seen.info[name] for name in names if name in seen.info},
            "save": seen.config.get("save", "not known"),
            "config": _config_words(seen),
            "rdb_reason": facts.wanted.rdb_reason,
            **_pods_words(facts),
        }
    )
    problems = _write_problems(facts, seen)
    if seen.unkept:
        problems.append((f"it takes no writes ({seen.unkept})", _WRITE))
    lost = [f"{one.name} keeps its data on {one.volume or 'no volume'}" for one in facts.pods.found if not one.lasting]
    if lost:
        problems.append((f"{some(lost)}, which goes with the pod", _VOLUME))
    weaker = (f"snapshots in place of the append-only file: {facts.wanted.rdb_reason}",) * (
        seen.info.get("aof_enabled") != "1" and bool(facts.wanted.rdb_reason)
    )
    if problems:
        remedies = " ".join(dict.fromkeys(remedy for _text, remedy in problems))
        summary = f"{facts.where}: {some([text for text, _remedy in problems])}."
        return failed(summary, remedies, evidence, weaker=weaker)
    if (by := _kept_by(facts, seen)) is None:
        return pending(
            f"Whether {facts.where} takes snapshots is not known: it does not tell its setting save, and none was made "
            "within a day.",
            _SAVE,
            evidence,
        )
    if facts.pods.problem:
        return pending(
            f"On what volume {facts.where} keeps its data could not be seen: {facts.pods.problem}", _PODS, evidence
        )
    if not facts.pods.found and not facts.pods.outside:
        return inconclusive(f"No pod of {facts.where} runs that could show its volume.", "Judge again.", evidence)
    place = ", ".join(one.volume for one in facts.pods.found) or f"outside the cluster ({facts.pods.outside})"
    return passed(f"{facts.where} keeps its data {by}, and the last write succeeded; {place}.", evidence, weaker=weaker)


def _kept_by(facts: RedisFacts, seen: RedisSeen) -> str | None:
    """How data are kept; None where snapshots may be off: the setting is hidden, and none was made of late."""
    if seen.info.get("aof_enabled") == "1":
        return "by its append-only file"
    if "save" in seen.config:
        return "by snapshots"
    last, up = seen.number("rdb_last_save_time"), seen.number("uptime_in_seconds")
    now = datetime.fromisoformat(facts.observed_at.replace("Z", "+00:00")).timestamp()
    if last is None or up is None or last < now - up + _START_S or now - last > DAY_S:
        return None
    return f"by snapshots, the last one {words(max(now - last, 0.0))} ago"


def _write_problems(facts: RedisFacts, seen: RedisSeen) -> list[tuple[str, str]]:
    info = seen.info
    if info.get("aof_enabled") == "1":
        names = ["aof_last_write_status", "aof_last_bgrewrite_status"]
        if seen.config.get("save") != "":  # one that failed ends writes here too: stop-writes-on-bgsave-error
            names.append("rdb_last_bgsave_status")
        return [(f"{name} is {info[name]}", _WRITE) for name in names if info.get(name, "ok") != "ok"]
    if not facts.wanted.rdb_reason:
        return [("the append-only file is off", _AOF)]
    if seen.config.get("save") == "":
        return [("the append-only file is off, and so are snapshots", _AOF)]
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return [(f"rdb_last_bgsave_status is {info['rdb_last_bgsave_status']}", _WRITE)]
    return []


# ---------------------------------------------------------------------------- memory


def memory(facts: RedisFacts) -> Verdict:
    """``maxmemory`` is set below the container's limit, and the policy fits what is kept."""
    if verdict := unmet(facts, own=False) or untold(facts, "how much memory it may have"):
        return verdict
    seen, wanted = facts.seen or RedisSeen(), facts.wanted
    most, policy = seen.number("maxmemory"), seen.info.get("maxmemory_policy", seen.config.get("maxmemory-policy", ""))
    evidence = facts.evidence(
        {
            "maxmemory": most,
            "maxmemory_policy": policy,
            "used_memory": seen.number("used_memory"),
            "evicted_keys": seen.number("evicted_keys"),
            "use": wanted.use,
            "headroom": wanted.headroom,
            "config": _config_words(seen),
            **_pods_words(facts),
        }
    )
    weaker = (f"{wanted.headroom:.0%} of the container's memory kept free, default {HEADROOM:.0%}",) * (
        wanted.headroom < HEADROOM
    )
    if most is None or not policy:
        return pending(
            f"{facts.where} does not tell its maxmemory and policy.", "Let the user run INFO memory.", evidence
        )
    problems = [*_limit_problems(facts, most), *_policy_problems(seen, wanted.use, policy, most)]
    if problems:
        remedies = " ".join(dict.fromkeys(remedy for _text, remedy in problems))
        summary = f"{facts.where}: {some([text for text, _remedy in problems])}."
        return failed(summary, remedies, evidence, weaker=weaker)
    if facts.pods.problem:
        summary = f"maxmemory is {_mib(most)}; the container's limit could not be seen: {facts.pods.problem}"
        return pending(summary, _PODS, evidence)
    if not facts.pods.found and not facts.pods.outside:
        return inconclusive(f"No pod of {facts.where} runs that could show its limit.", "Judge again.", evidence)
    limits = [_mib(one.limit) for one in facts.pods.found if one.limit]
    told = f" of {', '.join(limits)}" if limits else f" ({facts.pods.outside or 'its container has no limit'})"
    return passed(
        f"maxmemory of {facts.where} is {_mib(most)}{told}, and {policy} fits {_use_words(wanted.use)}.",
        evidence,
        weaker=weaker,
    )


def _limit_problems(facts: RedisFacts, most: int) -> list[tuple[str, str]]:
    if most == 0:
        return [("maxmemory is not set, so that the node or the container's limit ends it", _MAXMEMORY)]
    kept = f"{facts.wanted.headroom:.0%}"
    return [
        (f"maxmemory {_mib(most)} leaves less than {kept} of the {_mib(one.limit)} that {one.name} has", _MAXMEMORY)
        for one in facts.pods.found
        if one.limit and most > one.limit * (1 - facts.wanted.headroom)
    ]


def _policy_problems(seen: RedisSeen, use: str, policy: str, most: int) -> list[tuple[str, str]]:
    used, found = seen.number("used_memory") or 0, []
    if use == CACHE and policy == "noeviction":
        found.append(("noeviction makes a full cache refuse writes", _POLICY))
    elif (use == QUEUE and policy != "noeviction") or (use not in (CACHE, QUEUE) and policy.startswith("allkeys-")):
        found.append((f"{policy} may remove what waits in a queue, without a word", _POLICY))
    if most and policy == "noeviction" and used >= FULL * most:
        found.append((f"{_mib(used)} of {_mib(most)} are used, and noeviction refuses writes when it is full", _ROOM))
    return found


def _use_words(use: str) -> str:
    return {QUEUE: "queues", CACHE: "a cache"}.get(use, "queues and a cache in one server")


def _mib(number: int | None) -> str:
    return f"{(number or 0) / _MIB:.0f} MiB"
