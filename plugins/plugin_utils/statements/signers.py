# Who may sign what: the people, their roles, and how the organisation wants statements to be made.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import duration
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.ssh import (
    DEMO_NAMESPACE,
    NAMESPACE,
    Keys,
)

DEMO = "demo-"  # how the name of a signer begins who is only for trying out
WAIVER_ROLES, APPROVAL_ROLES, LONGEST = ("risk_owner",), ("approver",), "P1Y"
ALWAYS = "sign_off"  # what is signed here is never waived
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+@-]{0,127}")  # no wildcard, comma or blank of allowed_signers
_ROLE = re.compile(r"[a-z][a-z0-9_]*")
_OPTIONS = ("allowed_signers", "revoked_keys", "signers", "policy", "go_live")


@dataclass(frozen=True, slots=True)
class Signer:
    """A person who may sign.

    :param signer: the principal in the file of allowed signers, such as an address.
    :param accounts: other names of the same person, such as that of a login; none of them may have requested.
    :param several_teams: whether this person may sign for more than one role.
    """

    signer: str
    name: str
    roles: tuple[str, ...]
    title: str = ""
    accounts: tuple[str, ...] = ()
    several_teams: bool = False

    @property
    def demo(self) -> bool:
        """Whether it is one for trying out."""
        return self.signer.startswith(DEMO)

    @property
    def namespace(self) -> str:
        """What the signatures of this person are made for."""
        return DEMO_NAMESPACE if self.demo else NAMESPACE

    def known_as(self, name: str) -> bool:
        """Whether a name is one of this person."""
        return name.strip().casefold() in {one.casefold() for one in (self.signer, self.name, *self.accounts)}


@dataclass(frozen=True, slots=True)
class Policy:
    """How statements are made.

    :param unwaivable: controls, groups and sections that no waiver covers.
    :param waiver_roles: who signs waivers. :param approval_roles: who gives the approval.
    :param waiver_longest: the longest time for which something is waived.
    :param revoked: statements that count no more, each by the beginning of its SHA-256.
    """

    unwaivable: tuple[str, ...] = ()
    waiver_roles: tuple[str, ...] = WAIVER_ROLES
    approval_roles: tuple[str, ...] = APPROVAL_ROLES
    waiver_longest: timedelta = field(default_factory=lambda: duration(LONGEST))
    revoked: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Policy:
        """The policy from plain data.

        :raises InputError: a key is unknown or its value is none.
        """
        given = {} if given is None else given
        names = [one.name for one in fields(cls)]
        if not isinstance(given, Mapping) or set(given) - set(names):
            raise InputError(f"statements: policy knows only {', '.join(names)}.")
        try:
            longest = duration(str(given.get("waiver_longest") or LONGEST))
        except ValueError as exc:
            raise InputError(
                f"statements: waiver_longest is {given['waiver_longest']!r}; write it as P90D or P1Y."
            ) from exc
        return cls(
            _texts("unwaivable", given.get("unwaivable"), re.compile(r"[a-z][a-z0-9_.]*")),
            _texts("waiver_roles", given.get("waiver_roles"), _ROLE) or WAIVER_ROLES,
            _texts("approval_roles", given.get("approval_roles"), _ROLE) or APPROVAL_ROLES,
            longest,
            _texts("revoked", given.get("revoked"), re.compile(r"[0-9a-f]{12,64}")),
        )

    def why_unwaivable(self, control: str) -> str:
        """Why no waiver covers a control; empty where one may."""
        section, group, _item = control.split(".")
        if section == ALWAYS:
            return "a sign-off is given or not, and never waived"
        key = next((key for key in (control, f"{section}.{group}", section) if key in self.unwaivable), "")
        return f"the policy says that {key} is never waived" if key else ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose signatures count, and for what.

    :param go_live: when it goes live; None where nothing says so.
    """

    keys: Keys
    signers: tuple[Signer, ...]
    policy: Policy
    go_live: datetime | None = None

    @classmethod
    def of(cls, given: Any) -> Rules | None:
        """The rules from plain data; none where no signers are allowed.

        :raises InputError: something in it is wrong, or a file cannot be read.
        """
        given = {} if given is None else given
        if not isinstance(given, Mapping) or set(given) - set(_OPTIONS):
            raise InputError(f"statements: give only {', '.join(_OPTIONS)}.")
        if not given.get("allowed_signers"):
            return None
        allowed = _file("allowed_signers", given["allowed_signers"])
        revoked = _file("revoked_keys", given["revoked_keys"]) if given.get("revoked_keys") else None
        people = given.get("signers") or []
        if not isinstance(people, Sequence) or isinstance(people, str):
            raise InputError("statements: signers is no list; give signer, name and roles of each person.")
        signers = tuple(_signer(one) for one in people)
        names = [one.signer.casefold() for one in signers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"statements: {', '.join(twice)} stands twice among the signers; give all roles in one.")
        return cls(Keys(allowed, revoked), signers, Policy.of(given.get("policy")), go_live_of(given))

    def person(self, signer: str) -> Signer | None:
        """The person of a name in the file of allowed signers."""
        return next((one for one in self.signers if one.signer == signer), None)

    def may_sign(self, roles: Sequence[str]) -> list[Signer]:
        """Who has one of some roles."""
        return [one for one in self.signers if set(roles) & set(one.roles)]


def told(signers: Sequence[Signer], roles: Sequence[str]) -> str:
    """Who must sign, in words."""
    team = " or ".join(role.replace("_", " ") for role in roles)
    named = " or ".join(one.name for one in signers)
    return f"{named} ({team})" if named else f"a signer with the role {team}, whom bytebot_signers does not name yet"


def _signer(given: Any) -> Signer:
    names = [one.name for one in fields(Signer)]
    if not isinstance(given, Mapping) or not {"signer", "name", "roles"} <= set(given) <= set(names):
        raise InputError(f"statements: a signer has signer, name and roles, and may have {', '.join(names[3:])}.")
    signer = given["signer"]
    if not isinstance(signer, str) or not _PERSON.fullmatch(signer):
        raise InputError(f"statements: signer {signer!r} is no name of a person; give it as in the allowed signers.")
    for key in ("name", "title"):
        if not isinstance(given.get(key, ""), str) or (key == "name" and not given[key].strip()):
            raise InputError(f"statements: {key} of {signer} is {given[key]!r}; give a text.")
    roles = _texts(f"roles of {signer}", given["roles"], _ROLE)
    if not roles:
        raise InputError(f"statements: {signer} has no role; name what this person signs for.")
    if not isinstance(given.get("several_teams", False), bool):
        raise InputError(f"statements: several_teams of {signer} is neither true nor false.")
    accounts = _texts(f"accounts of {signer}", given.get("accounts"), re.compile(r".{1,200}"))
    return Signer(
        signer,
        given["name"].strip(),
        roles,
        str(given.get("title", "")).strip(),
        accounts,
        given.get("several_teams", False),
    )


def go_live_of(statements: Mapping[str, Any]) -> datetime | None:
    """When it goes live; a time that YAML read as one has no zone, and is UTC.

    :raises InputError: it is no time.
    """
    given = statements.get("go_live")
    if given in (None, ""):
        return None
    try:
        when = given if isinstance(given, datetime) else datetime.fromisoformat(str(given).strip())
    except ValueError as exc:
        raise InputError(
            f"statements: go_live is {str(given)[:60]!r}, which is no time (2026-10-01T08:00:00Z)."
        ) from exc
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _file(name: str, given: Any) -> Path:
    path = Path(str(given)).expanduser().absolute()
    try:
        with path.open("rb"):
            return path
    except OSError as exc:
        raise InputError(f"statements: {name} {path} cannot be read: {exc.strerror}.") from exc


def _texts(name: str, given: Any, pattern: re.Pattern[str]) -> tuple[str, ...]:
    given = [] if given is None else given
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"statements: {name} is no list.")
    for one in given:
        if not isinstance(one, str) or not pattern.fullmatch(one):
            raise InputError(f"statements: {name} has {one!r}, which is none.")
    return tuple(given)
