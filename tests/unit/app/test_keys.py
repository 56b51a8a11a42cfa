# The mounted keys: each way in which they can be wrong keeps the process from starting.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bytebot_app.settings import ConfigurationError
from bytebot_app.tokens import Keys, Pair, load_keys


def put(folder: Path, kind: str, pair: Pair) -> None:
    assert pair.private
    private = pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = pair.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{kind}-token-private-key").write_bytes(private)
    (folder / f"{kind}-token-public-key").write_bytes(public)


@pytest.fixture
def folder(tmp_path: Path, keys: Keys) -> Path:
    put(tmp_path, "access", keys.access)
    put(tmp_path, "refresh", keys.refresh)
    return tmp_path


def test_good_keys_load(folder: Path, keys: Keys) -> None:
    assert load_keys(folder).access.public.public_numbers() == keys.access.public.public_numbers()


def test_what_only_verifies_needs_no_private_key_and_cannot_sign(folder: Path) -> None:
    for kind in ("access", "refresh"):
        (folder / f"{kind}-token-private-key").unlink()
    loaded = load_keys(folder, signs=False)
    assert loaded.checking("access") != loaded.checking("refresh")
    with pytest.raises(RuntimeError, match="only verifies"):
        loaded.signing("access")
    with pytest.raises(ConfigurationError, match="private-key cannot be read"):
        load_keys(folder)


def test_a_missing_key_is_named(folder: Path) -> None:
    (folder / "refresh-token-public-key").unlink()
    with pytest.raises(ConfigurationError, match=r"JWT_KEYS_DIR: .*refresh-token-public-key cannot be read"):
        load_keys(folder)


def test_a_public_key_of_another_pair_is_refused(folder: Path) -> None:
    (folder / "access-token-public-key").write_bytes((folder / "refresh-token-public-key").read_bytes())
    with pytest.raises(ConfigurationError, match="does not belong"):
        load_keys(folder)


def test_one_pair_for_both_kinds_is_refused(folder: Path, keys: Keys) -> None:
    put(folder, "refresh", keys.access)
    with pytest.raises(ConfigurationError, match="same keys"):
        load_keys(folder)


def test_text_that_is_no_key_is_refused_and_not_shown(folder: Path) -> None:
    (folder / "access-token-private-key").write_text("$(openssl genrsa canary)")
    with pytest.raises(ConfigurationError, match="not such a key in PEM") as caught:
        load_keys(folder)
    assert "canary" not in str(caught.value)


def test_a_short_key_is_refused(folder: Path) -> None:
    short = rsa_key(65537, 1024)
    put(folder, "access", Pair(short, short.public_key()))
    with pytest.raises(ConfigurationError, match="1024 bits"):
        load_keys(folder)


def test_another_kind_of_key_is_refused(folder: Path) -> None:
    pem = ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "access-token-private-key").write_bytes(pem)
    with pytest.raises(ConfigurationError, match="not RSA"):
        load_keys(folder)
