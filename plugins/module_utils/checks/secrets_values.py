# What is wrong with a single value of a Secret as it is written: encoding, line breaks, templates, placeholders.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

PEM_BEGIN = b"-----BEGIN "
_PEM_KEY = re.compile(r"(?i)\.(crt|cer|pem|key)$|(?:private|public)[-_]?key$|(?:^|[-_.])certificate$")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)\r?\n-----END \1-----", re.DOTALL)
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
# 12 random bytes are all printable ASCII in one of 150,000 cases; 32 of them practically never.
_TEXT_BYTES = 12
_SHORT_TEXT_BYTES = 3  # enough where the value ends in "=", as no name or host does
_PRINTABLE = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_COMMAND = re.compile(r"\$\([ \t]*[A-Za-z/][^)]*\)?|`[A-Za-z/][^`]*`")
LEFT_OVER = "holds what is left over from a template"
TEMPLATE = re.compile(r"\{\{.*?\}\}|\$\{[^}]+\}|<%.*?%>|\$\{\{.*?\}\}", re.DOTALL)
_WHOLE_TEMPLATE = re.compile(r"<[A-Za-z][\w .-]*>|%[A-Z][A-Z0-9_]+%|\$[A-Z][A-Z0-9_]{2,}|__[A-Z][A-Z0-9_]+__")
# The contract's own placeholder texts (your-, change-this, REPLACE_WITH), and the ones that stand for them elsewhere.
# Base64 of chance may begin with three letters and a sign, or with four times the same: a word must go on as a word.
_PLACEHOLDER = re.compile(
    r"(?i)^(?:your[-_ ]|change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this|with)|placeholder|example|dummy|insert[-_ ]"
    r"|(?:todo|tbd|fixme)(?:$|[^\w+/-]|[-_][a-z]+(?:[-_][a-z]+)*$)|(?:x{4,}[-_ ]?)+$|x{8,}|\*{3,}|\.{3,})"
    r"|change-this|replace_with|your-[a-z]+-(?:here|key|password|secret)"
)


def command_flaw(text: str) -> str:
    """Whether a text is (or holds) a command that nobody ran, as in ``'$(openssl rand …)'``; empty where not."""
    found = _COMMAND.search(text)
    return "is the literal text of a command that was never run" if found else ""


def is_command(text: str) -> bool:
    """Whether a text is nothing but a command in ``$( )``."""
    return bool(re.fullmatch(r"\s*\$\([A-Za-z][^()]*\)\s*", text))


def template_flaw(text: str) -> str:
    """Whether a text is left over from a template or a placeholder that nobody filled; empty where not."""
    if TEMPLATE.search(text) or _WHOLE_TEMPLATE.fullmatch(text.strip()):
        return LEFT_OVER
    return placeholder_flaw(text)


def placeholder_flaw(text: str) -> str:
    """Whether a text is a placeholder that nobody filled; empty where not."""
    return "is a placeholder that nobody filled in" if _PLACEHOLDER.search(text.strip()) else ""


def newline_flaw(value: bytes) -> str:
    """Whether a value of one line ends in a line break, which most programs take as part of it."""
    body = value.rstrip(b"\r\n")
    if body == value or b"\n" in body or body.lstrip().startswith(PEM_BEGIN):
        return ""
    return "ends in a line break"


def twice_flaw(value: bytes) -> str:
    """Whether a value is still base64 of a text, so was encoded once more than the API asks for.

    A random password in base64 decodes to random bytes, which are no text; base64 of base64, of PEM, of a URL, a name
    or a host decodes to one.
    """
    packed = b"".join(value.split())
    if not packed or not _BASE64.fullmatch(packed):
        return ""
    decoded = b64decode(packed)
    least = _SHORT_TEXT_BYTES if packed.endswith(b"=") else _TEXT_BYTES
    if len(decoded) < least or not set(decoded) <= _PRINTABLE:
        return ""
    return "is base64 twice: what it decodes to is base64 or another text again"


def text_flaw(value: bytes) -> str:
    """Whether a value that should be text is none."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as exc:
        return f"is not UTF-8 (at byte {exc.start} of {len(value)})"
    if text.startswith("\ufeff"):
        return "begins with a byte order mark"
    return "holds control characters" if _CONTROL.search(text) else ""


def is_pem_named(key: str) -> bool:
    """Whether a key's name says that its value is PEM."""
    return bool(_PEM_KEY.search(key))


def pem_flaw(key: str, value: bytes) -> str:
    """Whether a value that begins as PEM, or whose key says that it is, cannot be read as such."""
    begins = value.lstrip().startswith(PEM_BEGIN)
    if not begins and not is_pem_named(key):
        return ""
    if not begins:
        return "is no PEM, which the name of its key promises"
    return _pem_text_flaw(value)


def _pem_text_flaw(value: bytes) -> str:
    if b"\\n" in value:
        return "is PEM whose line breaks are written as the two characters \\n"
    blocks = _BLOCK.findall(value)
    if not blocks or len(blocks) != value.count(PEM_BEGIN):
        return "is PEM that is cut off, or whose line breaks are lost"
    if wrong := next((flaw for label, body in blocks if (flaw := _block_flaw(label.decode(), body, value))), ""):
        return wrong
    return ""


def _block_flaw(label: str, body: bytes, value: bytes) -> str:
    encrypted = label.startswith("ENCRYPTED") or b"ENCRYPTED" in body
    if encrypted:
        return "" if _BLOCK.search(value) else "is PEM that cannot be read"
    try:
        b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        return f"is PEM whose {label} is no base64"
    block = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label.encode(), body.strip(), label.encode())
    load = _loader(label)
    return f"is PEM whose {label} cannot be read" if load and _fails(lambda: load(block)) else ""


def _loader(label: str) -> Callable[[bytes], Any] | None:
    """What reads a PEM block of this label, where cryptography knows it."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
    if label == "CERTIFICATE":
        return x509.load_pem_x509_certificate
    if label.endswith("PUBLIC KEY"):
        return serialization.load_pem_public_key
    if label == "OPENSSH PRIVATE KEY":
        return lambda block: serialization.load_ssh_private_key(block, password=None)
    if label.endswith("PRIVATE KEY"):
        return lambda block: serialization.load_pem_private_key(block, password=None)
    return None


def _fails(load: Callable[[], Any]) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        load()
    except UnsupportedAlgorithm:  # well formed, and of a kind that this library does not know
        return False
    except (ValueError, TypeError):
        return True
    return False


def encoding_flaws(key: str, value: bytes, *, binary: bool = False) -> list[str]:
    """All that is wrong with the encoding of one value; ``binary`` where it need not be text."""
    if binary:
        return []
    if flaw := text_flaw(value):
        return [flaw]
    return [flaw for flaw in (newline_flaw(value), twice_flaw(value) or pem_flaw(key, value)) if flaw]
