# The argument spec of a Secret that is made and kept: its sources, its pairs of keys and its certificates.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.secret.generate import CURVES, RSA_BITS
from ansible_collections.bytebot.production.plugins.module_utils.secret.x509 import USAGES

ROTATE: Spec = {"max_age": {"type": "str"}, "overlap": {"type": "str"}}
PAIR: Spec = {
    "algorithm": {"type": "str", "choices": ["rsa", "ec", "ed25519"], "default": "rsa"},
    "bits": {"type": "int", "choices": list(RSA_BITS)},
    "curve": {"type": "str", "choices": list(CURVES)},
    "private_key": {"type": "str", "required": True, "no_log": False},  # the name of a key, not its value
    "public_key": {"type": "str", "required": True, "no_log": False},
    "rotate": {"type": "dict", "options": ROTATE},
}
ISSUER: Spec = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "certificate": {"type": "str", "default": "ca.crt"},
    "private_key": {"type": "str", "default": "ca.key", "no_log": False},
}
CERTIFICATE: Spec = {
    "authority": {"type": "bool", "default": False},
    "private_key": {"type": "str", "no_log": False},
    "certificate": {"type": "str"},
    "common_name": {"type": "str"},
    "issuer": {"type": "dict", "options": ISSUER},
    "issuer_certificate": {"type": "str"},
    "dns_names": {"type": "list", "elements": "str", "default": []},
    "ip_addresses": {"type": "list", "elements": "str", "default": []},
    "usages": {"type": "list", "elements": "str", "choices": list(USAGES)},
    "days": {"type": "int"},
    "renew_before_days": {"type": "int"},
    "algorithm": {"type": "str", "choices": ["rsa", "ec", "ed25519"], "default": "ec"},
    "bits": {"type": "int", "choices": list(RSA_BITS)},
    "curve": {"type": "str", "choices": list(CURVES)},
}
CERT_MANAGERS: Spec = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "default": "Issuer"},
    "group": {"type": "str", "default": "cert-manager.io"},
}
# What a certificate is, whoever makes it.
SHARED = ("dns_names", "ip_addresses", "usages", "days", "renew_before_days", "algorithm", "bits", "curve")
REQUEST: Spec = {
    "issuer": {"type": "dict", "required": True, "options": CERT_MANAGERS},
    **{option: CERTIFICATE[option] for option in SHARED},
}
SECRET_ARGS: Spec = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "type": {"type": "str", "default": "Opaque"},
    "labels": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "data": {"type": "dict", "default": {}, "no_log": True},  # until secret/hide.py lets all but the values be seen
    "key_pairs": {"type": "list", "elements": "dict", "default": [], "options": PAIR, "no_log": False},
    "certificates": {"type": "list", "elements": "dict", "default": [], "options": CERTIFICATE, "no_log": False},
    "replace": {"type": "list", "elements": "str", "default": []},
    "prune": {"type": "bool", "default": False},
    "immutable": {"type": "bool"},
    "certificate_request": {"type": "dict", "options": REQUEST},
    "restart_workloads": {"type": "bool", "default": False},
    "restart_timeout": {"type": "int", "default": 900},
}
