# Faults of the application's rights and tokens, each seen by a visitor at the public address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from http import HTTPStatus

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import ROLES, TASKS, USERS, Visitor, body_of, planted

YEAR = 365 * 86400


# ---------------------------------------------------------------------------- who may do what


def _roles(visitor: Visitor) -> dict[str, list[str]]:
    listed = visitor.ask("GET", ROLES, token=visitor.token("admin")).json["roles"]
    return {role["name"]: role["permissions"] for role in listed}


def _viewer_writes(visitor: Visitor) -> bool:
    answer = visitor.ask("POST", TASKS, {"description": "Take a screenshot"}, token=visitor.token("viewer"))
    if answer.status == HTTPStatus.CREATED:
        visitor.ask("DELETE", f"{TASKS}/{answer.json['id']}", token=visitor.token("admin"))
    return answer.status == HTTPStatus.CREATED


def _removes(visitor: Visitor, role: str) -> int:
    token = visitor.token(role)
    with visitor.task(token) as path:
        return visitor.ask("DELETE", path, token=token).status


def _consumer_removes(visitor: Visitor) -> bool:
    return (
        "task:delete" not in _roles(visitor)["api-consumer"]
        and _removes(visitor, "api-consumer") == HTTPStatus.NO_CONTENT
    )


def _operator_refused(visitor: Visitor) -> bool:
    return "task:delete" in _roles(visitor)["operator"] and _removes(visitor, "operator") == HTTPStatus.FORBIDDEN


def _reads_anothers(visitor: Visitor) -> bool:
    with visitor.someone() as one, visitor.task(visitor.token()) as path:
        token = visitor.tokens(one.name, one.password)["access_token"]
        return visitor.ask("GET", path, token=token).status == HTTPStatus.OK


def _lists_anothers(visitor: Visitor) -> bool:
    with visitor.someone() as one, visitor.task(visitor.token()):
        token = visitor.tokens(one.name, one.password)["access_token"]
        return bool(visitor.ask("GET", TASKS, token=token).json)


def _viewer_lists_users(visitor: Visitor) -> bool:
    return visitor.ask("GET", USERS, token=visitor.token("viewer")).status == HTTPStatus.OK


def _becomes_admin(visitor: Visitor) -> bool:
    with visitor.someone("viewer") as one:
        token = visitor.tokens(one.name, one.password)["access_token"]
        body = {"roleId": "admin"}
        return visitor.ask("POST", f"{USERS}/{one.id}/roles", body, token=token).status == HTTPStatus.OK


# ---------------------------------------------------------------------------- tokens


def _signed_otherwise(visitor: Visitor) -> bool:
    public = visitor.secret("bytebot-jwt-secret")["access-token-public-key"]
    try:
        jwt.decode(visitor.token(), public, ["RS256"], options={"verify_aud": False})
    except jwt.InvalidSignatureError:
        return True
    return False


def _unsigned(visitor: Visitor) -> bool:
    return visitor.believes(jwt.encode(body_of(visitor.signed()), "", "none"))


def _public_key_as_secret(visitor: Visitor) -> bool:
    public = visitor.secret("bytebot-jwt-secret")["access-token-public-key"]
    body = visitor.signed().split(".")[1]
    head = _part({"alg": "HS256", "typ": "JWT"})
    mac = hmac.digest(public, f"{head}.{body}".encode(), hashlib.sha256)
    return visitor.believes(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def _tampered(visitor: Visitor) -> bool:
    token = visitor.signed()
    head, _body, signature = token.split(".")
    return visitor.believes(f"{head}.{_part({**body_of(token), 'more': 'said'})}.{signature}")


def _part(said: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def _key_in_the_header(visitor: Visitor) -> bool:
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = body_of(visitor.signed())
    jwk = RSAAlgorithm.to_jwk(foreign.public_key(), as_dict=True)
    return visitor.believes(jwt.encode(claims, foreign, "RS256", headers={"jwk": jwk}))


def _expired(visitor: Visitor) -> bool:
    return visitor.believes(visitor.signed(exp=int(time.time()) - YEAR))


def _not_yet(visitor: Visitor) -> bool:
    return visitor.believes(visitor.signed(nbf=int(time.time()) + YEAR))


def _refresh_gives_access(visitor: Visitor) -> bool:
    pair = visitor.pair()
    if not visitor.believes(pair["access_token"]):
        raise SandboxError("fault", "not even an access token gives access")
    return visitor.believes(pair["refresh_token"])


FAULTS = (
    planted("viewer_may_write", "the role viewer has task:write", _viewer_writes),
    planted("role_is_missing", "the list of roles lacks viewer", lambda visitor: "viewer" not in _roles(visitor)),
    planted("matrix_cell_open", "an api-consumer removes tasks without having the permission", _consumer_removes),
    planted("matrix_cell_shut", "an operator cannot remove tasks, and has the permission", _operator_refused),
    planted("others_tasks_reachable", "a task is open to all who know its id", _reads_anothers),
    planted("list_shows_all_tasks", "the list has everybody's tasks", _lists_anothers),
    planted("admin_routes_open", "everybody handles users and roles", _viewer_lists_users),
    planted("own_roles_settable", "everybody gives roles to oneself", _becomes_admin),
    planted(
        "one_endpoint_open", "the list of tasks wants no token",
        lambda visitor: visitor.ask("GET", TASKS).status == HTTPStatus.OK,
    ),
    planted("signs_with_another_key", "tokens are signed with other keys than the mounted ones", _signed_otherwise),
    planted("alg_none_accepted", "a token without a signature is believed", _unsigned),
    planted("public_key_as_secret_accepted", "HS256 over the public key is believed", _public_key_as_secret),
    planted("signature_unchecked", "a tampered payload is believed", _tampered),
    planted("header_key_trusted", "a key in the token's own header is believed", _key_in_the_header),
    planted(
        "key_id_unchecked", "a token that names an unknown key is believed",
        lambda visitor: visitor.believes(visitor.signed({"kid": "unknown"})),
    ),
    planted("expiry_unchecked", "an expired token is believed", _expired),
    planted("not_before_unchecked", "a token is believed before its time", _not_yet),
    planted(
        "issuer_unchecked", "a token of any issuer is believed",
        lambda visitor: visitor.believes(visitor.signed(iss="other")),
    ),
    planted(
        "audience_unchecked", "a token for any audience is believed",
        lambda visitor: visitor.believes(visitor.signed(aud="other")),
    ),
    planted("refresh_token_gives_access", "a refresh token is an access token, too", _refresh_gives_access),
)  # fmt: skip
