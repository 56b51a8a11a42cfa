# Certificates: the right names, chains that hold, and no change when asked twice.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sandbox import pki as module
from sandbox.pki import Certificate, Pki

WANTED = Certificate("web", "ca", "api.example", organization="team", names=("api.example", "10.250.0.2"))


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path)
    made.authority("ca")
    return made


def load(pki: Pki, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pki.path(f"{name}.crt").read_bytes())


def test_names_are_as_wanted(pki: Pki) -> None:
    pki.certificate(WANTED)
    leaf = load(pki, "web")
    alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["api.example"]
    assert alternative.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.250.0.2")]
    assert leaf.subject.rfc4514_string() == "CN=api.example,O=team"
    leaf.verify_directly_issued_by(load(pki, "ca"))


def test_asking_twice_changes_nothing(pki: Pki, tmp_path: Path) -> None:
    pki.certificate(WANTED)
    pki.signing_key("sa")
    secret = pki.random_b64("encryption.key")
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    pki.authority("ca")
    pki.certificate(WANTED)
    pki.signing_key("sa")
    assert pki.random_b64("encryption.key") == secret
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "changed",
    [
        Certificate("web", "ca", "api.example", organization="team", names=("api.example",)),
        Certificate("web", "ca", "other.example", organization="team", names=("api.example", "10.250.0.2")),
        Certificate("web", "second", "api.example", organization="team", names=("api.example", "10.250.0.2")),
    ],
)
def test_another_wish_is_another_certificate(pki: Pki, changed: Certificate) -> None:
    pki.authority("second")
    pki.certificate(WANTED)
    first = load(pki, "web")
    pki.certificate(changed)
    assert load(pki, "web").serial_number != first.serial_number
    load(pki, "web").verify_directly_issued_by(load(pki, changed.authority))


def test_a_new_authority_means_new_certificates(pki: Pki) -> None:
    pki.certificate(WANTED)
    pki.path("ca.crt").unlink()
    pki.authority("ca")
    with pytest.raises(InvalidSignature):
        load(pki, "web").verify_directly_issued_by(load(pki, "ca"))
    pki.certificate(WANTED)
    load(pki, "web").verify_directly_issued_by(load(pki, "ca"))


def test_a_certificate_soon_over_is_renewed(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAF_DAYS", module.RENEW_WITHIN_DAYS - 1)
    pki.certificate(WANTED)
    first = load(pki, "web")
    monkeypatch.undo()
    pki.certificate(WANTED)
    left = load(pki, "web").not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert load(pki, "web").serial_number != first.serial_number
    assert left > datetime.timedelta(days=module.RENEW_WITHIN_DAYS)


def test_a_key_of_another_certificate_is_noticed(pki: Pki) -> None:
    pki.certificate(WANTED)
    pki.certificate(Certificate("other", "ca", "other"))
    pki.path("web.key").write_bytes(pki.path("other.key").read_bytes())
    first = load(pki, "web").serial_number
    pki.certificate(WANTED)
    assert load(pki, "web").serial_number != first


def test_an_issuing_authority_may_not_make_further_ones(pki: Pki) -> None:
    pki.authority("issuing", "ca")
    constraints = load(pki, "issuing").extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    load(pki, "issuing").verify_directly_issued_by(load(pki, "ca"))


def test_leaves_sign_nothing_and_keys_are_private(pki: Pki, tmp_path: Path) -> None:
    pki.certificate(WANTED)
    usage = load(pki, "web").extensions.get_extension_for_class(x509.KeyUsage).value
    assert not usage.key_cert_sign
    assert {p.name for p in tmp_path.iterdir() if p.stat().st_mode & 0o077} == set()
