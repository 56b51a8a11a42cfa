# Asks a Redis or Valkey server what it is, who may come in and what its user may do; it changes nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import DANGEROUS, RedisSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Attempt, Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_redis import (
    UNKEPT,
    connection,
    greet,
    library,
    refusal,
)

SETTINGS = ("maxmemory", "maxmemory-policy", "appendonly", "save", "dir")
# To everybody: the server does not know it, or its configuration (enable-debug-command) shuts it.
_FORBIDDEN = re.compile(r"unknown command|^DEBUG command not allowed", re.IGNORECASE)
# A server whose memory is full, or that cannot keep what is written, refuses to queue whatever a user may run, PING
# among it, and runs none of it; what the user may not, it refuses before.
_FULL = re.compile(rf"not allowed when used memory|^{UNKEPT}")
DRYRUN, QUEUED = "ACL DRYRUN", "put into a transaction that was discarded"


def look(target: Target, place: Place, *, probing: bool) -> RedisSeen:
    """Sign in and ask; where ``probing``, try once without and once with a wrong password."""
    redis = library()
    made, unkept = connection(target, place, password=target.password), ""
    try:
        try:
            unkept = greet(made)
        except redis.exceptions.NoPermissionError:
            pass  # signed in, and PING is not the user's
        except (redis.exceptions.RedisError, OSError) as exc:
            outcome = refusal(exc)
            return RedisSeen(outcome.cause, outcome.lost, outcome.passing)
        return replace(_asked(made, target, place, probing=probing), unkept=unkept)
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as exc:
        outcome = refusal(exc)
        return RedisSeen(outcome.cause, passing=True)
    finally:
        made.disconnect()


def _asked(made: Any, target: Target, place: Place, *, probing: bool) -> RedisSeen:
    text, info_denied = _ask(made, "INFO")
    info = fields(_text(text))
    config, config_denied = _config(made)
    user = _ask(made, "ACL", "WHOAMI")[0]
    cluster = fields(_text(_ask(made, "CLUSTER", "INFO")[0])) if info.get("cluster_enabled") == "1" else {}
    commands, how = _commands(made, _text(user))
    return RedisSeen(
        info=info,
        info_denied=info_denied,
        config=config,
        config_denied=config_denied,
        cluster=cluster,
        user=_text(user),
        rules=_rules(made, _text(user)),
        nobody=_attempt(target, place, "") if probing else Attempt(),
        wrong=_attempt(target, place, secrets.token_urlsafe(24)) if probing else Attempt(),
        commands=commands,
        how=how,
    )


def _ask(made: Any, *command: str) -> tuple[Any, str]:
    """The answer, or why it is refused."""
    made.send_command(*command, check_health=False)
    try:
        return made.read_response(), ""
    except library().exceptions.ConnectionError:
        raise
    except library().exceptions.RedisError as exc:
        return None, " ".join(str(exc).split())[:200].rstrip(".")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def fields(text: str) -> dict[str, str]:
    """The fields of ``INFO`` and its like: ``name:value`` in lines."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value.strip() for name, between, value in pairs if between}


def _config(made: Any) -> tuple[dict[str, str], str]:
    found: dict[str, str] = {}
    for name in SETTINGS:
        answer, denied = _ask(made, "CONFIG", "GET", name)
        if denied:
            return found, denied
        words = [_text(word) for word in answer or []]
        found |= dict(zip(words[::2], words[1::2], strict=False))
    return found, ""


def _rules(made: Any, user: str) -> str:
    """What a user may, without its passwords; empty where that may not be read."""
    answer, _denied = _ask(made, "ACL", "GETUSER", user) if user else (None, "")
    words = list(answer or [])
    told = {_text(name): value for name, value in zip(words[::2], words[1::2], strict=False)}
    flags = ",".join(_text(one) for one in told.get("flags") or [])
    return f"{flags}; {_text(told.get('commands'))}; keys {_keys(told.get('keys'))}" if told else ""


def _keys(value: Any) -> str:
    return " ".join(_text(one) for one in value) if isinstance(value, list) else _text(value)


def _attempt(target: Target, place: Place, password: str) -> Attempt:
    redis = library()
    made = connection(target, place, password=password)
    try:
        greet(made)
    except redis.exceptions.NoPermissionError:
        return Attempt("accepted", "the server lets it in")
    except (redis.exceptions.RedisError, OSError) as exc:
        outcome = refusal(exc)
        return Attempt("unseen" if outcome.lost or outcome.passing else "refused", outcome.cause)
    finally:
        made.disconnect()
    return Attempt("accepted", "the server lets it in")


# ---------------------------------------------------------------------------- dangerous commands


def _commands(made: Any, user: str) -> tuple[dict[str, str], str]:
    answer, denied = _ask(made, "ACL", "DRYRUN", user, *DANGEROUS["KEYS"]) if user else (None, "no ACL")
    if not denied and answer is not None:
        return {name: _dry(made, user, command) for name, command in DANGEROUS.items()}, DRYRUN
    return _queued(made), QUEUED


def _dry(made: Any, user: str, command: tuple[str, ...]) -> str:
    answer, denied = _ask(made, "ACL", "DRYRUN", user, *command)
    if denied:
        return f"not seen: {denied}"
    return "allowed" if _text(answer) == "OK" else "denied"


def _queued(made: Any) -> dict[str, str]:
    """The server looks at rights before it queues. Nothing is queued unless it is seen that queueing works."""
    begun, denied = _ask(made, "MULTI")
    if _text(begun) != "OK":
        return dict.fromkeys(DANGEROUS, f"not seen: no transaction is to be had ({denied or 'another answer'})")
    try:
        held, denied = _ask(made, "PING")
        if _text(held) != "QUEUED" and not _FULL.search(denied):
            return dict.fromkeys(
                DANGEROUS, f"not seen: a transaction does not hold commands ({denied or 'another answer'})"
            )
        return {name: _held(made, command) for name, command in DANGEROUS.items()}
    finally:
        _ask(made, "DISCARD")


def _held(made: Any, command: tuple[str, ...]) -> str:
    made.send_command(*command, check_health=False)
    try:
        answer = _text(made.read_response())
    except library().exceptions.NoPermissionError:
        return "denied"
    except library().exceptions.ConnectionError:
        raise
    except library().exceptions.RedisError as exc:
        said = " ".join(str(exc).split())[:200].rstrip(".")
        if _FULL.search(said):
            return "allowed"
        return "denied" if _FORBIDDEN.search(said) else f"not seen: {said[:100]}"
    return "allowed" if answer == "QUEUED" else f"not seen: {answer[:50]}"
