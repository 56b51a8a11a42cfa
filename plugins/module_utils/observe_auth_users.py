# Observes the roles that an application lists, and the users that it must have: their roles, and known passwords.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import access_powers
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import User, UserFacts
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Session, items_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import Identities, is_left, marked

SPARE = 3  # tries that are left to a user before a lock-out
_RBAC, _KINDS = "rbac.authorization.k8s.io/v1", ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
DEFAULT = "a default password"
NOT_SEEN = "No administrator signs in, who could see them."


@dataclass(frozen=True, slots=True)
class DefaultUser:
    """A user that must be there.

    :param name: its name, or else :param secret: the Secret that has it, and the password by which failures are
        forgotten again. :param seeded_secret: one with the password that it was made with and must no longer have.
    """

    roles: tuple[str, ...]
    name: str = ""
    secret: str = ""
    username_key: str = "username"
    password_key: str = "password"
    seeded_secret: str = ""


def roles_of(api: AuthApi, session: Session | None) -> tuple[Mapping[str, tuple[str, ...]] | None, str]:
    """The permissions of each role as the application lists them, or why they are not known."""
    if session is None or not session.works:
        return None, NOT_SEEN
    answer = api.ask("GET", api.dialect.roles, token=session.access)
    if answer.status != HTTPStatus.OK:
        told = answer.failure.sentence if answer.failure else f"it answers {answer.status}."
        return None, f"GET {api.dialect.roles}: {told}"
    found = items_of(answer, "roles", "items", "data")
    if not found:
        return None, f"GET {api.dialect.roles} lists no roles."
    return {str(one.get("name")): tuple(_texts(one.get("permissions"))) for one in found}, ""


def powers_of(cluster: Cluster, namespace: str) -> tuple[Mapping[str, tuple[str, ...]], str]:
    """What the ServiceAccounts that pods of a namespace run as may do in it, and why something was not seen."""
    try:
        found = {kind: cluster.list(_RBAC, kind, "" if kind.startswith("Cluster") else namespace) for kind in _KINDS}
        pods = cluster.list("v1", "Pod", namespace)
    except CollectionError as exc:
        return {}, exc.sentence
    review = AccessReview(
        roles=found["Role"],
        cluster_roles=found["ClusterRole"],
        role_bindings=found["RoleBinding"],
        cluster_role_bindings=found["ClusterRoleBinding"],
    )
    held = access_powers.powers(review, namespace)
    used = {str((pod.get("spec") or {}).get("serviceAccountName") or "default") for pod in pods}
    return {name: tuple(held.get(Subject("ServiceAccount", name, namespace), {})) for name in sorted(used)}, ""


@dataclass(frozen=True, slots=True)
class KnownPasswords:
    """Which passwords are tried at users who must be there.

    :param admin: the role of administrators;
    :param most: failures that lock an account; :param held: what the named Secrets hold, or why that is not known.
    """

    admin: str
    passwords: tuple[str, ...]
    most: int
    held: Mapping[str, Any] = field(repr=False)


def users_of(
    api: AuthApi,
    session: Session | None,
    listing: Identities | None,
    defaults: tuple[DefaultUser, ...],
    known: KnownPasswords,
) -> UserFacts:  # fmt: skip
    """Who is there with which roles, and whether a known password opens one of those who must be there."""
    if session is None or not session.works:
        return UserFacts(problem=NOT_SEEN)
    listed, whole, status = (listing or Identities(api, session.access, "")).listed()
    admin = known.admin
    if not listed:
        return UserFacts(problem=f"GET {api.dialect.users} lists no users ({status}).")
    by_name = {str(one.get(api.dialect.username, "")): one for one in listed}
    users = [_user(api, one, by_name, known) for one in defaults]
    now, expected = time.time(), {one.name for one in users if admin in one.wanted}
    admins = [name for name, one in by_name.items() if admin in _texts(one.get(api.dialect.user_role_list))]
    running = [name for name in admins if marked(name) and not is_left(name, now)]
    surplus = [name for name in admins if name not in expected and name not in running]
    return UserFacts(tuple(users), tuple(sorted(surplus)), len(running), len(listed), whole)


def _user(
    api: AuthApi,
    wanted: DefaultUser,
    there: Mapping[str, Mapping[str, Any]],
    known: KnownPasswords,
) -> User:
    held = known.held.get(wanted.secret) if wanted.secret else {}
    if isinstance(held, str):
        return User(f"of Secret {wanted.secret}", wanted=wanted.roles, problem=held.rstrip("."))
    data: Mapping[str, bytes] = held or {}
    name = wanted.name or data.get(wanted.username_key, b"").decode("utf-8", "replace")
    own = data.get(wanted.password_key, b"").decode("utf-8", "replace")
    if own:
        api.learn(own)
    if not name:
        lacks = f"the Secret lacks {wanted.username_key}"
        return User(f"of Secret {wanted.secret}", wanted=wanted.roles, problem=lacks)
    found = there.get(name)
    if found is None:
        return User(name, wanted=wanted.roles, found=False)
    guesses = _guesses(name, own, wanted, known)
    for guess, kind in guesses.items():
        if kind != DEFAULT:
            api.learn(guess)
    opened = _opened(api, name, guesses)
    if own and not opened:
        _forgive(api, name, own)
    roles = tuple(_texts(found.get(api.dialect.user_role_list)))
    return User(name, roles, wanted.roles, opened_by=opened, tried=len(guesses))


def _guesses(name: str, own: str, wanted: DefaultUser, known: KnownPasswords) -> dict[str, str]:
    """A few passwords, so few that they lock nothing; where failures cannot be forgotten they must not add up."""
    seeded = known.held.get(wanted.seeded_secret) if wanted.seeded_secret else None
    found: dict[str, str] = {}
    if isinstance(seeded, Mapping) and (first := seeded.get(wanted.password_key)):
        found[first.decode("utf-8", "replace")] = "the password it was made with"
    for guess in (name.partition("@")[0], *known.passwords):
        found.setdefault(guess, DEFAULT)
    return dict(list(found.items())[: max(1, known.most - SPARE) if own else 1])


def _opened(api: AuthApi, name: str, guesses: Mapping[str, str]) -> str:
    """Which kind of password opens an account; empty where none does."""
    for guess, kind in guesses.items():
        session = api.login(name, guess)
        if session.works:
            api.logout(session)
            return kind
    return ""


def _forgive(api: AuthApi, name: str, password: str) -> None:
    """Sign in rightly, so that the failures do not add up to a lock-out."""
    session = api.login(name, password)
    if session.works:
        api.logout(session)


def _texts(value: object) -> Iterable[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
