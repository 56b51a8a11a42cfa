# Judges a Redis or Valkey server: its version and role, and who may come in and do what.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks import redis_data
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    CREDENTIALS,
    DOCUMENT_MAJOR,
    MEMORY,
    PERSISTENCE,
    VERSION,
    RedisFacts,
    RedisSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

CHECKS: Checks[RedisFacts] = Checks()
SLOTS = "16384"  # Redis Cluster specification, "Key distribution model"
_UPGRADE = "Upgrade the server to a supported version of Redis or Valkey."
_PRIMARY = "Let the Secret name the primary (or its Service), and look why the one it names is a replica."
_CLUSTER = "Look at CLUSTER NODES and CLUSTER SHARDS: start the failed node, or let a replica take its slots."
_SYNC = "Look at the replica's log and at INFO replication on both sides."
_SENTINEL = "Name the server that holds the data: SENTINEL GET-MASTER-ADDR-BY-NAME tells it."
_CLOSE = (
    "Turn the default user off (ACL SETUSER default off) or set requirepass, also in the server's configuration. "
    "In a users file it keeps its permissions (user default off ~* &* +@all): as it, Redis replays transactions from "
    "the append-only file, and without them these are lost at a restart (redis/redis#14541)."
)
_PASSWORD = "Set a random password for the user (ACL SETUSER NAME resetpass >WORD) and write it into the Secret."
_RIGHTS = "Take from the application's user what it does not need: ACL SETUSER NAME -@admin -@dangerous +info."
_TLS = "Offer TLS (tls-port, tls-cert-file) and set redis.tls, or name a rediss:// URL."
_SECRET = "Write the host and the password that it accepts into the Secret (in the inventory: bytebot_secrets)."
_AGAIN = "Judge again in a while; look at the server's log."


@CHECKS.settles(VERSION)
def version(facts: RedisFacts) -> Verdict:
    """A server of a supported version answers, is no replica, and its cluster and replicas are whole.

    One that takes no writes since it cannot keep them is told of here, and red by its persistence.
    """
    if verdict := redis_data.unmet(facts, own=True):
        return verdict
    seen, wanted = facts.seen or RedisSeen(), facts.wanted.major
    weaker = (f"Redis {wanted} wanted, document {DOCUMENT_MAJOR}",) * (wanted < DOCUMENT_MAJOR)
    if gap := redis_data.untold(facts, "its version"):
        return gap
    names = ("redis_version", "server_name", "valkey_version", "redis_mode", "role", "connected_slaves",
             "master_link_status", "cluster_enabled")  # fmt: skip
    evidence = facts.evidence(
        {
            **{name: seen.info[name] for name in names if name in seen.info},
            "cluster": dict(seen.cluster),
            "replicas": [seen.info[name] for name in _replicas(seen)],
        }
    )
    problems = _version_problems(seen, wanted)
    if problems:
        remedies = " ".join(dict.fromkeys(remedy for _text, remedy in problems))
        summary = f"{seen.product} at {facts.where}: {some([text for text, _remedy in problems])}."
        return failed(summary, remedies, evidence, weaker=weaker)
    count = len(_replicas(seen))
    kind = "a whole cluster" if seen.cluster else f"{count} replicas in sync" if count else "without replicas"
    writes = f", but takes no writes, of which {PERSISTENCE} tells" if seen.unkept else " and takes writes"
    return passed(f"{seen.product} answers at {facts.where}{writes} ({kind}).", evidence, weaker=weaker)


def _replicas(seen: RedisSeen) -> list[str]:
    return [name for name in sorted(seen.info) if name.startswith("slave") and name[5:].isdigit()]


def _version_problems(seen: RedisSeen, wanted: int) -> list[tuple[str, str]]:
    info, found = seen.info, []
    major = info.get("redis_version", "").partition(".")[0]  # Valkey tells here which Redis it is compatible with
    if not major.isdigit() or int(major) < wanted:
        found.append((f"version {wanted} or newer is wanted", _UPGRADE))
    if info.get("redis_mode") == "sentinel":
        found.append(("it is a Sentinel, which holds no data", _SENTINEL))
    elif info.get("role") != "master" and not seen.cluster:
        link = info.get("master_link_status", "unknown")
        found.append((f"it is a replica, which takes no writes (its link to the primary is {link})", _PRIMARY))
    if info.get("cluster_enabled") == "1" and seen.cluster.get("cluster_state") != "ok":
        found.append((f"the cluster's state is {seen.cluster.get('cluster_state', 'not to be had')}", _CLUSTER))
    if seen.cluster and (seen.cluster.get("cluster_slots_ok") != SLOTS):
        found.append((f"{seen.cluster.get('cluster_slots_ok', 'no')} of {SLOTS} slots are served", _CLUSTER))
    if info.get("min_slaves_good_slaves") == "0":
        found.append(("it takes no writes: min-replicas-to-write asks for replicas, and none is good", _SYNC))
    behind = [name for name in _replicas(seen) if "state=online" not in info[name]]
    if behind:
        found.append((f"{len(behind)} of its replicas are not in sync", _SYNC))
    return found


@CHECKS.settles(CREDENTIALS)
def credentials(facts: RedisFacts) -> Verdict:
    """Only the password in the Secret lets in, and whom it lets in may not harm the server."""
    if facts.target.problems and not facts.secret_problem:
        problems = list(facts.target.problems)
        return failed(f"Secret {facts.keys.secret}: {some(problems)}.", _SECRET, facts.evidence({"wrong": problems}))
    if verdict := redis_data.unmet(facts, own=False):
        return verdict
    seen = facts.seen or RedisSeen()
    evidence = facts.evidence(
        {
            "sign_in": seen.cause or "accepted",
            "user": seen.user or facts.target.username or "default",
            "rules": seen.rules or "not readable",
            "sign_in_as_nobody": f"{seen.nobody.outcome}: {seen.nobody.said}",
            "wrong_sign_in": f"{seen.wrong.outcome}: {seen.wrong.said}",
            "commands": [f"{name}: {state}" for name, state in seen.commands.items()],
            "commands_seen_by": seen.how,
            "needed": list(facts.wanted.needed),
            "encryption": "TLS" if facts.target.encryption == "on" else "none",
        }
    )
    weaker = (f"{', '.join(facts.wanted.needed)} allowed to the application",) * bool(facts.wanted.needed)
    problems_found = _credential_problems(facts, seen)
    if problems_found and not seen.passing:
        remedies = " ".join(dict.fromkeys(remedy for _text, remedy in problems_found))
        summary = f"{facts.where}: {some([text for text, _remedy in problems_found])}."
        return failed(summary, remedies, evidence, weaker=weaker)
    return _unsure(facts, seen, evidence) or passed(
        f"Only the password in Secret {facts.keys.secret} lets in at {facts.where}, and user {seen.user or 'default'} "
        f"may not run {', '.join(_denied(seen))}{_unseen_words(seen)}.",
        evidence,
        weaker=weaker,
    )


def _denied(seen: RedisSeen) -> list[str]:
    return [name for name, state in seen.commands.items() if state == "denied"]


def _unseen_words(seen: RedisSeen) -> str:
    unseen = [name for name, state in seen.commands.items() if state not in ("denied", "allowed")]
    return f" ({', '.join(unseen)} could not be seen)" if unseen else ""


def _credential_problems(facts: RedisFacts, seen: RedisSeen) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if seen.cause:
        found.append((seen.cause, _TLS if "certificate" in seen.cause else _PASSWORD))
    if seen.nobody.outcome == "accepted":
        found.append(("whoever connects is let in without a password", _CLOSE))
    if seen.wrong.outcome == "accepted":
        found.append(("the server takes any password for this user", _PASSWORD))
    allowed = [name for name, state in seen.commands.items() if state == "allowed" and name not in facts.wanted.needed]
    if allowed:
        found.append((f"the application's user may run {', '.join(allowed)}", _RIGHTS))
    if facts.password_flaw:
        found.append((f"the password {facts.password_flaw}", _PASSWORD))
    if facts.wanted.tls and facts.target.encryption != "on":
        found.append(("the connection is not encrypted, and TLS is asked for", _TLS))
    return found


def _unsure(facts: RedisFacts, seen: RedisSeen, evidence: Evidence) -> Verdict | None:
    """What is not known of a server at which nothing is wrong so far."""
    if seen.cause:
        return inconclusive(f"Nobody could sign in at {facts.where}: {seen.cause}.", _AGAIN, evidence)
    if not facts.probing:
        return pending(
            "Whether others are refused needs a probe; check mode sends none.", "Run without --check.", evidence
        )
    for name, attempt in (("no password", seen.nobody), ("a wrong password", seen.wrong)):
        if attempt.outcome != "refused":
            return inconclusive(
                f"Whether {facts.where} refuses {name} could not be seen: {attempt.said}.", _AGAIN, evidence
            )
    if not _denied(seen):
        why = next(iter(seen.commands.values()), "not asked")
        return pending(
            f"What the user may do could not be seen ({why}).",
            "Let the user run ACL DRYRUN, or MULTI; of a managed service, judge its user's rules by hand.",
            evidence,
        )
    return None


@CHECKS.settles(PERSISTENCE)
def persistence(facts: RedisFacts) -> Verdict:
    """What is written is kept: by the append-only file, on a volume that outlives the pod."""
    return redis_data.persistence(facts)


@CHECKS.settles(MEMORY)
def memory(facts: RedisFacts) -> Verdict:
    """The server's memory ends before its container's, and what goes then is what may go."""
    return redis_data.memory(facts)
