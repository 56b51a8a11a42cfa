# Faults of the application's rights and tokens, each seen by a visitor at the public address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import RSAAlgorithm

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import AUTH, ROLES, TASKS, USERS, Visitor, body_of, planted

RBAC, PERMISSIONS, UNAUTHORIZED, ADMIN = (
    f"functional_testing.authorization.{item}" for item in ("rbac", "permissions", "unauthorized", "admin")
)
JWT, ROLES_WANTED = "functional_testing.authentication.jwt", "security_configuration.auth.rbac"
FORGED = (JWT, "security_testing.web.invalid_auth")
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


def _brings_roles(visitor: Visitor) -> bool:
    with visitor.someone("viewer") as one:
        token = visitor.tokens(one.name, one.password)["access_token"]
        body = {"current_password": one.password, "new_password": f"{one.password}-x", "roles": ["operator"]}
        visitor.ask("POST", f"{AUTH}/change-password", body, token=token)
        found = visitor.ask("GET", f"{USERS}/{one.id}", token=visitor.token("admin")).json
        return "operator" in found["roles"]


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


def _key_file(visitor: Visitor) -> bool:
    body = visitor.signed().split(".")[1]
    head = _part({"alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null"})
    mac = hmac.digest(b"", f"{head}.{body}".encode(), hashlib.sha256)
    return visitor.believes(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def _key_set(visitor: Visitor) -> bool:
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = json.dumps({"keys": [RSAAlgorithm.to_jwk(foreign.public_key(), as_dict=True)]})
    address = f"data:application/json;base64,{base64.b64encode(keys.encode()).decode()}"
    return visitor.believes(jwt.encode(body_of(visitor.signed()), foreign, "RS256", headers={"jku": address}))


def _fetched_certificate(visitor: Visitor) -> bool:
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "look")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, foreign.public_key(), 1, now, now + timedelta(days=1))
    pem = made.sign(foreign, hashes.SHA256()).public_bytes(Encoding.PEM)
    address = f"data:application/x-pem-file;base64,{base64.b64encode(pem).decode()}"
    return visitor.believes(jwt.encode(body_of(visitor.signed()), foreign, "RS256", headers={"x5u": address}))


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
    planted("viewer_may_write", "the role viewer has task:write", _viewer_writes, RBAC, ROLES_WANTED),
    planted(
        "role_is_missing", "the list of roles lacks viewer",
        lambda visitor: "viewer" not in _roles(visitor), ROLES_WANTED,
    ),
    planted("matrix_cell_open", "an api-consumer removes tasks without having the permission", _consumer_removes, RBAC),
    planted("matrix_cell_shut", "an operator cannot remove tasks, and has the permission", _operator_refused, RBAC),
    planted("others_tasks_reachable", "a task is open to all who know its id", _reads_anothers, PERMISSIONS),
    planted("list_shows_all_tasks", "the list has everybody's tasks", _lists_anothers, PERMISSIONS),
    planted("admin_routes_open", "everybody handles users and roles", _viewer_lists_users, ADMIN, RBAC),
    planted("own_roles_settable", "everybody gives roles to oneself", _becomes_admin, ADMIN),
    planted(
        "one_endpoint_open", "the list of tasks wants no token",
        lambda visitor: visitor.ask("GET", TASKS).status == HTTPStatus.OK, UNAUTHORIZED,
    ),
    planted("signs_with_another_key", "tokens are signed with other keys than the mounted ones", _signed_otherwise),
    planted("alg_none_accepted", "a token without a signature is believed", _unsigned, *FORGED),
    planted("public_key_as_secret_accepted", "HS256 over the public key is believed", _public_key_as_secret, *FORGED),
    planted("signature_unchecked", "a tampered payload is believed", _tampered, *FORGED),
    planted("header_key_trusted", "a key in the token's own header is believed", _key_in_the_header, *FORGED),
    planted("roles_taken_along", "roles that come along with a change of the password are given", _brings_roles, ADMIN),
    planted(
        "key_file_of_the_header", "the key is the file that the token's header names", _key_file, *FORGED,
    ),
    planted(
        "key_set_of_the_header", "keys are fetched from where the token's header says (jku)", _key_set, *FORGED,
    ),
    planted(
        "certificate_of_the_header", "a certificate is fetched from where the header says (x5u)", _fetched_certificate,
        *FORGED,
    ),
    planted(
        "key_id_unchecked", "a token that names an unknown key is believed",
        lambda visitor: visitor.believes(visitor.signed({"kid": "unknown"})), *FORGED,
    ),
    planted("expiry_unchecked", "an expired token is believed", _expired, *FORGED),
    planted("not_before_unchecked", "a token is believed before its time", _not_yet, *FORGED),
    planted(
        "issuer_unchecked", "a token of any issuer is believed",
        lambda visitor: visitor.believes(visitor.signed(iss="other")), *FORGED,
    ),
    planted(
        "audience_unchecked", "a token for any audience is believed",
        lambda visitor: visitor.believes(visitor.signed(aud="other")), *FORGED,
    ),
    planted("refresh_token_gives_access", "a refresh token is an access token, too", _refresh_gives_access, *FORGED),
)  # fmt: skip
