# Rotates the keys that sign tokens and watches: what reads them follows, and tokens of before are refused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import RECORD
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import Drill
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_token import Login, token_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from ansible_collections.bytebot.production.plugins.module_utils.rotation_proof import keys_of, pairs
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import MANAGER
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.restart import HELD, PAUSED, Restarter
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec

NAME, KEY = "bytebot-rotation-drills", "records"
MOST = 20
IN_A_ROW = 6  # answers that must agree, since replicas are asked in turn
WITHIN_S = 90.0  # for the last pod of before to be asked no more
POLL_S = 1.0
CLOCKS_S = 5.0  # by which the application's clock may be ahead
_TAKEN = range(200, 300)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class NotPossible(CollectionError):
    """The drill could not begin, and has changed nothing."""


class NotBegun(NotPossible):
    """The keys may not be rotated by this account."""


class Unclear(CollectionError):
    """The drill has rotated, and the answers prove neither that it worked nor that it did not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is rotated, without an overlap, and how it is seen.

    :param path: what asks for a token of anybody who signs in.
    """

    spec: Spec
    login: Login
    path: str
    patience: Patience


def drill(cluster: Cluster, plan: Plan, redactor: Redactor) -> Drill:
    """Rotate, and say what was seen.

    It proves that no token of before outlives a rotation, and, where tokens can be signed anew, that it is the key of
    before that is refused, and not the session alone.

    :raises NotPossible: before anything has changed. :raises Unclear: after the rotation.
    """
    began, steps = time.monotonic(), list[str]()
    before = _signed_in(cluster, plan, redactor)
    asked = _asked(plan, before)
    if asked not in _TAKEN:
        raise NotPossible(f"a token of the application is not taken at {plan.path} before the rotation ({asked})")
    watched = _Watched(cluster, plan, redactor, before, keys_of(cluster, plan.spec, redactor), steps)
    try:
        why = _rotated(watched)
    except (NotBegun, Unclear):
        raise
    except CollectionError as exc:
        why = exc.sentence.rstrip(".")
    seconds, told = round(time.monotonic() - began, 1), tuple(map(redactor.text, steps))
    by_key = not why and watched.by_key
    return Drill(time.time(), plan.spec.name, not why, redactor.text(why), told, seconds, by_key=by_key)


@dataclass
class _Watched:
    """One rotation that is watched.

    :param before: a token of before it; :param old: the values that it replaces, as far as they can be read.
    :param by_key: whether a token that the old key signed after it was refused.
    """

    cluster: Cluster
    plan: Plan
    redactor: Redactor
    before: str
    old: Mapping[str, bytes]
    steps: list[str]
    by_key: bool = False


def _rotated(watched: _Watched) -> str:
    """What is wrong; empty where all went as it must."""
    cluster, plan, redactor = watched.cluster, watched.plan, watched.redactor
    before, steps = watched.before, watched.steps
    keeper = Keeper(cluster, redactor, plan.spec, False)
    try:
        result, changed = keeper.brought(with_diff=False)
    except NotPermitted as exc:
        raise NotBegun(exc.sentence) from exc
    steps.append(f"rotated {', '.join(result['rotated'])} of Secret {plan.spec.name}")
    # Who mounts the keys sees new files, and may have read the old ones at its start: all who read them are restarted.
    followed = Restarter(cluster, plan.patience, False, keeper.now).follow(replace(changed, remade=True))
    steps += [f"{one['workload']}: {one['action']}" for one in followed["followers"]]
    stay = [one["workload"] for one in followed["followers"] if one["action"] in (PAUSED, HELD)]
    new, old, after = _settled(plan, lambda: _signed_in(cluster, plan, redactor), before)
    steps.append(f"a new token is answered by {new}, one of before by {old}")
    if old not in _TAKEN and old not in _REFUSED:
        raise Unclear(f"a token that the old key signed is neither taken nor refused at {plan.path} ({old})")
    if old in _TAKEN:
        kept = f", and {', '.join(stay)} did not follow" if stay else ""
        return f"a token that the old key signed is still taken ({old}){kept}"
    if new not in _TAKEN:
        return f"a token that the new key signed is not taken ({new})"
    if why := _anew(watched, after):
        return why
    end = runs_out(before)
    if not watched.by_key and end is not None and time.time() + CLOCKS_S >= end:
        raise Unclear(
            "the token of before ran out during the drill, so that its refusal says nothing of the old key; let tokens "
            "of the application hold longer than what reads the keys takes to restart"
        )
    return f"{', '.join(stay)} did not follow" if stay else ""


def _anew(watched: _Watched, after: str) -> str:
    """What is wrong with a token that the old key signs anew, for a session that lives; empty where it is refused.

    One of before may be refused for its session alone, as where an application forgets them at its start. That the
    same claims are taken with the new key's signature shows that nothing but the key makes the difference.
    """
    plan, new = watched.plan, keys_of(watched.cluster, watched.plan.spec, watched.redactor)
    for right, wrong in pairs(watched.before, after, watched.old, new):
        if _asked(plan, right) not in _TAKEN:
            continue
        until, row = time.monotonic() + WITHIN_S, 0
        while True:
            status = _asked(plan, wrong)
            row = row + 1 if status in _REFUSED else 0
            if row >= IN_A_ROW or time.monotonic() > until:
                break
            if not row:
                time.sleep(POLL_S)
        if status in _TAKEN:
            return f"a token of a new session that the old key signed after the rotation is taken ({status})"
        watched.by_key = status in _REFUSED
        watched.steps.append(f"a token of a new session that the old key signed is answered by {status}")
        return ""
    watched.steps.append("no token could be signed anew, so that an old key and an old session are not told apart")
    return ""


def _settled(plan: Plan, sign_in: Callable[[], str], before: str) -> tuple[int, int, str]:
    """How a new token and one of before are answered once that no longer changes, or at the end of the time.

    A pod that is on its way out may have signed the new token with the old key, so that another one is asked for.
    """
    until, row, after = time.monotonic() + WITHIN_S, 0, sign_in()
    while True:
        new, old = _asked(plan, after), _asked(plan, before)
        row = row + 1 if new in _TAKEN and old in _REFUSED else 0
        if row >= IN_A_ROW or time.monotonic() > until:
            return new, old, after
        if not row:
            time.sleep(POLL_S)
        if new in _REFUSED:
            after = sign_in()


def _signed_in(cluster: Cluster, plan: Plan, redactor: Redactor) -> str:
    """A token; right after a roll-out the way in may take a moment."""
    until = time.monotonic() + WITHIN_S / 3
    while True:
        token = token_of(cluster, plan.login, plan.spec.namespace, redactor)
        if token.token:
            return token.token
        if time.monotonic() > until:
            raise NotPossible(f"no token could be had: {token.problem}")
        time.sleep(POLL_S)


def runs_out(token: str) -> float | None:
    """Until when a token says that it holds (Unix time); None where it is no JSON Web Token, or does not say."""
    part = token.split(".")[1] if token.count(".") == 2 else ""  # noqa: PLR2004 - header, payload, signature
    try:
        end = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"]
        return float(end) if math.isfinite(end) else None
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _asked(plan: Plan, token: str) -> int:
    """The status; 0 where there was no answer."""
    return plan.login.http.get(plan.path, headers={"Authorization": f"Bearer {token}"}).status


# ---------------------------------------------------------------------------- the record


def read(cluster: Cluster, namespace: str) -> tuple[Drill, ...]:
    """All that is kept of drills. What cannot be read proves nothing and is left out."""
    found = cluster.get("v1", "ConfigMap", NAME, namespace) or {}
    try:
        listed = json.loads((found.get("data") or {}).get(KEY) or "[]")
    except ValueError:
        return ()
    return tuple(one for given in listed if (one := _record(given))) if isinstance(listed, list) else ()


def keep(cluster: Cluster, namespace: str, drills: tuple[Drill, ...], *, dry_run: bool = False) -> None:
    """Keep them in one object beside the release; the oldest go. With ``dry_run`` only whether they may be is asked."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": MANAGER, RECORD: "true"},
        },
        "data": {KEY: json.dumps([asdict(one) for one in drills[-MOST:]])},
    }
    cluster.apply(body, manager=MANAGER, dry_run=dry_run)


def _record(given: Any) -> Drill | None:
    if not isinstance(given, Mapping):
        return None
    try:
        at = float(given["at"])
        datetime.fromtimestamp(at, UTC)  # no number, or none that is a day, cannot be held against an age
        return Drill(
            at,
            str(given["secret"]),
            given["passed"] is True,
            str(given.get("why") or ""),
            tuple(map(str, given.get("steps") or ())),
            float(given.get("seconds") or 0),
            given.get("unclear") is True,
            given.get("by_key") is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def refuse_what_signs_nothing(spec: Spec) -> None:
    """Only values that are made here are rotated by a drill: those that others hand over are theirs."""
    if not spec.replace:
        raise InputError(f"drill: {spec} has no key pairs and no replace, so nothing can be rotated.")
