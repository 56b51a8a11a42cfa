# Signing in and rights, used against an application in memory: in order it is green, and each fault turns its own red.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import forge, test_identities
from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts as of
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import MATRIX, AuthFacts, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Dialect, Patience
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.forge import Bent, Keys
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth import Scope, Source, keys_of, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_users import DefaultUser
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.auth_app import PEM, SHARED, Application
from tests.unit.collection.test_observe_secrets import Kubernetes, secret

WANTED = Wanted(lockout_s=60)
ACCOUNTS = tuple(Account(role, f"user-{role}") for role in MATRIX)
DEFAULTS = tuple(DefaultUser((role,), secret=f"user-{role}") for role in MATRIX)
GREEN = dict.fromkeys(CHECKS.controls, "pass")


def cluster(application: Application, *more: Any) -> Kubernetes:
    users = [
        secret(
            f"user-{role}", username=f"{role}@shop.test", password=application.users[f"{role}@shop.test"]["password"]
        )
        for role in MATRIX
        if f"{role}@shop.test" in application.users
    ]
    private, public = (text.decode() for text in PEM["access"])
    keys = {"access-token-private-key": private, "access-token-public-key": public, "shared": SHARED}
    return Kubernetes(*users, secret("bytebot-jwt-secret", **keys), *more)


def seen(application: Application, kubernetes: Kubernetes | None = None, **changes: Any) -> AuthFacts:
    """What is observed; no password and no token is in it, and nothing is left in the application."""
    before = set(application.users)
    held = kubernetes or cluster(application)
    redactor = Redactor()
    api = AuthApi(application, changes.pop("dialect", Dialect()), redactor, Patience(600, sleep=application.sleep))  # type: ignore[arg-type]
    source = Source(held, "shop")  # type: ignore[arg-type]
    stand = changes.pop("keys", JwtKeys(shared="shared") if application.shared else JwtKeys())
    given = {"writes": True, "wait_s": 100, "defaults": DEFAULTS, "default_passwords": ("admin",), **changes}
    scope = Scope(wanted=given.pop("wanted", WANTED), accounts=given.pop("accounts", ACCOUNTS), **given)
    facts = observe(api, scope, source, keys_of(source, stand, redactor), redactor)
    told = json.dumps(asdict(facts), default=str)
    words = [one["password"] for one in application.users.values() if len(one["password"]) > len("admin")]
    assert not [one for one in (*words, *application.issued, SHARED) if one in told]
    if given["writes"]:
        assert set(application.users) <= before
        assert not application.stored
    return facts


def states(application: Application, *only: str, **changes: Any) -> dict[str, str]:
    facts = seen(application, only=only, **changes)
    return {one.control: str(one.verdict.state) for one in CHECKS.judge(facts, only)}


def red(application: Application, **changes: Any) -> set[str]:
    return {control for control, state in states(application, **changes).items() if state == "fail"}


def test_an_application_in_order_is_green() -> None:
    assert states(Application()) == GREEN


def test_one_that_signs_by_a_shared_secret_is_green() -> None:
    wanted = replace(WANTED, algorithms=("HS256",), issuer="bytebot-auth-service", audience="bytebot-api")
    assert states(Application(shared=True), wanted=wanted) == GREEN


@pytest.mark.parametrize(
    ("wrong", "turns_red"),
    [
        ("login", {of.LOGIN}),
        ("no token", {of.LOGIN}),
        ("none", {of.JWT, of.INVALID_AUTH}),
        ("confused", {of.JWT, of.INVALID_AUTH}),
        ("jwk", {of.JWT, of.INVALID_AUTH}),
        ("jku", {of.JWT, of.INVALID_AUTH}),
        ("kid", {of.JWT, of.INVALID_AUTH}),
        ("payload", {of.JWT, of.INVALID_AUTH}),
        ("exp", {of.JWT, of.INVALID_AUTH}),
        ("nbf", {of.JWT, of.INVALID_AUTH}),
        ("iss", {of.JWT, of.INVALID_AUTH}),
        ("aud", {of.JWT, of.INVALID_AUTH}),
        ("reuse", {of.REFRESH, of.SESSIONS}),
        ("family", {of.SESSIONS}),
        ("logout", {of.LOGOUT, of.SESSIONS}),
        ("access lives", {of.SESSIONS}),
        ("refresh lives", {of.SESSIONS}),
        ("cookie", {of.SESSIONS}),
        ("fixation", {of.SESSIONS, of.INVALID_AUTH}),
        ("body", {of.INVALID}),
        ("time", {of.INVALID}),
        ("broken", {of.INVALID, of.INVALID_AUTH}),
        ("no lock", {of.INVALID, of.INVALID_AUTH}),
        ("short lock", {of.INVALID}),
        ("long lock", {of.INVALID}),
        ("default", {of.DEFAULT_USERS}),
        ("policy", {of.PASSWORD_POLICY}),
        ("four", {of.PASSWORD_POLICY}),
        ("silent", {of.PASSWORD_POLICY}),
        ("history", {of.PASSWORD_POLICY}),
        ("viewer writes", {of.ROLES, of.RBAC}),
        ("role missing", {of.ROLES}),
        ("cell open", {of.RBAC}),
        ("cell shut", {of.RBAC}),
        ("others", {of.PERMISSIONS}),
        ("list", {of.PERMISSIONS}),
        ("admin open", {of.ADMIN, of.RBAC}),
        ("own roles", {of.ADMIN}),
        ("along", {of.ADMIN}),
        ("door", {of.UNAUTHORIZED}),
        ("challenge", {of.UNAUTHORIZED}),
    ],
)
def test_what_is_wrong_turns_its_own_red(wrong: str, turns_red: set[str]) -> None:
    assert red(Application(wrong)) == turns_red


def test_check_mode_asks_nothing() -> None:
    application = Application()
    assert set(states(application, unasked="check mode.").values()) == {"pending"}
    assert application.asked == []


def test_without_permission_nothing_is_made_and_what_needs_it_is_pending() -> None:
    application = Application()
    found = states(application, writes=False)
    assert ("POST", "/api/v1/users") not in {one for one in application.asked if "writes" in one}
    assert {control for control, state in found.items() if state == "pending"} == {
        of.INVALID, of.RBAC, of.PERMISSIONS, of.ADMIN, of.PASSWORD_POLICY, of.INVALID_AUTH,
    }  # fmt: skip
    assert {found[one] for one in (of.LOGIN, of.JWT, of.REFRESH, of.LOGOUT, of.SESSIONS, of.ROLES)} == {"pass"}


def test_without_an_account_nothing_passes() -> None:
    found = states(Application(), accounts=())
    assert "pass" not in found.values()
    assert "fail" not in found.values()


def test_without_the_private_key_tokens_are_pending_and_never_green() -> None:
    application = Application()
    kubernetes = cluster(application)
    kubernetes.forbidden.add("bytebot-jwt-secret")
    assert states(application, of.JWT, kubernetes=kubernetes) == {of.JWT: "pending"}


def test_a_key_that_signs_nothing_leaves_tokens_unsure() -> None:
    other = JwtKeys(pairs=(("refresh-private", "refresh-public"),))
    application = Application()
    private, public = (text.decode() for text in PEM["refresh"])
    own = cluster(application)
    own.objects = [one for one in own.objects if one["metadata"]["name"] != "bytebot-jwt-secret"]
    own.objects.append(secret("bytebot-jwt-secret", **{"refresh-private": private, "refresh-public": public}))
    assert states(application, of.JWT, kubernetes=own, keys=other) == {of.JWT: "inconclusive"}


def test_a_token_without_its_key_is_red_only_where_one_is_wanted() -> None:
    assert states(Application(), of.JWT, key_id_needed=True) == {of.JWT: "fail"}


def test_an_end_that_may_not_be_waited_for_is_pending() -> None:
    assert states(Application(), of.INVALID, wait_s=10) == {of.INVALID: "pending"}


def test_a_lock_that_is_told_by_another_status_is_waited_for_as_well() -> None:
    locks = seen(Application("says locked"), only=[of.INVALID]).refusals
    assert locks
    assert locks.lockout
    assert locks.lockout.end
    assert locks.lockout.end.status == 200
    assert states(Application("says locked"), of.INVALID) == {of.INVALID: "pass"}
    assert states(Application("says locked", "long lock"), of.INVALID) == {of.INVALID: "fail"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"end": None}, "inconclusive"),
        ({"end": of.Tried("the right password", problem="timed out")}, "inconclusive"),
        ({"end": of.Tried("the right password", 503)}, "inconclusive"),
        ({"end": of.Tried("the right password", 429)}, "inconclusive"),
        ({"end": of.Tried("the right password", 401)}, "fail"),
        ({"end": None, "middle": of.Tried("the right password", 200), "middle_s": 30.0}, "fail"),
    ],
)
def test_an_end_of_a_lock_that_was_not_seen_is_never_green_nor_red(changes: dict[str, Any], state: str) -> None:
    facts = seen(Application(), only=[of.INVALID])
    assert facts.refusals
    assert facts.refusals.lockout
    lock = replace(facts.refusals.lockout, **changes)
    (found,) = CHECKS.judge(replace(facts, refusals=replace(facts.refusals, lockout=lock)), [of.INVALID])
    assert str(found.verdict.state) == state, found.verdict.summary


@pytest.mark.parametrize(
    ("control", "changes", "state"),
    [
        (of.REFRESH, {"reused": 429}, "inconclusive"),
        (of.REFRESH, {"reused": 0}, "inconclusive"),
        (of.REFRESH, {"refreshed": 503, "new_access": False, "new_refresh": False}, "inconclusive"),
        (of.REFRESH, {"access_as_refresh": 0}, "inconclusive"),
        (of.REFRESH, {"access_as_refresh": 429}, "inconclusive"),
        (of.REFRESH, {"reused": 200}, "fail"),
        (of.REFRESH, {"refreshed": 401, "new_access": False, "new_refresh": False}, "fail"),
        (of.REFRESH, {"access_as_refresh": 500}, "fail"),
        (of.LOGOUT, {"access_after": 429}, "inconclusive"),
        (of.LOGOUT, {"refresh_after": 503}, "inconclusive"),
        (of.LOGOUT, {"logout": 0, "access_after": 0, "refresh_after": 0}, "inconclusive"),
        (of.LOGOUT, {"refresh_after": 200}, "fail"),
        (of.SESSIONS, {"reused": 429}, "inconclusive"),
        (of.SESSIONS, {"after_reuse": 429}, "inconclusive"),
        (of.SESSIONS, {"access_after": 429}, "inconclusive"),
    ],
)
def test_a_limit_that_is_met_or_a_service_that_is_away_refuses_no_token(
    control: str, changes: dict[str, Any], state: str
) -> None:
    facts = seen(Application(), only=[control])
    assert facts.session
    (found,) = CHECKS.judge(replace(facts, session=replace(facts.session, **changes)), [control])
    assert str(found.verdict.state) == state, found.verdict.summary


@pytest.mark.parametrize(("status", "state"), [(401, "pass"), (429, "inconclusive"), (503, "inconclusive"),
                                               (500, "fail"), (403, "fail"), (200, "fail")])  # fmt: skip
def test_a_forged_token_that_met_a_limit_is_neither_refused_nor_believed(status: int, state: str) -> None:
    facts = seen(Application(), only=[of.JWT])
    assert facts.tokens
    cases = (replace(facts.tokens.cases[0], status=status), *facts.tokens.cases[1:])
    (found,) = CHECKS.judge(replace(facts, tokens=replace(facts.tokens, cases=cases)), [of.JWT])
    assert str(found.verdict.state) == state, found.verdict.summary


@pytest.mark.parametrize(
    ("cookie", "state"),
    [
        (of.Cookie("AWSALB"), "pass"),
        (of.Cookie("AWSALBTGCORS", secure=True, same_site="none"), "pass"),
        (of.Cookie("__cf_bm", secure=True, http_only=True, same_site="none"), "pass"),
        (of.Cookie("INGRESSCOOKIE", http_only=True), "pass"),
        (of.Cookie("XSRF-TOKEN", secure=True, same_site="strict"), "pass"),
        (of.Cookie("XSRF-TOKEN", same_site="strict"), "fail"),
        (of.Cookie("session", secure=True, same_site="strict"), "fail"),
    ],
)
def test_cookies_that_carry_no_session_are_not_asked_what_one_must_have(cookie: of.Cookie, state: str) -> None:
    facts = seen(Application(), only=[of.SESSIONS])
    assert facts.session
    changed = replace(facts.session, cookies=(*facts.session.cookies, cookie))
    (found,) = CHECKS.judge(replace(facts, session=changed), [of.SESSIONS])
    assert str(found.verdict.state) == state, found.verdict.summary


def test_an_administrator_whom_nobody_named_is_red_and_a_running_identity_is_not() -> None:
    application = Application()
    application.add(f"{test_identities.new_mark()}@shop.test", "Fine-password-1!", ["admin"])
    assert states(application, of.DEFAULT_USERS) == {of.DEFAULT_USERS: "pass"}
    application.add("somebody@shop.test", "Fine-password-1!", ["admin"])
    assert states(application, of.DEFAULT_USERS) == {of.DEFAULT_USERS: "fail"}


def test_a_user_who_is_not_there_or_has_the_seeded_password_is_red() -> None:
    application = Application()
    missing = (*DEFAULTS, DefaultUser(("viewer",), name="gone@shop.test"))
    assert states(application, of.DEFAULT_USERS, defaults=missing) == {of.DEFAULT_USERS: "fail"}
    kept = application.users["operator@shop.test"]["password"]
    seeded = (replace(DEFAULTS[1], seeded_secret="seed"), *DEFAULTS)
    held = cluster(application, secret("seed", password=kept))
    assert states(application, of.DEFAULT_USERS, defaults=seeded, kubernetes=held) == {of.DEFAULT_USERS: "fail"}
    assert states(application, of.DEFAULT_USERS, defaults=None) == {of.DEFAULT_USERS: "pending"}


def test_a_limit_is_waited_for_and_no_longer_than_permitted() -> None:
    application = Application()
    application.limits = 3
    facts = seen(application, only=(of.LOGIN,))
    assert facts.paced_s == pytest.approx(22.5)
    assert facts.sign_ins[0].works


def test_a_limit_that_does_not_end_is_not_waited_for_request_by_request() -> None:
    """As where the window of a limit has lost its end: each request would wait anew, until all patience is used up."""
    application = Application()
    application.limits = 1000
    facts = seen(application, only=(of.LOGIN, of.RBAC))
    assert facts.paced_s == pytest.approx(22.5)
    assert not facts.sign_ins[0].works


def test_a_limit_that_says_that_it_lasts_longer_is_waited_for_as_long_as_permitted() -> None:
    said, slept, told = Answer("https://shop.test", 429, {"retry-after": "400"}), list[float](), list[str]()
    patience = Patience(600, sleep=slept.append, tell=told.append)
    while patience.wait(said):
        pass
    assert slept == [90.0] * 6
    assert not any("as before" in one for one in told)


def test_what_a_killed_run_left_is_removed_and_what_goes_on_is_kept() -> None:
    application = Application()
    mine = test_identities.new_mark()
    gone = mine.replace(mine.split("-")[2], "999999999x1")
    old = f"checklist-00000000-1x1-{int(time.time()) - test_identities.STALE_S - 1}-{'a' * 24}"
    young = f"checklist-00000000-1x1-{int(time.time())}-{'a' * 24}"
    for name in (mine, gone, old, young, test_identities.short_name()):
        application.add(f"{name}@shop.test", "Fine-password-1!", ["viewer"])
    assert seen(application, only=(of.LOGIN,)).leftovers == 3
    left = [name for name in application.users if name.startswith("checklist")]
    assert left == [f"{mine}@shop.test", f"{young}@shop.test"]


def test_an_application_that_makes_no_users_says_so() -> None:
    found = states(Application(), dialect=Dialect(users="/api/v1/nothing"))
    assert {found[one] for one in (of.RBAC, of.ADMIN, of.PASSWORD_POLICY)} == {"inconclusive"}
    assert "fail" not in found.values()


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.W10.x"])
def test_what_is_no_token_gives_nothing_to_forge(token: str) -> None:
    assert forge.parts_of(token) is None
    assert list(forge.unkeyed(token)) == []
    assert list(forge.rightly_signed(token, Keys(shared=b"x"), Bent())) == []
