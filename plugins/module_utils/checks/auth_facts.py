# What was seen of an application's sign-in, tokens, sessions, passwords and rights; plain facts, nothing judged.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

_FUNCTIONAL, _SECURITY = "functional_testing", "security_configuration.auth"
LOGIN, JWT, REFRESH, LOGOUT, INVALID = (
    f"{_FUNCTIONAL}.authentication.{item}" for item in ("login", "jwt", "refresh", "logout", "invalid")
)
RBAC, PERMISSIONS, UNAUTHORIZED, ADMIN = (
    f"{_FUNCTIONAL}.authorization.{item}" for item in ("rbac", "permissions", "unauthorized", "admin")
)
ROLES, DEFAULT_USERS, PASSWORD_POLICY, SESSIONS = (
    f"{_SECURITY}.{item}" for item in ("rbac", "default_users", "password_policy", "sessions")
)
INVALID_AUTH = "security_testing.web.invalid_auth"

# The documents' numbers.
OK = 200
ACCESS_S, REFRESH_S, LOCKOUT_TRIES, LOCKOUT_S, LENGTH, HISTORY = 900, 7 * 86400, 5, 900, 12, 12
MATRIX: Mapping[str, tuple[str, ...]] = {
    "admin": (
        "system:admin", "system:monitor", "api:manage", "api:access", "task:read", "task:write", "task:execute",
        "task:delete", "computer:control", "computer:view",
    ),
    "operator": (
        "api:access", "task:read", "task:write", "task:execute", "task:delete", "computer:control", "computer:view",
    ),
    "viewer": ("api:access", "task:read", "computer:view"),
    "api-consumer": ("api:access", "task:read", "task:write", "task:execute", "computer:control", "computer:view"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of all that.

    :param permissions: by role; :param admin: the role that administers.
    :param sessions: sessions that one user may have at the same time; 0 where no number is configured.
    :param account_powers: that ServiceAccounts of the release may have in its namespace, as access reviews name them.
    """

    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(MATRIX))
    admin: str = "admin"
    algorithms: tuple[str, ...] = ("RS256",)
    issuer: str = "bytebot-api"
    audience: str = "bytebot-clients"
    access_s: int = ACCESS_S
    refresh_s: int = REFRESH_S
    tries: int = LOCKOUT_TRIES
    lockout_s: int = LOCKOUT_S
    length: int = LENGTH
    history: int = HISTORY
    sessions: int = 0
    same_site: str = "strict"
    token_in_cookie: bool = False
    account_powers: tuple[str, ...] = ("read", "secrets")


@dataclass(frozen=True, slots=True)
class Tried:
    """One request and what came of it; :param wanted: how it must be answered; empty where that is judged elsewhere.

    :param by: who asked; :param code: of the error; :param where: the way to repeat it, without any secret.
    """

    what: str
    status: int = 0
    wanted: str = ""
    by: str = ""
    code: str = ""
    problem: str = ""
    where: str = ""

    @property
    def told(self) -> str:
        """What came back, in short."""
        return self.problem or f"{self.status}{f' {self.code}' if self.code else ''}"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One account that signed in, or did not."""

    who: str
    role: str
    status: int = 0
    code: str = ""
    has_token: bool = False
    has_expiry: bool = False
    problem: str = ""

    @property
    def works(self) -> bool:
        return self.status == OK and self.has_token

    @property
    def told(self) -> str:
        if self.problem:
            return self.problem
        return f"{self.status}{f' {self.code}' if self.code else ''}" + (
            " without an access token" if self.status == OK and not self.has_token else ""
        )


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What became of tokens that must not be believed.

    :param good: the status of the one that the login gave; :param counter: of one that was signed anew, unchanged;
        0 where none could be made. :param untried: why the rest was not tried.
    """

    good: int = 0
    algorithm: str = ""
    issuer: str = ""
    audience: str = ""
    lifetime_s: int | None = None
    cases: tuple[Tried, ...] = ()
    counter: int = 0
    untried: str = ""
    is_jwt: bool = True


@dataclass(frozen=True, slots=True)
class Cookie:
    """What was set for the browser."""

    name: str
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    path: str = ""
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session from its begin to its end, status by status; 0 where nothing was asked.

    :param access_s: seconds from the access token's issue to its end; None where that is not said.
    :param reused: of a second use of the first refresh token; :param after_reuse: of the second one, after that.
    :param before_logout: of the access token; :param fixed: what became of a session that was brought to the login.
    """

    access_s: int | None = None
    refresh_s: int | None = None
    has_refresh: bool = False
    cookies: tuple[Cookie, ...] = ()
    refreshed: int = 0
    new_access: bool = False
    new_refresh: bool = False
    new_works: int = 0
    access_as_refresh: int = 0
    reused: int = 0
    after_reuse: int = 0
    access_after_reuse: int = 0
    before_logout: int = 0
    logout: int = 0
    access_after: int = 0
    refresh_after: int = 0
    fixed: str = ""
    living: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Lockout:
    """Wrong passwords until the account is locked, and its end.

    :param failures: what each wrong one met; :param right: what the right one met then; :param middle: later on.
    :param end: what the right one met at last, :param after_s: so many seconds after the last failure.
    :param waited: why the end was not waited for.
    """

    before: int = 0
    failures: tuple[Tried, ...] = ()
    delays_s: tuple[float, ...] = ()
    right: Tried | None = None
    middle: Tried | None = None
    middle_s: float = 0.0
    end: Tried | None = None
    after_s: float = 0.0
    not_waited: str = ""


@dataclass(frozen=True, slots=True)
class RefusalFacts:
    """What wrong names and passwords meet.

    :param wrong: the answer to a wrong password, :param unknown: to an unknown name; both with what differs by nature
        (the name, ids, times) taken out. :param wrong_s: how long each took, :param unknown_s: likewise.
    """

    wrong: Tried | None = None
    unknown: Tried | None = None
    wrong_said: str = ""
    unknown_said: str = ""
    wrong_s: tuple[float, ...] = ()
    unknown_s: tuple[float, ...] = ()
    lockout: Lockout | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix, tried."""

    role: str
    endpoint: str
    allowed: bool
    status: int = 0
    code: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A protected endpoint asked without a token, or with a broken one.

    :param shaped: whether the error has the documented shape; :param leaked: what of the inside stands in it.
    """

    endpoint: str
    how: str
    status: int = 0
    shaped: bool = False
    challenge: bool = False
    leaked: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user of the application, as its administrators see it.

    :param name: none of a person's, where it can be left out; :param roles: as they are listed.
    :param opened_by: what kind of known password opens it; :param tried: how many were tried.
    """

    name: str
    roles: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    found: bool = True
    opened_by: str = ""
    tried: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class UserFacts:
    """The users that must be there, and who administers beside them.

    :param surplus: administrators that nobody named; :param test: test identities of runs that go on now.
    :param seen: users listed; :param whole: whether all of them were.
    """

    users: tuple[User, ...] = ()
    surplus: tuple[str, ...] = ()
    test: int = 0
    seen: int = 0
    whole: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PasswordFacts:
    """Which new passwords were taken. :param strong: the status of a good one; :param history: of one of before.

    :param silent: weak ones that are refused without a word on which field is wrong.
    """

    strong: int = 0
    weak: tuple[Tried, ...] = ()
    silent: tuple[str, ...] = ()
    history: Tried | None = None
    changed: int = 0


@dataclass(frozen=True, slots=True)
class AuthFacts:
    """All that was seen. A part is None where it was not looked at.

    :param powers: what ServiceAccounts of the release may do in the cluster; :param let_in: endpoints that let in who
        is signed in. :param unasked: why nothing was asked; :param not_made: why no test identity was made (where that
        is :param not_permitted: it was not tried), :param remedy: and what then.
    :param leftovers: identities of earlier runs that were removed; :param left: those of this run that stay.
    """

    base_url: str
    wanted: Wanted = field(default_factory=Wanted)
    sign_ins: tuple[SignIn, ...] = ()
    tokens: TokenFacts | None = None
    session: SessionFacts | None = None
    refusals: RefusalFacts | None = None
    cells: tuple[Cell, ...] | None = None
    ownership: tuple[Tried, ...] | None = None
    anonymous: tuple[Anonymous, ...] | None = None
    admin_routes: tuple[Tried, ...] | None = None
    roles: Mapping[str, tuple[str, ...]] | None = None
    roles_problem: str = ""
    powers: Mapping[str, tuple[str, ...]] | None = None
    powers_problem: str = ""
    let_in: int = 0
    users: UserFacts | None = None
    passwords: PasswordFacts | None = None
    unasked: str = ""
    no_account: str = ""
    not_made: str = ""
    not_permitted: bool = False
    remedy: str = ""
    leftovers: int = 0
    left: tuple[str, ...] = ()
    paced_s: float = 0.0
    seconds: float = 0.0
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, observed: object) -> Evidence:
        return Evidence(f"answers of {self.base_url}", observed, self.observed_at)
