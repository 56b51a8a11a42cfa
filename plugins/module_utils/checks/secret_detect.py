# Tells texts that look like secrets from those that only stand beside them: forms of tokens, names of keys, randomness.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_strength

# What no innocent text has. The forms are their makers'; GitHub's "Supported secret scanning patterns" lists them.
FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key in PEM", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----")),  # RFC 7468
    ("a JSON Web Token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}")),  # RFC 7519
    ("an Anthropic API key", re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}")),
    ("an OpenAI API key", re.compile(r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}")),
    ("an AWS access key id", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Slack webhook", re.compile(r"https://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,}")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("a Stripe key", re.compile(r"\b[rs]k_live_[0-9A-Za-z]{20,}")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{40,}")),
    ("a Vault token", re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}")),
    ("a SendGrid key", re.compile(r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b")),
    ("an age secret key", re.compile(r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b")),
)
RANDOM_LENGTH, RANDOM_BITS = 24, 128.0
LONGEST = 4096  # characters; what is longer under a secret's name is a file, and is read as one

_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@'\"]*:([^\s'\"/]{1,500})@", re.IGNORECASE)
# What stands in a secret's place: a variable, a template, a name in a store, a mask.
_REFERENCE = re.compile(
    r"(?i)^\s*(?:\$\(.*\)|\$\{.*\}|\$[A-Z_][A-Z0-9_]*|\{\{.*\}\}|<[^>]*>|%[A-Z_]+%|\*+|arn:aws:[a-z0-9:/_.*-]+"
    r"|(?:vault|op|ref\+[a-z]+|secretref|gcpsm|awssm|azurekv|env|file|k8s|sops)(?::|://).*|projects/[^/]+/secrets/.*"
    r"|ENC\[.*\])\s*$",
    re.DOTALL,
)
_PLAIN = re.compile(r"(?i)^(?:|null|none|nil|true|false|yes|no|on|off|enabled?|disabled?|required|optional|bearer|basic"
                    r"|[+-]?\d{1,5}(?:\.\d+)?|\d+(?:ms|s|m|h|d|w|y|[kmg]i?b?)|p(?:t?\d+[ymwdhs])+)$")  # fmt: skip
_PATH = re.compile(r"^(?:\.{0,2}/|~/|[A-Za-z]:\\)[^\s:]*$")
_BARE_URL = re.compile(r"^[a-z][a-z0-9+.-]*://\S+$", re.IGNORECASE)
# Beside a secret's name, these say that the value is about it: its length, its file, the name of its object.
_ABOUT = re.compile(
    r"(?i)(?:existing|pull)[-_]?secrets?$|tokeni[sz]er|tokens(?:$|[-_])|(?:passw(?:or)?d|passphrase|token|secret|key)s?[-_.]?"
    r"(?:secret|ref|refs|name|names|file|path|dir|key|keys|field|version|mount|policy|min|max|length|len|size|count|limit|ttl"
    r"|age|expir\w*|lifetime|duration|interval|timeout|issuer|audience|algo\w*|alg|type|kind|scheme|header|prefix|format"
    r"|hash\w*|encryption|method|mechanism|rounds|enabled|required|url|uri|endpoint|host|rotation\w*|store|provider|class|namespace|annotations?"
    r"|labels?|budget|usage|per[-_]\w+)$|(?:min|max|require|enable|disable|use|rotate|allow|skip|verify)[-_]?\w*"
    r"(?:passw(?:or)?d|token|secret)"
)
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)*")
# Random by nature, and nobody's secret.
_NO_RANDOM_KEY = re.compile(
    r"(?i)digest|hash|checksum|sha\d*|(?:^|[-_.])(?:ca|id|uid|uuid|tag|rev)$|caBundle|cert|\bcrt|public|commit|revision"
    r"|etag|fingerprint|signature|image|serial|integrity|version|class|name$|host|url|uri|path|label|selector|nonce"
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORDS = re.compile(r"(?:^|[-_/])[A-Z]?[a-z]{3,}[-_/][A-Z]?[a-z]{3,}[-_/]")  # less than 1 in 10^4 by chance
_HEX = re.compile(r"(?i)(?:0x)?[0-9a-f]+")
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_PAIR = re.compile(
    r"""^\s*(?:-\s+|export\s+|set\s+)?["']?([A-Za-z_][\w.-]{0,80})["']?\s*(?:=>|[:=])\s*(.*?)\s*,?\s*;?\s*$"""
)
_COMMENT = re.compile(r"\s+(?:#|//|;;?)\s.*$")
_FLAG = re.compile(r"^--?([A-Za-z][\w-]*?)(?:=(.*))?$", re.DOTALL)


def form(text: str) -> str:
    """The known form of a secret that stands anywhere in a text, in words; empty where none does."""
    for name, pattern in FORMS:
        if pattern.search(text):
            return name
    return "a password in a URL" if any(_is_password(found) for found in _URL.findall(text)) else ""


def _is_password(text: str) -> bool:
    return not _REFERENCE.match(text) and not re.match(r"\d{1,5}(?:$|[/?#])", text) and not set(text) <= set("*xX.")


def suspect(key: str, value: str, known: frozenset[str] = frozenset()) -> str:
    """Why a value under a key looks like a secret, without any part of it; empty where it does not.

    :param known: names of objects, which are no secrets wherever they stand.
    """
    if found := form(value):
        return f"looks like {found}"
    text = value.strip().strip("\"'")
    if _harmless(text) or text in known:
        return ""
    if secrets_strength.is_secret_key(key):
        told = "stands in clear under the name of a secret"
        about = _ABOUT.search(key) and _IDENTIFIER.fullmatch(text) and secrets_strength.bits(text) < RANDOM_BITS
        return "" if about or "\n" in text or len(text) > LONGEST else told
    return "looks random, as a key or token does" if _is_random(key, text) else ""


def _harmless(text: str) -> bool:
    return bool(_PLAIN.match(text) or _REFERENCE.match(text) or _PATH.match(text) or _BARE_URL.match(text))


def _is_random(key: str, text: str) -> bool:
    if len(text) < RANDOM_LENGTH or _NO_RANDOM_KEY.search(key) or not _TOKEN.fullmatch(text):
        return False
    if _UUID.fullmatch(text) or _HEX.fullmatch(text) or _WORDS.search(text):
        return False
    classes = (any(one.islower() for one in text), any(one.isupper() for one in text), any(map(str.isdigit, text)))
    return all(classes) and secrets_strength.bits(text) >= RANDOM_BITS


def in_text(key: str, text: str, known: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """What looks like a secret in a value that may be a whole file: under which name, and why."""
    if "\n" not in text.strip():
        pair = _PAIR.match(text)
        why = suspect(key, text, known) or (pair and suspect(pair[1], pair[2], known))
        if why:
            yield key, why
        return
    if found := form(text):
        yield key, f"looks like {found}"
    for line in text.splitlines():
        if (
            (pair := _PAIR.match(_COMMENT.sub("", line)))
            and not form(line)
            and (why := suspect(pair[1], pair[2], known))
        ):
            yield f"{key} at {pair[1]}", why


def in_words(words: list[str], known: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """What looks like a secret among the words of a command: after which flag, and why."""
    for at, word in enumerate(words):
        flag = _FLAG.match(word)
        if flag is None:
            inside = re.search(r"--?([A-Za-z][\w-]*)[= ]+(\S+)", word) if " " in word else None
            why = form(word) and f"looks like {form(word)}"
            why = why or (suspect(inside[1], inside[2], known) if inside else "")
            if why:
                yield f"word {at + 1}", why
            continue
        value = flag[2] if flag[2] is not None else words[at + 1] if at + 1 < len(words) else ""
        if value.startswith("-") or (flag[2] is None and form(value)):
            continue
        if why := suspect(flag[1], value, known):
            yield f"flag {flag[1]}", why
