# An application in memory with the documented sign-in and rights, which can be wrong in one way at a time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
import secrets
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import MATRIX
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer

BASE = "https://api.shop.test"
FOUND = re.compile(r"^/api/v1/(auth|users|roles|tasks|computer-use)(?:/([^/]+))?(?:/([^/]+))?$")
KEYS = {kind: rsa.generate_private_key(65537, 2048) for kind in ("access", "refresh")}
PEM = {
    kind: (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    for kind, key in KEYS.items()
}
SHARED = secrets.token_hex(32)


class Refused(Exception):
    """An error in the documented shape."""

    def __init__(self, status: int, code: str, details: Any = None, took: float = 0.2) -> None:
        self.status, self.code, self.details, self.took = status, code, details, took


class Application:
    """Does what the contract says, but for what :attr:`wrong` names."""

    base_url = BASE

    def __init__(self, *wrong: str, shared: bool = False) -> None:
        self.wrong = set(wrong)
        self.shared = shared
        self.now = 1000.0
        self.users: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, dict[str, Any]] = {}
        self.ended: set[str] = set()
        self.current: dict[str, str] = {}  # by session, the good refresh token's id
        self.failures: dict[str, tuple[int, float]] = {}
        self.asked: list[tuple[str, str]] = []
        self.issued: list[str] = []
        self.limits = 0
        for role in MATRIX:
            self.add(f"{role}@shop.test", f"Own-{role}-{secrets.token_urlsafe(12)}", [role])

    # ------------------------------------------------------------------ as a client is asked

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def url_of(self, path: str) -> str:
        return BASE + path

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None, data: Any = None
    ) -> Answer:
        del data
        self.asked.append((method, path))
        if self.limits > 0:
            self.limits -= 1
            return Answer(self.url_of(path), 429, {"retry-after": "7"})
        given = {name.lower(): value for name, value in (headers or {}).items()}
        took = 0.2
        said: dict[str, str] = {}
        try:
            status, body, said, took = self.served(method, path, given, json)
        except Refused as exc:
            status, body = exc.status, {"error": {"code": exc.code, "message": "no", "details": exc.details or {}}}
            took = exc.took
            if status == 401 and "challenge" not in self.wrong:
                said = {"www-authenticate": "Bearer"}
        return Answer(self.url_of(path), status, said, self.text(body), took, self.now)

    @staticmethod
    def text(body: Any) -> str:
        return "" if body is None else json.dumps(body)

    def served(
        self, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> tuple[int, Any, dict[str, str], float]:
        parts = urlsplit(path)
        found = FOUND.match(parts.path)
        if not found:
            raise Refused(404, "NOT_FOUND")
        first, second, third = found.groups()
        if (first, second) in (("auth", "login"), ("auth", "refresh")):
            return self.sign_in(str(second), headers, body or {})
        if "door" in self.wrong and (method, parts.path) == ("GET", "/api/v1/tasks") and "authorization" not in headers:
            return 200, [], {}, 0.01
        caller = self.caller(headers)
        routes = {
            "auth": self.auth, "users": self.users_route, "roles": self.roles, "tasks": self.tasks_route,
            "computer-use": self.computer,
        }  # fmt: skip
        status, answer = routes[first](method, second, third, caller, body, parse_qs(parts.query))
        return status, answer, {}, 0.01

    # ------------------------------------------------------------------ tokens

    def token(self, kind: str, user: dict[str, Any], session: str) -> str:
        lasts = {"access": 900, "refresh": 7 * 86400}[kind] * (96 if f"{kind} lives" in self.wrong else 1)
        now = int(self.real())
        issuer, audience = (
            ("bytebot-auth-service", "bytebot-api") if self.shared else ("bytebot-api", "bytebot-clients")
        )
        claims = {
            "iss": issuer, "aud": audience, "sub": user["id"], "iat": now, "exp": now + lasts, "jti": uuid.uuid4().hex,
            "sid": session, "type": kind,
        }  # fmt: skip
        if self.shared:
            made = jwt.encode(claims, SHARED, "HS256")
        else:
            made = jwt.encode(claims, KEYS[kind], "RS256", headers={"kid": kind})
        self.issued.append(made)
        if kind == "refresh":
            self.current[session] = claims["jti"]
        return made

    @staticmethod
    def real() -> float:
        import time

        return time.time()

    def read(self, kind: str, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            body: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
            if "none" in self.wrong and str(header["alg"]).lower() == "none":
                return body
            if "confused" in self.wrong and header["alg"] == "HS256":
                return self.confused(token, body)
            if "jwk" in self.wrong and "jwk" in header:
                return body
            if "jku" in self.wrong and "jku" in header:
                return body
            if "kid" not in self.wrong and header.get("kid") not in (None, None if self.shared else kind):
                raise Refused(401, "TOKEN_INVALID")
            options = {f"verify_{one}": False for one in ("exp", "nbf", "iss", "aud") if one in self.wrong}
            algorithm, key = ("HS256", SHARED) if self.shared else ("RS256", KEYS[kind].public_key())
            issuer, audience = (
                ("bytebot-auth-service", "bytebot-api") if self.shared else ("bytebot-api", "bytebot-clients")
            )
            read: dict[str, Any] = jwt.decode(token, key, [algorithm], options, audience=audience, issuer=issuer)  # type: ignore[arg-type]
        except (jwt.InvalidTokenError, ValueError, KeyError):
            if (
                "payload" in self.wrong
                and token.count(".") == 2
                and token.split(".")[2] in {one.split(".")[2] for one in self.issued}
            ):
                return body
            raise Refused(401, "TOKEN_INVALID") from None
        if read["type"] != kind and not ("refresh opens" in self.wrong and kind == "access"):
            raise Refused(401, "TOKEN_INVALID")
        return read

    @staticmethod
    def confused(token: str, body: dict[str, Any]) -> dict[str, Any]:
        import hashlib
        import hmac

        signed, _dot, signature = token.rpartition(".")
        mac = hmac.digest(PEM["access"][1], signed.encode(), hashlib.sha256)
        if base64.urlsafe_b64encode(mac).decode().rstrip("=") != signature:
            raise ValueError
        return body

    def caller(self, headers: Mapping[str, str]) -> dict[str, Any]:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refused(401, "TOKEN_INVALID")
        claims = self.read("access", given)
        user = next((one for one in self.users.values() if one["id"] == claims["sub"]), None)
        if user is None or claims["jti"] in self.ended or claims["sid"] in self.ended:
            raise Refused(401, "TOKEN_INVALID")
        return {**user, "claims": claims}

    # ------------------------------------------------------------------ signing in

    def sign_in(self, what: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any, dict[str, str], float]:
        if what == "refresh":
            return self.again(body)
        name, password = body.get("username", ""), body.get("password", "")
        user = self.users.get(name)
        if "login" in self.wrong:
            raise Refused(401, "INVALID_CREDENTIALS")
        count, since = self.failures.get(name, (0, 0.0))
        if self.now - since > 60 * (0.3 if "short lock" in self.wrong else 5 if "long lock" in self.wrong else 1):
            count = 0
        if count >= 5 and "no lock" not in self.wrong:
            raise Refused(423 if "says locked" in self.wrong else 401, "ACCOUNT_LOCKED")
        if user is None or password not in (user["password"], "admin" if "default" in self.wrong else user["password"]):
            self.failures[name] = (count + 1, self.now)
            if "broken" in self.wrong:
                raise Refused(500, "INTERNAL_ERROR")
            told = "USER_NOT_FOUND" if "body" in self.wrong and user is None else "INVALID_CREDENTIALS"
            took = 0.01 if "time" in self.wrong and user is None else 0.2 + 0.01 * (len(self.asked) % 3)
            raise Refused(401, told, {"attempts_remaining": 4 - count}, took)
        self.failures.pop(name, None)
        session = uuid.uuid4().hex
        self.current[session] = ""
        return self.pair(user, session, headers.get("cookie", ""))

    def again(self, body: Any) -> tuple[int, Any, dict[str, str], float]:
        claims = self.read("refresh", body.get("refresh_token", ""))
        user = next((one for one in self.users.values() if one["id"] == claims["sub"]), None)
        session = claims["sid"]
        if user is None or session in self.ended:
            raise Refused(401, "TOKEN_INVALID")
        if self.current[session] != claims["jti"] and "reuse" not in self.wrong:
            if "family" not in self.wrong:
                self.ended.add(session)
            raise Refused(401, "TOKEN_INVALID")
        return self.pair(user, session, "")

    def pair(self, user: dict[str, Any], session: str, cookie: str) -> tuple[int, Any, dict[str, str], float]:
        access, refresh = self.token("access", user, session), self.token("refresh", user, session)
        value = cookie.partition("=")[2] if "fixation" in self.wrong and cookie else refresh
        flags = "; HttpOnly; Path=/api/v1/auth; SameSite=strict" + ("" if "cookie" in self.wrong else "; Secure")
        body = {
            "access_token": "" if "no token" in self.wrong else access, "expires_in": 900, "refresh_token": refresh,
            "user": {"id": user["id"], "username": user["username"]},
        }  # fmt: skip
        return 200, body, {"set-cookie": f"refresh_token={value}; Max-Age=604800{flags}"}, 0.2

    def auth(self, method: str, what: str, _third: Any, caller: Any, body: Any, _query: Any) -> tuple[int, Any]:
        if (method, what) == ("POST", "logout"):
            if "logout" not in self.wrong:
                self.ended |= {caller["claims"]["sid"], caller["claims"]["jti"]}
            return 204, None
        if (method, what) == ("GET", "permissions"):
            return 200, {"roles": caller["roles"], "permissions": self.permissions(caller)}
        if (method, what) == ("POST", "check-permission"):
            return 200, {"hasPermission": True}
        if (method, what) == ("POST", "change-password"):
            if "along" in self.wrong and "roles" in body:
                self.users[caller["username"]]["roles"] += body["roles"]
            elif set(body) != {"current_password", "new_password"}:
                raise Refused(400, "VALIDATION_FAILED")
            user = self.users[caller["username"]]
            if "history" not in self.wrong and body["new_password"] in user["before"]:
                raise Refused(400, "VALIDATION_FAILED", [{"field": "new_password"}])
            user["password"] = body["new_password"]
            user["before"].append(body["new_password"])
            return 204, None
        raise Refused(404, "NOT_FOUND")

    def permissions(self, caller: Mapping[str, Any]) -> list[str]:
        held = {one for role in caller["roles"] for one in MATRIX[role]}
        return sorted(
            held | ({"task:write"} if "viewer writes" in self.wrong and "viewer" in caller["roles"] else set())
        )

    def needs(self, caller: Mapping[str, Any], *wanted: str) -> None:
        if not set(wanted) <= set(self.permissions(caller)):
            raise Refused(403, "INSUFFICIENT_PERMISSIONS")

    # ------------------------------------------------------------------ users, roles, tasks

    def add(self, name: str, password: str, roles: list[str], teams: Any = ()) -> dict[str, Any]:
        self.users[name] = {
            "id": uuid.uuid4().hex, "username": name, "password": password, "roles": list(roles), "before": [password],
            "teamIds": list(teams),
        }  # fmt: skip
        return self.users[name]

    def users_(self) -> list[dict[str, Any]]:
        return [{"id": one["id"], "username": one["username"], "roles": one["roles"]} for one in self.users.values()]

    def users_route(self, method: str, who: Any, third: Any, caller: Any, body: Any, query: Any) -> tuple[int, Any]:
        own = who == caller["id"] and third == "roles" and "own roles" in self.wrong
        if not own and "admin open" not in self.wrong:
            self.needs(caller, "system:admin")
        if method == "GET" and not who:
            page, limit = int(query.get("page", ["1"])[0]), int(query.get("limit", ["50"])[0])
            return 200, {"users": self.users_()[(page - 1) * limit : page * limit]}
        if method == "POST" and not who:
            return self.new_user(body)
        user = next((one for one in self.users.values() if one["id"] == who), None)
        if user is None:
            raise Refused(404, "NOT_FOUND")
        if method == "DELETE" and not third:
            del self.users[user["username"]]
            return 204, None
        if method == "POST" and third == "roles":
            user["roles"].append(body["roleId"])
            return 200, {}
        raise Refused(405, "METHOD_NOT_ALLOWED")

    def new_user(self, body: Any) -> tuple[int, Any]:
        if "username" not in body or "password" not in body:
            raise Refused(400, "VALIDATION_FAILED")
        password, name = body["password"], body["username"].partition("@")[0]
        weak = (
            len(password) < 12 or password.lower() == password or password.upper() == password
            or not re.search(r"\d", password) or password.isalnum() or "assword123" in password
            or name.lower() in password.lower()
        )  # fmt: skip
        if weak and "policy" not in self.wrong and not ("four" in self.wrong and len(password) >= 4):
            field = "x" if "silent" in self.wrong else "password"
            raise Refused(400, "VALIDATION_FAILED", [{"field": field}])
        made = self.add(body["username"], password, body.get("roles", ["operator"]), body.get("teamIds", ()))
        return 201, {"id": made["id"], "username": made["username"]}

    def roles(self, method: str, _who: Any, _third: Any, caller: Any, _body: Any, _query: Any) -> tuple[int, Any]:
        if "admin open" not in self.wrong:
            self.needs(caller, "system:admin")
        if method != "GET":
            raise Refused(400, "VALIDATION_FAILED")
        listed = [
            {"name": role, "permissions": self.permissions({"roles": [role]})}
            for role in MATRIX
            if not (role == "viewer" and "role missing" in self.wrong)
        ]
        return 200, {"roles": listed}

    def computer(self, _method: str, _who: Any, _third: Any, caller: Any, body: Any, _query: Any) -> tuple[int, Any]:
        self.needs(caller, "computer:view" if (body or {}).get("action") == "cursor_position" else "computer:control")
        raise Refused(503, "SERVICE_UNAVAILABLE")

    def reaches(self, caller: Any, task: Any) -> bool:
        return "admin" in caller["roles"] or task["by"] == caller["id"] or task["team"] in caller["teamIds"]

    def tasks_route(self, method: str, which: Any, third: Any, caller: Any, body: Any, _query: Any) -> tuple[int, Any]:
        needed = {"GET": ("task:read",), "DELETE": ("task:write", "task:delete")}.get(method, ("task:write",))
        needed = ("task:execute",) if third == "execute" else needed
        if not ("cell open" in self.wrong and method == "DELETE" and "api-consumer" in caller["roles"]):
            self.needs(caller, *needed)
        if "cell shut" in self.wrong and method == "DELETE" and "operator" in caller["roles"]:
            raise Refused(403, "INSUFFICIENT_PERMISSIONS")
        if not which:
            return self.task_list(method, caller, body)
        task = self.stored.get(which)
        if task is None:
            raise Refused(404, "NOT_FOUND")
        if not self.reaches(caller, task) and "others" not in self.wrong:
            raise Refused(403, "RESOURCE_ACCESS_DENIED")
        if method == "DELETE":
            del self.stored[which]
            return 204, None
        return (201, {}) if third == "messages" and method == "POST" else (200, {"id": which})

    def task_list(self, method: str, caller: Any, body: Any) -> tuple[int, Any]:
        if method == "POST":
            if "description" not in body:
                raise Refused(400, "VALIDATION_FAILED")
            team = next(iter(caller["teamIds"]), "")
            made = {"id": uuid.uuid4().hex, "description": body["description"], "by": caller["id"], "team": team}
            self.stored[made["id"]] = made
            return 201, made
        seen = [one for one in self.stored.values() if self.reaches(caller, one) or "list" in self.wrong]
        return 200, seen
