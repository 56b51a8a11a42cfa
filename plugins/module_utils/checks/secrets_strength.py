# How strong a secret value is: an estimate of what it would cost to guess it, and why it may be none at all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
import string
from base64 import b64decode
from urllib.parse import unquote, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_values

# A key whose value is a secret. One that ends so and is a name, a host, a public key or a certificate is none.
_SECRET_KEY = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|token|secret|(?:^|[-_.])(?:pass|pwd|pin)$|api[-_]?key|(?:encryption|signing|secret"
    r"|session|cookie|hmac|access|master)[-_]?key|^key$)"
)
_NO_SECRET = re.compile(
    r"(?i)public|(?:user)?name$|[-_.](?:id|host|url|uri|file|path|ttl|expiry|expires[-_]in)$|\.crt$"
)
_PROVIDERS = re.compile(r"(?i)api[-_]?key$")  # made by whom it is for, so its form is not ours to judge
PROVIDER_LENGTH = 20  # characters; the shortest keys of the documented providers have 35 and more
SEQUENCE = 8  # neighbours with one and the same step; chance makes such a run in less than one of 10^6 random texts
EFF_WORDS = 7776  # the large word list of the EFF's dice passphrases: 12.9 bits for a word that was rolled
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_SYMBOLS = 32  # the printable ASCII characters that are neither letter, digit nor blank
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_WORD = re.compile(r"[A-Z]?[a-z]{4,}|[A-Z]{4,}")
_WORDY = 0.6  # of the characters; runs of four letters of one case cover some 5 % of random base64
# Relative frequencies of letters in English (Lewand, Cryptological Mathematics, 2000), in percent.
_ENGLISH = dict(
    zip(
        string.ascii_lowercase,
        (8.2, 1.5, 2.8, 4.3, 12.7, 2.2, 2.0, 6.1, 7.0, 0.15, 0.77, 4.0, 2.4, 6.7, 7.5, 1.9, 0.095, 6.0, 6.3, 9.1, 2.8,
         0.98, 2.4, 0.15, 2.0, 0.074),
        strict=True,
    )
)  # fmt: skip
# The head of the usual lists of breached passwords (SecLists, 10-million-password-list-top-100; NIST SP 800-63B
# 5.1.1.2 asks to compare with such lists), and the words that stand in manifests in place of a password.
_COMMON = """
    123456 password 12345678 qwerty 123456789 12345 1234 111111 1234567 dragon 123123 baseball abc123 football
    monkey letmein 696969 shadow master 666666 qwertyuiop 123321 mustang 1234567890 michael 654321 superman 1qaz2wsx
    7777777 121212 000000 qazwsx 123qwe killer trustno1 jordan jennifer zxcvbnm asdfgh hunter buster soccer harley
    batman andrew tigger sunshine iloveyou 2000 charlie robert thomas hockey ranger daniel starwars klaster 112233
    george computer michelle jessica pepper 1111 zxcvbn 555555 11111111 131313 freedom 777777 pass maggie 159753
    aaaaaa ginger princess joshua cheese amanda summer love ashley nicole chelsea biteme matthew access yankees
    987654321 dallas austin thunder taylor matrix admin administrator root toor guest test testing default secret
    changeme welcome login user passwd postgres postgresql redis mysql database bytebot production staging
    development kubernetes token jwt supersecret topsecret mysecret mypassword adminadmin rootroot p4ssword foobar
"""
COMMON = frozenset(_COMMON.split())
_LEET = str.maketrans("0134578@$!", "oieastbasi")


def is_secret_key(key: str) -> bool:
    """Whether the name of a key says that its value is a password, a token or a key."""
    return bool(_SECRET_KEY.search(key)) and not _NO_SECRET.search(key)


def password_in_url(text: str) -> str | None:
    """The password in a connection URL, or None where the text is no such URL."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return None
    try:
        password = urlsplit(text).password
    except ValueError:
        return None
    return None if password is None else unquote(password)


def bits(text: str) -> float:
    """An upper estimate of the entropy of a secret that was made at random, in bits.

    Characters times log2 of the alphabet (RFC 4086, section 2: the choices that are equally likely): 16 for hexadecimal
    digits, 64 for base64 (and no more than the bytes it stands for), else the classes of characters that occur. A
    period that repeats counts once; a run of eight or more equal steps (aaaaaaaa, 12345678) counts as one character;
    a text with far fewer different characters than chance gives counts by those; words count 12.9 bits each.
    """
    if not text:
        return 0.0
    period = (text + text).find(text, 1)
    core = _without_runs(text[:period])
    estimate = len(core) * math.log2(_alphabet(core))
    distinct = len(set(core))
    if distinct < _expected_distinct(len(core), _alphabet(core)) / 2:
        estimate = len(core) * math.log2(max(distinct, 1))
    if _BASE64.fullmatch(text) and len(text) >= SEQUENCE:
        estimate = min(estimate, 8 * len(b64decode(text)))
    return min(estimate, _as_words(core))


def _alphabet(text: str) -> int:
    if _HEX.fullmatch(text):
        return 16
    size = sum(len(kind) for kind in _CLASSES if set(kind) & set(text))
    size = len("".join(_CLASSES)) if size == len(string.ascii_letters) else size  # by chance digits may be missing
    others = set(text) - set("".join(_CLASSES))
    if not others:
        return max(size, 2)
    if _BASE64.fullmatch(text) or _BASE64URL.fullmatch(text):
        return 64
    return size + _SYMBOLS + (1 if " " in others else 0)


def _without_runs(text: str) -> str:
    """The text with each run of equal steps of -1, 0 or 1 shortened to its first character."""
    kept, start = [], 0
    while start < len(text):
        end = _run_end(text, start)
        kept.append(text[start] if end - start >= SEQUENCE else text[start : start + 1])
        start = end if end - start >= SEQUENCE else start + 1
    return "".join(kept)


def _run_end(text: str, start: int) -> int:
    """Where the run that begins at ``start`` ends (exclusive)."""
    if start + 1 >= len(text):
        return len(text)
    step = ord(text[start + 1]) - ord(text[start])
    end = start + 1
    while abs(step) <= 1 and end < len(text) and ord(text[end]) - ord(text[end - 1]) == step:
        end += 1
    return end


def _expected_distinct(length: int, alphabet: int) -> float:
    return alphabet * (1 - (1 - 1 / alphabet) ** length)


def _as_words(text: str) -> float:
    """The estimate for a text that is made of words, else infinity."""
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    if not words or letters < _WORDY * len(text) or not _reads_as_english("".join(words).lower()):
        return math.inf
    return len(words) * math.log2(EFF_WORDS) + (len(text) - letters) * math.log2(_alphabet(text))


def _reads_as_english(letters: str) -> bool:
    """Whether the letters are likelier by the frequencies of English than by chance."""
    return sum(math.log2(_ENGLISH[letter] / 100 * 26) for letter in letters) > 0


def is_common(text: str) -> bool:
    """Whether a text is a well-known password, also with letters replaced, and with digits or marks behind it."""
    lowered = text.strip().lower()
    forms = {lowered, lowered.translate(_LEET)}
    forms |= {form.rstrip(string.digits + string.punctuation) for form in (lowered, lowered.rstrip(string.digits))}
    forms |= {lowered.rstrip(string.digits + string.punctuation).translate(_LEET)}
    halves = {lowered[: len(lowered) // 2]} if lowered and lowered[: len(lowered) // 2] * 2 == lowered else set()
    return bool((forms | halves) & COMMON)


def flaws(key: str, text: str, minimum_bits: int, minimum_length: int) -> list[str]:
    """Why a secret text is weak or none at all; the clauses name no part of it."""
    if not text.strip():
        return ["is empty"]
    for flaw in (secrets_values.command_flaw(text), secrets_values.template_flaw(text)):
        if flaw:
            return [flaw]
    found = [
        flaw for flaw in (secrets_values.newline_flaw(text.encode()), secrets_values.twice_flaw(text.encode())) if flaw
    ]
    plain = text.strip()
    if is_common(plain):
        return [*found, "is a well-known password"]
    if _PROVIDERS.search(key):
        short = len(plain) < PROVIDER_LENGTH
        return [*found, f"has {len(plain)} characters, fewer than any provider's key"] if short else found
    if len(plain) < minimum_length:
        return [*found, f"has {len(plain)} characters, {minimum_length} are wanted"]
    told = bits(plain)
    if told < minimum_bits and not any("twice" in flaw for flaw in found):
        found.append(f"carries {math.floor(told)} bits at most, {minimum_bits} are wanted")
    return found
