# The faults of signing in and of rights: each is seen by its own look, which finds nothing on the healthy application.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from jwt.algorithms import RSAAlgorithm

from bytebot_app import auth_faults, faults, passwords
from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings
from bytebot_app.tokens import Keys, Pair

from .memory import PASSWORD, MemoryStore

AUTH, TASKS, ROLES, USERS = "/api/v1/auth", "/api/v1/tasks", "/api/v1/roles", "/api/v1/users"
ME = f"{AUTH}/permissions"
NEW = "Another-Horse-43"


@dataclass
class World:
    """What a look has: a client, the store behind it, and the keys that are mounted."""

    client: TestClient
    store: MemoryStore
    keys: Keys
    headers: dict[str, str] = field(default_factory=dict)

    def login(self, name: str = "operator", password: str = PASSWORD) -> Any:
        answer = self.client.post(f"{AUTH}/login", json={"username": f"{name}@bytebot.test", "password": password})
        self.client.cookies.clear()
        return answer

    def bearer(self, name: str = "operator") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.login(name).json()['access_token']}"}

    def refresh(self, token: str) -> Any:
        answer = self.client.post(f"{AUTH}/refresh", json={"refresh_token": token})
        self.client.cookies.clear()
        return answer

    def believes(self, token: str) -> bool:
        return self.client.get(ME, headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def signed(self, key: Any = None, algorithm: str | None = "RS256", headers: Any = None, **changes: Any) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": "bytebot-api", "aud": "bytebot-clients", "sub": "someone", "jti": "1", "iat": now,
            "exp": now + timedelta(minutes=5), "type": "access", "role": "ADMIN",
        }  # fmt: skip
        return jwt.encode({**claims, **changes}, key or self.keys.access.private, algorithm, headers=headers)

    def change_password(self, current: str, new: str) -> int:
        body = {"current_password": current, "new_password": new}
        answer = self.client.post(f"{AUTH}/change-password", json=body, headers=self.headers)
        return answer.status_code

    def task(self, name: str = "operator") -> str:
        made = self.client.post(TASKS, json={"description": "a"}, headers=self.bearer(name))
        return f"{TASKS}/{made.json()['id']}"

    def remove(self, maker: str, name: str) -> int:
        path = self.task(maker)
        return self.client.delete(path, headers=self.bearer(name)).status_code


Worlds = Callable[[str], Any]


@pytest.fixture
def world(settings: Settings, parts: Parts, store: MemoryStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Worlds:
    @contextmanager
    def made(fault: str) -> Iterator[World]:
        monkeypatch.setenv(faults.MARK, fault)
        app = create_app(settings, parts)
        with TestClient(app, base_url="https://api.bytebot.test", raise_server_exceptions=False) as client:
            yield World(client, store, keys)

    return made


# ---------------------------------------------------------------------------- the looks: True where something is wrong


def reused(world: World) -> bool:
    first = world.login().json()["refresh_token"]
    world.refresh(first)
    return world.refresh(first).status_code == 200


def lives_after_reuse(world: World) -> bool:
    first = world.login().json()["refresh_token"]
    second = world.refresh(first).json()
    assert world.refresh(first).status_code == 401
    return world.believes(second["access_token"]) or world.refresh(second["refresh_token"]).status_code == 200


def after_logout(world: World) -> tuple[bool, bool]:
    pair = world.login().json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert world.client.post(f"{AUTH}/logout", headers=headers).status_code == 204
    return world.believes(pair["access_token"]), world.refresh(pair["refresh_token"]).status_code == 200


def lifetime(world: World, kind: str) -> int:
    claims = jwt.decode(world.login().json()[f"{kind}_token"], options={"verify_signature": False})
    return int(claims["exp"] - claims["iat"])


def cookie_lacks(part: str) -> Callable[[World], bool]:
    return lambda world: part not in world.login().headers["set-cookie"]


def differ(world: World) -> bool:
    return world.login(password="wrong").text != world.login("nobody", "wrong").text


def skips_the_work(world: World) -> bool:
    compared, real = [], passwords.matches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "matches", lambda *given: compared.append(given) or real(*given))
        world.login("nobody", "wrong")
    return not compared


def opens_after_failures(world: World) -> bool:
    for _ in range(6):
        world.login(password="wrong")
    return world.login().status_code == 200


def never_says_locked(world: World) -> bool:
    codes = [world.login(password="wrong").json()["error"]["code"] for _ in range(6)]
    return "ACCOUNT_LOCKED" not in codes


def takes(password: str) -> Callable[[World], bool]:
    def taken(world: World) -> bool:
        body = {"username": "jane@bytebot.test", "password": password}
        return world.client.post(USERS, json=body, headers=world.bearer("admin")).status_code == 201

    return taken


def takes_an_old_one(world: World) -> bool:
    world.headers = world.bearer()
    assert world.change_password(PASSWORD, NEW) == 204
    return world.change_password(NEW, PASSWORD) == 204


def listed_roles(world: World) -> dict[str, list[str]]:
    roles = world.client.get(ROLES, headers=world.bearer("admin")).json()["roles"]
    return {role["name"]: role["permissions"] for role in roles}


def consumer_removes(world: World) -> bool:
    assert "task:delete" not in listed_roles(world)["api-consumer"]
    return world.remove("api-consumer", "api-consumer") == 204


def operator_is_refused(world: World) -> bool:
    assert "task:delete" in listed_roles(world)["operator"]
    return world.remove("operator", "operator") == 403


def reads_anothers(world: World) -> bool:
    return world.client.get(world.task(), headers=world.bearer("other")).status_code == 200


def lists_anothers(world: World) -> bool:
    world.task()
    return world.client.get(TASKS, headers=world.bearer("other")).json() != []


def viewer_lists_users(world: World) -> bool:
    return world.client.get(USERS, headers=world.bearer("viewer")).status_code == 200


def viewer_becomes_admin(world: World) -> bool:
    path = f"{USERS}/{world.store.users['viewer']['id']}/roles"
    return world.client.post(path, json={"roleId": "admin"}, headers=world.bearer("viewer")).status_code == 200


def public_key_as_secret(world: World) -> bool:
    public = world.keys.access.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = world.signed().split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    mac = hmac.digest(public, f"{head}.{body}".encode(), hashlib.sha256)
    return world.believes(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def tampered(world: World) -> bool:
    head, body, signature = world.signed().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "other"}).encode()).decode().rstrip("=")
    return world.believes(f"{head}.{other}.{signature}")


def key_in_the_header(world: World) -> bool:
    foreign = Pair.throwaway()
    jwk = RSAAlgorithm.to_jwk(foreign.public, as_dict=True)
    return world.believes(world.signed(foreign.private, headers={"jwk": jwk}))


def empty_file_as_key(world: World) -> bool:
    body = world.signed().split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"../../../../dev/null"}').decode().rstrip("=")
    mac = hmac.digest(b"", f"{head}.{body}".encode(), hashlib.sha256)
    return world.believes(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def fetched(name: str) -> Callable[[World], bool]:
    """A key of one's own, at an address that the header says."""

    def believed(world: World) -> bool:
        foreign = Pair.throwaway()
        assert foreign.private
        if name == "jku":
            said = json.dumps({"keys": [RSAAlgorithm.to_jwk(foreign.public, as_dict=True)]}).encode()
        else:
            subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "look")])
            now = datetime.now(UTC)
            made = x509.CertificateBuilder(subject, subject, foreign.public, 1, now, now + timedelta(days=1))
            said = made.sign(foreign.private, hashes.SHA256()).public_bytes(Encoding.PEM)
        address = f"data:text/plain;base64,{base64.b64encode(said).decode()}"
        return world.believes(world.signed(foreign.private, headers={name: address}))

    return believed


def brings_roles(world: World) -> bool:
    world.headers = world.bearer("viewer")
    body = {"current_password": PASSWORD, "new_password": NEW, "roles": ["operator"]}
    world.client.post(f"{AUTH}/change-password", json=body, headers=world.headers)
    path = f"{USERS}/{world.store.users['viewer']['id']}"
    return "operator" in world.client.get(path, headers=world.bearer("admin")).json()["roles"]


def foreign_signature(world: World) -> bool:
    token = world.login().json()["access_token"]
    try:
        jwt.decode(token, world.keys.access.public, ["RS256"], audience="bytebot-clients")
    except jwt.InvalidSignatureError:
        return True
    return False


PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
LOOKS: dict[str, Callable[[World], bool]] = {
    "refresh_not_rotated": reused,
    "refresh_reuse_ends_nothing": lives_after_reuse,
    "logout_revokes_nothing": lambda world: all(after_logout(world)),
    "logout_keeps_access": lambda world: after_logout(world)[0],
    "logout_keeps_refresh": lambda world: after_logout(world)[1],
    "access_token_lives_a_day": lambda world: lifetime(world, "access") > 900,
    "refresh_token_lives_a_month": lambda world: lifetime(world, "refresh") > 604800,
    "cookie_not_secure": cookie_lacks("Secure"),
    "cookie_for_scripts": cookie_lacks("HttpOnly"),
    "cookie_for_all_sites": cookie_lacks("SameSite=strict"),
    "login_fails": lambda world: world.login().status_code == 401,
    "login_without_token": lambda world: world.login().status_code == 200 and not world.login().json()["access_token"],
    "login_failure_500": lambda world: world.login(password="wrong").status_code == 500,
    "login_tells_users_by_body": differ,
    "login_tells_users_by_time": skips_the_work,
    "default_password_works": lambda world: world.login("admin", "admin").status_code == 200,
    "lockout_off": never_says_locked,
    "lockout_opens_for_the_right_password": opens_after_failures,
    "password_policy_off": takes("a"),
    "password_minimum_4": takes("abcd"),
    "password_history_off": takes_an_old_one,
    "viewer_may_write": lambda world: "task:write" in listed_roles(world)["viewer"] and bool(world.task("viewer")),
    "role_is_missing": lambda world: "viewer" not in listed_roles(world),
    "matrix_cell_open": consumer_removes,
    "matrix_cell_shut": operator_is_refused,
    "others_tasks_reachable": reads_anothers,
    "list_shows_all_tasks": lists_anothers,
    "admin_routes_open": viewer_lists_users,
    "own_roles_settable": viewer_becomes_admin,
    "roles_taken_along": brings_roles,
    "one_endpoint_open": lambda world: world.client.get(TASKS).status_code == 200,
    "signs_with_another_key": foreign_signature,
    "alg_none_accepted": lambda world: world.believes(jwt.encode(claims_of(world), None, "none")),
    "public_key_as_secret_accepted": public_key_as_secret,
    "signature_unchecked": tampered,
    "header_key_trusted": key_in_the_header,
    "key_file_of_the_header": empty_file_as_key,
    "key_set_of_the_header": fetched("jku"),
    "certificate_of_the_header": fetched("x5u"),
    "key_id_unchecked": lambda world: world.believes(world.signed(headers={"kid": "unknown"})),
    "expiry_unchecked": lambda world: world.believes(world.signed(exp=PAST)),
    "not_before_unchecked": lambda world: world.believes(world.signed(nbf=FUTURE)),
    "issuer_unchecked": lambda world: world.believes(world.signed(iss="other")),
    "audience_unchecked": lambda world: world.believes(world.signed(aud="other")),
    "refresh_token_gives_access": lambda world: world.believes(world.login().json()["refresh_token"]),
}


def claims_of(world: World) -> dict[str, Any]:
    return dict(jwt.decode(world.signed(), options={"verify_signature": False}))


def test_every_fault_has_its_look() -> None:
    assert LOOKS.keys() == auth_faults.FAULTS.keys()


@pytest.mark.parametrize("fault", LOOKS)
def test_the_look_sees_the_fault_and_all_else_stays(world: Worlds, fault: str) -> None:
    with world(fault) as wrong:
        if fault not in {"login_fails", "login_without_token"}:
            me = wrong.bearer()
            made = wrong.client.post(TASKS, json={"description": "a"}, headers=me)
            assert made.status_code == 201
            assert wrong.client.get(f"{TASKS}/{made.json()['id']}", headers=me).status_code == 200
            assert wrong.client.get(f"{TASKS}/{made.json()['id']}").status_code == 401
        assert LOOKS[fault](wrong)


@pytest.mark.parametrize("fault", LOOKS)
def test_the_look_finds_nothing_on_the_healthy_application(world: Worlds, fault: str) -> None:
    with world("") as healthy:
        assert not LOOKS[fault](healthy)
