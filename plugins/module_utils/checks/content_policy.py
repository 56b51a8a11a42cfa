# Reads Content-Security-Policy and X-Frame-Options as browsers do, and says what they let in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Policy = Mapping[str, tuple[str, ...]]
_UNSAFE = ("'unsafe-inline'", "'unsafe-eval'")
# What stands for every address, or for any text that somebody put there, where scripts or plug-ins come from.
_WIDE = frozenset({"*", "http:", "https:", "data:", "blob:", "filesystem:", "http://*", "https://*"})
_RUNNING = ("script-src", "object-src")
_ELEMENTS = "script-src-elem"  # counts before script-src where it is there
_FRAMES = frozenset({"DENY", "SAMEORIGIN", "ALLOWALL"})  # several that differ let nobody frame it (HTML, 7.5.6)
_ANCESTORS_OF_ALL = frozenset({"*", "http:", "https:", "http://*", "https://*"})


def policies_of(headers: Mapping[str, str]) -> list[Policy]:
    """The enforced policies, each with its directives (CSP 3: a comma begins another policy, a name counts once)."""
    return [policy for text in headers.get("content-security-policy", "").split(",") if (policy := _policy(text))]


def _policy(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for directive in text.split(";"):
        words = directive.split()
        if words:
            found.setdefault(words[0].lower(), tuple(word.lower() for word in words[1:]))
    return found


def policy_flaws(policies: Sequence[Policy]) -> list[str]:
    """What the policies let in; what one of several forbids is forbidden."""
    if not policies:
        return ["no Content-Security-Policy"]
    each = [list(dict.fromkeys(_flaws(one))) for one in policies]
    return [flaw for flaw in each[0] if all(flaw in others for others in each[1:])]


def _flaws(policy: Policy) -> Iterator[str]:
    for directive in _RUNNING:
        sources = policy.get(directive, policy.get("default-src"))
        if sources is None:
            yield f"Content-Security-Policy has no {directive} and no default-src"
            continue
        yield from _wide(directive, sources)
    yield from _wide(_ELEMENTS, policy.get(_ELEMENTS, ()))
    for name, sources in policy.items():
        for word in _UNSAFE:
            if word in sources and not _overridden(word, sources):
                yield f"Content-Security-Policy has {word.strip(chr(39))} in {name}"


def _wide(directive: str, sources: Sequence[str]) -> Iterator[str]:
    """Sources that stand for any address; browsers ignore them for scripts where trust is passed on (CSP 3, 8.2)."""
    if directive.startswith("script-src") and "'strict-dynamic'" in sources and _marked(sources):
        return
    yield from (f"Content-Security-Policy lets {directive} come from {one}" for one in sources if one in _WIDE)


def _marked(sources: Sequence[str]) -> bool:
    return any(one.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for one in sources)


def _overridden(word: str, sources: Sequence[str]) -> bool:
    """Whether browsers ignore it, since a nonce or hash stands beside (CSP 3, 6.7.3.2)."""
    return word == "'unsafe-inline'" and _marked(sources)


def frame_flaw(headers: Mapping[str, str]) -> Iterator[str]:
    """Whether any page may frame the answer; frame-ancestors counts before X-Frame-Options."""
    stated = [one["frame-ancestors"] for one in policies_of(headers) if "frame-ancestors" in one]
    if stated:
        if all(_ANCESTORS_OF_ALL & set(sources) for sources in stated):
            yield "frame-ancestors lets every page frame it"
        return
    said = {one.strip().upper() for one in headers.get("x-frame-options", "").split(",")} - {""}
    kept_out = said & _FRAMES if len(said) > 1 else said & (_FRAMES - {"ALLOWALL"})
    if not kept_out:
        yield f"X-Frame-Options {', '.join(sorted(said)) or 'missing'}, and no frame-ancestors"
