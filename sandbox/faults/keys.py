# Faults in the keys that sign tokens, and in what the release signs in to its database with.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.faults.fault import Act, Fault, Hands
from sandbox.faults.secrets import CORE, JWT, KEPT, KEYS, STRENGTH, Data, changed, restored
from sandbox.faults.secrets import DATABASE as SIGN_IN
from sandbox.faults.security import STORED, no_other, no_settings, other, settings

CREDENTIALS, TLS = (f"infrastructure.database.{item}" for item in ("credentials", "tls"))
SECRET, DATABASE = "bytebot-jwt-secret", "bytebot-db-secret"
PAIRS = [f"{pair}-token-{half}-key" for pair in ("access", "refresh") for half in ("private", "public")]


def _pair(name: str, bits: int = 2048) -> dict[str, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {f"{name}-token-private-key": key.private_bytes(*formats), f"{name}-token-public-key": public}


def _another_public(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    public = "refresh-token-public-key"
    return {public: _pair("refresh")[public]}


def _same_twice(_hands: Hands, data: Mapping[str, bytes]) -> Data:
    return {f"refresh-token-{half}-key": data[f"access-token-{half}-key"] for half in ("private", "public")}


def _small(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    return _pair("refresh", 1024)


def _new_pair(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    """The application has read the former one at its start, and goes on signing with it."""
    return _pair("access")


def _in_settings(hands: Hands) -> None:
    found = (hands.cluster.get(f"{CORE}/{SECRET}") or {})["data"]
    settings(hands, {"signing.pem": base64.b64decode(found["refresh-token-private-key"]).decode()})


def _elsewhere(hands: Hands) -> None:
    """Another workload mounts all four keys."""
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "keys", "secret": {"secretName": SECRET}}]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "keys", "mountPath": "/keys", "readOnly": True}]
    other(pod={"volumes": volumes}, volumeMounts=mounts)(hands)


def _another_password(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    return {"password": base64.b64encode(secrets.token_bytes(32))}


def _asks_for_no_tls(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    return {"sslmode": b"disable"}


def _without(key: str) -> Act:
    """What was kept, and without a key that was not there."""

    def act(hands: Hands) -> None:
        kept = hands.folder / KEPT
        if kept.exists() and key not in json.loads(kept.read_text()):
            hands.patch(f"{CORE}/{DATABASE}", {"data": {key: None}})
        restored(DATABASE)(hands)

    return act


FAULTS = (
    Fault(
        name="jwt_pair_mismatched", says="a public key of tokens is not that of its private one", layer="cluster",
        turns_red=(JWT, KEYS), put=changed(SECRET, _another_public), heal=restored(SECRET),
    ),
    Fault(
        name="jwt_pair_reused", says="access and refresh tokens have one and the same pair of keys", layer="cluster",
        turns_red=(JWT, KEYS, STRENGTH), put=changed(SECRET, _same_twice), heal=restored(SECRET),
    ),
    Fault(
        name="jwt_key_1024_bit", says="a key of tokens has 1024 bits", layer="cluster", turns_red=(JWT, KEYS),
        put=changed(SECRET, _small), heal=restored(SECRET),
    ),
    Fault(
        name="jwt_key_in_config_map", says="a private key of tokens stands in a ConfigMap too", layer="cluster",
        turns_red=(KEYS, STORED), shuts=False, put=_in_settings, heal=no_settings,
    ),
    Fault(
        name="jwt_signed_with_other_key", says="the application signs with a key that is not in its Secret",
        layer="cluster", turns_red=(JWT, KEYS), put=changed(SECRET, _new_pair), heal=restored(SECRET),
    ),
    Fault(
        name="jwt_keys_mounted_elsewhere", says="a workload that signs nothing has the private keys of tokens",
        layer="cluster", turns_red=(KEYS,), shuts=False, put=_elsewhere, heal=no_other,
    ),
    Fault(
        name="database_secret_wrong_password", says="the database's password in the Secret is another one",
        layer="cluster", turns_red=(CREDENTIALS, SIGN_IN), put=changed(DATABASE, _another_password),
        heal=restored(DATABASE),
    ),
    Fault(
        name="database_sslmode_disable", says="the database's Secret asks for a connection without TLS",
        layer="cluster", turns_red=(TLS,), put=changed(DATABASE, _asks_for_no_tls), heal=_without("sslmode"),
    ),
)  # fmt: skip
