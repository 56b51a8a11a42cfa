# Observes an application's sign-in, tokens, sessions, passwords and rights once, as users that are made for the run.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts as of
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import AuthFacts, SignIn, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_rights import GOOD
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Session
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.forge import Keys, parts_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_rights import (
    ENDPOINTS,
    TASK,
    Endpoint,
    Rights,
    anonymous,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_sessions import session_of, tokens_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_signin import (
    LockoutTrial,
    passwords_of,
    refusals_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_users import (
    DefaultUser,
    KnownPasswords,
    powers_of,
    roles_of,
    users_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import (
    Identities,
    NotMade,
    Person,
    identities,
)

PERMIT = "Permit writing tests for this environment with writes (in the inventory: writes in bytebot_tests_allowed)."
GIVE = "Give the Secret of an administrator in accounts (in the inventory: bytebot_test_accounts or bytebot_login)."
_SIGNED_IN = frozenset({of.LOGIN, of.JWT, of.REFRESH, of.LOGOUT, of.SESSIONS, of.INVALID_AUTH})
_TOKENS = frozenset({of.JWT, of.INVALID_AUTH})
_SESSION = frozenset({of.REFRESH, of.LOGOUT, of.SESSIONS, of.INVALID_AUTH})
_REFUSED = frozenset({of.INVALID, of.INVALID_AUTH})
_RIGHTS = frozenset({of.RBAC, of.PERMISSIONS, of.ADMIN})
# Signing in needs no user of one's own; one is made all the same, where that is permitted.
_MAKING = _REFUSED | _RIGHTS | _SIGNED_IN | {of.PASSWORD_POLICY, of.DEFAULT_USERS}
Step: TypeAlias = Callable[[AuthFacts], AuthFacts]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked, and what is wanted of it.

    :param accounts: users of the inventory, by Secret; the first one of the role of administrators makes others.
    :param writes: whether users and tasks may be made; :param domain: of their names, where these are addresses.
    :param wait_s: seconds that may be waited for the end of a lock-out.
    """

    wanted: Wanted = field(default_factory=Wanted)
    accounts: tuple[Account, ...] = ()
    namespace: str = ""
    writes: bool = False
    domain: str = ""
    endpoints: tuple[Endpoint, ...] = ENDPOINTS
    defaults: tuple[DefaultUser, ...] | None = None
    default_passwords: tuple[str, ...] = ()
    key_id_needed: bool = False
    wait_s: float = 0.0
    unasked: str = ""
    only: Collection[str] = ()

    def judges(self, controls: Collection[str]) -> bool:
        """Whether one of these controls is judged."""
        return any(one in (self.only or CHECKS.controls) for one in controls)


@dataclass(frozen=True, slots=True)
class Source:
    """Where accounts and keys are read: the Secrets of a namespace."""

    cluster: Cluster
    namespace: str

    def data(self, secret: str) -> Mapping[str, bytes]:
        """What a Secret holds; nothing where there is none.

        :raises CollectionError: it may not be read.
        """
        return data_of(self.cluster.get("v1", "Secret", secret, self.namespace) or {})


@dataclass(frozen=True, slots=True)
class _Known:
    """An account of the inventory with its name and password, or why these are not known."""

    person: Person | None = None
    problem: str = ""


def observe(api: AuthApi, scope: Scope, source: Source | None, keys: Keys, redactor: Redactor) -> AuthFacts:
    """Ask what the wanted controls rest on; nothing where ``unasked`` says why not."""
    facts = AuthFacts(api.http.base_url, scope.wanted)
    if scope.unasked:
        return replace(facts, unasked=scope.unasked)
    began = time.monotonic()
    found = _Look(api, scope, source, keys, redactor).facts(facts)
    return replace(found, paced_s=api.patience.used_s, seconds=time.monotonic() - began)


class _Look:
    """One look, as several users."""

    def __init__(self, api: AuthApi, scope: Scope, source: Source | None, keys: Keys, redactor: Redactor) -> None:
        self._api, self._scope, self._source, self._keys = api, scope, source, keys
        self._redactor = redactor
        self._wanted = scope.wanted
        self._trial: LockoutTrial | None = None
        self._sessions: list[Session] = []  # those that were renewed

    def _glance(self) -> None:
        if self._trial and self._scope.judges([of.INVALID]) and self._scope.wait_s:
            self._trial.glance()

    def facts(self, facts: AuthFacts) -> AuthFacts:
        if self._scope.judges([of.UNAUTHORIZED]):
            facts = replace(facts, anonymous=tuple(anonymous(self._api, self._scope.endpoints)))
        known = [self._account(one) for one in self._scope.accounts]
        usable = [one.person for one in known if one.person]
        if not usable:
            told = "; ".join(one.problem for one in known) or "no account is given"
            return replace(facts, no_account=f"Nobody can sign in: {told}.", remedy=GIVE)
        admin = next((one for one in usable if one.role == self._wanted.admin), None)
        session = self._api.login(admin.name, admin.password) if admin else None
        with ExitStack() as stack:
            made, facts = self._maker(facts, admin, session, stack)
            for step in self._steps(usable, session, made):
                try:
                    facts = step(facts)
                    self._glance()
                except NotMade as exc:  # the other steps may need less
                    facts = replace(facts, not_made=f"{exc.sentence}.", remedy="Mend that, or correct the paths.")
        for one in [session, *self._sessions]:
            if one and one.works:
                self._api.logout(one)
        return replace(facts, left=tuple(made.left)) if made else facts

    # ------------------------------------------------------------------ who asks

    def _account(self, account: Account) -> _Known:
        try:
            data = self._source.data(account.secret) if self._source else {}
        except CollectionError as exc:
            return _Known(problem=exc.sentence.rstrip("."))
        self._redactor.learn(data.get(account.password_key))
        name, password = (
            data.get(key, b"").decode("utf-8", "replace") for key in (account.username_key, account.password_key)
        )
        if not name or not password:
            return _Known(problem=f"Secret {account.secret} lacks {account.username_key} and {account.password_key}")
        return _Known(Person(account.role, name, password))

    def _maker(
        self, facts: AuthFacts, admin: Person | None, session: Session | None, stack: ExitStack
    ) -> tuple[Identities | None, AuthFacts]:
        """Who makes identities, or why nobody does."""
        if not self._scope.judges(_MAKING):
            return None, facts
        if not self._scope.writes:
            why = "To make users and tasks is not permitted in this environment."
            return None, replace(facts, not_made=why, remedy=PERMIT, not_permitted=True)
        if admin is None or session is None:
            why = f"No account of the role {self._wanted.admin} is given, which would make test users."
            return None, replace(facts, not_made=why, remedy=GIVE, not_permitted=True)
        if not session.works:
            answer = session.answer
            told = answer.failure.sentence if answer.failure else f"its login gets {answer.status}."
            why = f"The administrator's account makes no test users: {told}"
            return None, replace(facts, not_made=why, remedy="Mend the login, or the Secret of the account.")
        domain = self._scope.domain or admin.name.partition("@")[2]

        def renew() -> str:
            again = self._api.login(admin.name, admin.password)
            if again.works:
                self._sessions.append(again)
            return again.access if again.works else ""

        return stack.enter_context(identities(self._api, session.access, domain, renew)), facts

    # ------------------------------------------------------------------ what is seen

    def _steps(self, usable: list[Person], session: Session | None, made: Identities | None) -> Iterator[Step]:
        """What is done, in order: a lock-out begins first, and its end is waited for last."""
        judges = self._scope.judges
        if made:
            yield lambda facts: replace(facts, leftovers=made.clean())
        if made and judges(_REFUSED):
            yield lambda facts: self._lock(facts, made)
        if judges(_SIGNED_IN):
            yield lambda facts: self._signed_in(facts, usable, made)
        if judges([of.UNAUTHORIZED]):
            yield lambda facts: self._let_in(facts, session, usable)
        if judges([of.ROLES]):
            yield lambda facts: self._roles(facts, session)
        if made and judges([of.INVALID]):
            yield lambda facts: replace(facts, refusals=refusals_of(self._api, made, self._some_role()))
        if made and judges([of.PASSWORD_POLICY]):
            yield lambda facts: replace(facts, passwords=passwords_of(self._api, made, self._some_role(), self._wanted))
        if made:
            yield from self._rights(Rights(self._api, made, self._wanted, self._scope.endpoints))
        if judges([of.DEFAULT_USERS]):
            yield lambda facts: replace(facts, users=self._default_users(session, made))
        if judges(_REFUSED):
            yield self._unlocked

    def _rights(self, rights: Rights) -> Iterator[Step]:
        judges = self._scope.judges
        if judges([of.RBAC]):
            yield lambda facts: replace(facts, cells=tuple(rights.cells()))
        if judges([of.PERMISSIONS]):
            yield lambda facts: replace(facts, ownership=tuple(rights.ownership()))
        if judges([of.ADMIN]):
            yield lambda facts: replace(facts, admin_routes=tuple(rights.admin_routes()))

    def _lock(self, facts: AuthFacts, made: Identities) -> AuthFacts:
        trial = LockoutTrial(self._api, made.make(self._some_role()), self._wanted, self._scope.wait_s)
        trial.begin()
        self._trial = trial
        return facts

    def _unlocked(self, facts: AuthFacts) -> AuthFacts:
        if self._trial is None:
            return facts
        lock = self._trial.ended() if self._scope.judges([of.INVALID]) else self._trial.begun
        return replace(facts, refusals=replace(facts.refusals or of.RefusalFacts(), lockout=lock))

    def _some_role(self) -> str:
        """A role that may little: the one with the fewest permissions."""
        return min(self._wanted.permissions, key=lambda role: len(self._wanted.permissions[role]))

    def _signed_in(self, facts: AuthFacts, usable: list[Person], made: Identities | None) -> AuthFacts:
        people = [made.make(self._some_role())] if made else usable
        told = "a user made for this run" if made else "the account given for"
        sessions = [(self._api.login(one.name, one.password), one) for one in people]
        facts = replace(facts, sign_ins=tuple(_sign_in(self._api, session, one, told) for session, one in sessions))
        works = [(session, one) for session, one in sessions if session.works]
        if not works:
            return facts
        session, person = works[0]
        if self._scope.judges(_TOKENS):
            tokens = tokens_of(self._api, session, self._keys, key_id_needed=self._scope.key_id_needed)
            facts = replace(facts, tokens=tokens)
        if self._scope.judges(_SESSION):
            facts = replace(facts, session=session_of(self._api, person, self._wanted))
        for other, _person in works:
            self._api.logout(other)
        return facts

    def _let_in(self, facts: AuthFacts, session: Session | None, usable: list[Person]) -> AuthFacts:
        """Whether what refuses nobody's requests lets in who is signed in."""
        own = session if session and session.works else self._api.login(usable[0].name, usable[0].password)
        if not own.works:
            return facts
        paths = {one.path for one in self._scope.endpoints if one.method == "GET" and TASK not in one.path}
        statuses = [self._api.ask("GET", path, token=own.access).status for path in sorted(paths)]
        if own is not session:
            self._api.logout(own)
        return replace(facts, let_in=sum(1 for one in statuses if one in GOOD))

    def _roles(self, facts: AuthFacts, session: Session | None) -> AuthFacts:
        roles, problem = roles_of(self._api, session)
        powers, unseen = (
            powers_of(self._source.cluster, self._source.namespace) if self._source else ({}, "no cluster is given")
        )
        return replace(facts, roles=roles, roles_problem=problem, powers=powers, powers_problem=unseen)

    def _default_users(self, session: Session | None, made: Identities | None) -> of.UserFacts | None:
        if self._scope.defaults is None:
            return None
        held: dict[str, Any] = {}
        for name in {name for one in self._scope.defaults for name in (one.secret, one.seeded_secret) if name}:
            try:
                held[name] = self._source.data(name) if self._source else "no cluster is given"
            except CollectionError as exc:
                held[name] = exc.sentence
        trial = KnownPasswords(self._wanted.admin, self._scope.default_passwords, self._wanted.tries, held)
        return users_of(self._api, session, made, self._scope.defaults, trial)


def _sign_in(api: AuthApi, session: Session, person: Person, told: str) -> SignIn:
    answer, found = session.answer, parts_of(session.access)
    ends = found is not None and isinstance(found[1].get("exp"), int | float)
    return SignIn(
        f"{told} ({person.role})",
        person.role,
        answer.status,
        api.code_of(answer),
        bool(session.access),
        session.expires_in is not None or ends,
        answer.failure.sentence.rstrip(".") if answer.failure else "",
    )


def keys_of(source: Source | None, stand: JwtKeys, redactor: Redactor) -> Keys:
    """The keys of access tokens, as far as their Secret may be read."""
    if source is None:
        return Keys(problem=f"Secret {stand.secret} is not read without an account")
    try:
        data = source.data(stand.secret)
    except CollectionError as exc:
        return Keys(problem=exc.sentence.rstrip("."))
    for value in data.values():
        redactor.learn(value)
    if stand.shared:
        shared = data.get(stand.shared, b"")
        return Keys(shared=shared, problem="" if shared else f"Secret {stand.secret} lacks {stand.shared}")
    private, public = (data.get(one, b"") for one in stand.pairs[0])
    missing = [one for one in stand.pairs[0] if not data.get(one)]
    return Keys(public, private, problem=f"Secret {stand.secret} lacks {' and '.join(missing)}" if missing else "")
