# How faults of the application are put in, and how they are seen: by the public address, as a visitor of its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import json
import secrets
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any

import jwt

from sandbox.api import ApiError
from sandbox.errors import SandboxError
from sandbox.faults.fault import API, NAMESPACE, STRATEGIC, Act, Fault, Hands, no_drills
from sandbox.files import put
from sandbox.probe import http_body

CORE = f"/api/v1/namespaces/{NAMESPACE}"
PODS = f"{CORE}/pods?labelSelector=component%3Dapi"
MARK = "SANDBOX_FAULT"
STRATEGY, AT_ONCE = "strategy.json", {"maxUnavailable": "100%", "maxSurge": "100%"}
AUTH, TASKS, USERS, ROLES = "/api/v1/auth", "/api/v1/tasks", "/api/v1/users", "/api/v1/roles"
ME = f"{AUTH}/permissions"
PATIENCE_S = 30.0
LONGEST_LIMIT_S = 90  # one window of the application's limits, and a half
# Answers one after the other that show that no pod of before is asked any more.
STEADY = 6
Look = Callable[["Visitor"], bool]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of an error in the documented shape."""
        return str(self.json["error"]["code"])


@dataclass(frozen=True)
class Person:
    """An account of the visitor's own."""

    id: str
    name: str
    password: str


class Visitor:
    """Asks the application over verified TLS, each time on a connection of its own."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        s = hands.settings
        self._address, self._host = s.node_address, f"api.{s.domain}"
        self._context = ssl.create_default_context(cafile=str(s.handover / "ingress-ca.crt"))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a body of text goes as it is, any other as JSON."""
        given = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        text = body if isinstance(body, str) else json.dumps(body)
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        with self._connected() as connection:
            connection.request(method, path, None if body is None else text, given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=PATIENCE_S)
        plain = socket.create_connection((self._address, 443), timeout=PATIENCE_S)
        with self._context.wrap_socket(plain, server_hostname=self._host) as connection.sock:
            yield connection

    def login(self, name: str, password: str, **headers: str) -> Answer:
        body = {"username": name, "password": password}
        return self.ask("POST", f"{AUTH}/login", body, headers=headers)

    def account(self, role: str) -> tuple[str, str]:
        """Name and password of the first account of a role, from its Secret."""
        data = self.secret(f"bytebot-bootstrap-{role}")
        return data["username"].decode(), data["password"].decode()

    def secret(self, name: str) -> dict[str, bytes]:
        """What a Secret of the release holds.

        :raises SandboxError: it is not there.
        """
        found = self.hands.cluster.get(f"{CORE}/secrets/{name}")
        if found is None:
            raise SandboxError("fault", f"the Secret {name} is not there", remedy="make demo deploys it")
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    def pair(self, role: str = "operator") -> dict[str, Any]:
        """The two tokens of a new session."""
        return self.tokens(*self.account(role))

    def tokens(self, name: str, password: str) -> dict[str, Any]:
        answer = patiently(lambda: self.login(name, password))
        if answer.status != HTTPStatus.OK:
            raise SandboxError("fault", f"{name} cannot sign in: status {answer.status}")
        found: dict[str, Any] = answer.json
        return found

    def token(self, role: str = "operator") -> str:
        return str(self.pair(role)["access_token"])

    def refresh(self, token: str) -> Answer:
        return self.ask("POST", f"{AUTH}/refresh", {"refresh_token": token})

    def believes(self, token: str) -> bool:
        return self.ask("GET", ME, token=token).status == HTTPStatus.OK

    def signed(self, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token like the one of a session, signed with the mounted key.

        :raises SandboxError: not even an unchanged one is believed, so that a refusal would say nothing.
        """
        key = self.secret("bytebot-jwt-secret")["access-token-private-key"]
        token = self.token()
        like, claims = jwt.get_unverified_header(token), body_of(token)
        kept = {"kid": like["kid"]} if "kid" in like else {}
        if not self.believes(jwt.encode(claims, key, "RS256", headers=kept)):
            raise SandboxError("fault", "a token that is signed with the mounted key is not believed")
        return jwt.encode({**claims, **changes}, key, "RS256", headers={**kept, **(headers or {})})

    @contextlib.contextmanager
    def someone(self, *roles: str) -> Iterator[Person]:
        """A new account, which is removed afterwards."""
        admin = self.token("admin")
        name, password = f"look-{uuid.uuid4().hex[:12]}@bytebot.test", f"Look-{secrets.token_urlsafe(16)}-7a"
        body = {"username": name, "password": password} | ({"roles": list(roles)} if roles else {})
        made = patiently(lambda: self.ask("POST", USERS, body, token=admin))
        if made.status != HTTPStatus.CREATED:
            raise SandboxError("fault", f"no account is made: status {made.status}")
        one = Person(made.json["id"], name, password)
        try:
            yield one
        finally:
            self.ask("DELETE", f"{USERS}/{one.id}", token=admin)

    @contextlib.contextmanager
    def task(self, token: str) -> Iterator[str]:
        """The path of a new task, which is removed afterwards."""
        made = patiently(lambda: self.ask("POST", TASKS, {"description": "Take a screenshot"}, token=token))
        if made.status != HTTPStatus.CREATED:
            raise SandboxError("fault", f"no task is made: status {made.status}")
        path = f"{TASKS}/{made.json['id']}"
        try:
            yield path
        finally:
            self.ask("DELETE", path, token=self.token("admin"))

    def pods(self) -> list[dict[str, Any]]:
        return self.hands.cluster.items(PODS)

    def log(self) -> list[str]:
        """All lines of the API's pods."""
        found = []
        for pod in self.pods():
            path = f"{CORE}/pods/{pod['metadata']['name']}/log?container=api"
            found += self.hands.cluster.call("GET", path).splitlines()
        return found

    def scraped(self, port: int = 9090) -> list[str]:
        """The metrics of each pod, as Prometheus gets them."""
        addresses = [pod["status"]["podIP"] for pod in self.pods()]
        return [http_body(self.hands.settings, one, port, "/metrics").decode() for one in addresses]


def patiently(ask: Callable[[], Answer], sleep: Callable[[float], None] = time.sleep) -> Answer:
    """What is answered, at the second time where a limit was met that is soon over: several looks share the limits."""
    answer = ask()
    after = answer.headers.get("Retry-After") or ""
    if answer.status != HTTPStatus.TOO_MANY_REQUESTS or not after.isdigit() or int(after) > LONGEST_LIMIT_S:
        return answer
    sleep(float(after))
    return ask()


def body_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def wrong() -> str:
    """A password that nobody has."""
    return f"Wrong-{secrets.token_urlsafe(12)}-7a"


# ---------------------------------------------------------------------------- putting in and taking out


def _rolled(env: list[dict[str, Any]]) -> Act:
    """Another environment for the API. All pods change at once, which is faster; the strategy comes back afterwards."""

    def act(hands: Hands) -> None:
        kept, found = hands.folder / STRATEGY, hands.cluster.get(API)
        if found is None:
            raise SandboxError("fault", "the application is not deployed", remedy="make demo deploys it")
        if not kept.exists():
            put(kept, json.dumps(found["spec"]["strategy"]["rollingUpdate"]))
        template = {"spec": {"containers": [{"name": "api", "env": env}]}}
        hands.patch(API, {"spec": {"strategy": {"rollingUpdate": AT_ONCE}, "template": template}}, STRATEGIC)
        hands.until(hands.rolled_out, "the application's pods are new")
        for pod in hands.cluster.items(PODS):
            if pod["metadata"].get("deletionTimestamp"):
                with contextlib.suppress(ApiError):  # it has ended by itself
                    hands.cluster.call("DELETE", f"{CORE}/pods/{pod['metadata']['name']}?gracePeriodSeconds=1")
        wanted = found["spec"].get("replicas", 1)
        hands.until(lambda: len(hands.cluster.items(PODS)) == wanted, "no pod of before is left")
        hands.patch(API, {"spec": {"strategy": {"rollingUpdate": json.loads(kept.read_text())}}})
        kept.unlink()
        hands.until(lambda: _steady(hands), "the new pods answer at the public address")

    return act


def _steady(hands: Hands) -> bool:
    visitor = Visitor(hands)
    try:
        return all(visitor.ask("GET", "/health/live").status == HTTPStatus.OK for _ in range(STEADY))
    except (OSError, http.client.HTTPException):
        return False


def seen_by(look: Look) -> Callable[[Hands], bool]:
    """A visitor's look as the registry wants it."""
    return lambda hands: look(Visitor(hands))


def with_environment(name: str, says: str, look: Look, *turns_red: str, **env: str) -> Fault:
    """A fault in variables of the API's container, which win over those of the ConfigMap."""
    fault = _set(name, says, look, "values", env)
    return dataclasses.replace(fault, turns_red=turns_red, shuts=False, variables=no_drills)


def planted(name: str, says: str, look: Look, *turns_red: str) -> Fault:
    """A fault that the application has by itself, switched on by the mark."""
    made = _set(name, says, look, "application", {MARK: name})
    # What they turn red is of a later stage, at which the gate of stage deploy does not look.
    return dataclasses.replace(made, turns_red=turns_red, shuts=False, mark=name)


def together(marks: Sequence[str]) -> Act:
    """Several faults that the application has by itself, by one roll-out."""
    return _rolled([{"name": MARK, "value": ",".join(marks)}])


def _set(name: str, says: str, look: Look, layer: str, env: Mapping[str, str]) -> Fault:
    given = [{"name": key, "value": value} for key, value in env.items()]
    gone = [{"name": key, "$patch": "delete"} for key in env]
    return Fault(name=name, says=says, layer=layer, put=_rolled(given), heal=_rolled(gone), seen=seen_by(look))


def unmarked(hands: Hands) -> None:
    """Take the mark out, as healing of a planted fault does."""
    _rolled([{"name": MARK, "$patch": "delete"}])(hands)
