# Judges how the keys that sign tokens are kept: strong, in one Secret, only where tokens are signed, and really in use.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_jwt
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    KeyUses,
    SecretFacts,
    Token,
    not_there,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

_MAKE = "Make both pairs anew with openssl genrsa, or let generated_secret make them, and restart the application."
_KEEP = (
    "Keep the private keys in that Secret alone, and let only the workload that signs tokens mount it; name it in "
    "jwt.signers where that is more than one. Make keys anew that have been anywhere else."
)
_USE = "Restart the application, so that it reads the Secret, and look which Secret its pods mount."
_SHARED = "one shared text signs tokens, so that whoever verifies them can make them; document key pairs"


def jwt_keys(facts: SecretFacts) -> Verdict:
    """Strong pairs that differ, held by what signs and by nothing else; a live token is signed by them and no other."""
    wanted = facts.jwt
    if wrong := not_there(facts, wanted.secret, _MAKE):
        return wrong
    data, uses = facts.held[wanted.secret].data, facts.key_uses or KeyUses(unseen="nothing was looked at")
    weak = secrets_jwt.key_problems(data, wanted, rsa_only=False)
    spread = [*_surplus(uses, wanted.signers), *_copies(facts, uses)]
    token, told = _of_token(facts, facts.token) if not weak else ("", "")
    seen = facts.evidence(
        wanted.secret,
        {
            "keys": secrets_jwt.kinds(data, wanted),
            "private_keys_in": list(uses.holders),
            "config_maps": len(uses.config_maps),
            "wrong": [*weak, *spread, *([token] if token else [])],
            "live_token": facts.token.url if facts.token else "not asked",
            "signed_with": told,
        },
    )
    weaker = (_SHARED,) if wanted.shared else ()
    remedies = [text for text, problem in ((_MAKE, weak), (_KEEP, spread), (_USE, token)) if problem]
    if remedies:
        found = [*weak, *spread, *([token] if token else [])]
        return failed(f"Secret {wanted.secret}: {some(found)}.", " ".join(remedies), seen, weaker=weaker)
    return _not_known(facts, uses, seen) or passed(
        f"{_counted(facts)} of Secret {wanted.secret} {_held(uses)}, and a token of the application is signed by "
        f"{'it' if wanted.shared else 'the first and by no other'} ({told}).",
        seen,
        weaker=weaker,
    )


def _counted(facts: SecretFacts) -> str:
    return facts.jwt.shared or f"The {len(facts.jwt.pairs)} key pairs"


def _held(uses: KeyUses) -> str:
    return f"are in {', '.join(uses.holders)} only" if uses.holders else "are in no container"


def _not_known(facts: SecretFacts, uses: KeyUses, seen: Evidence) -> Verdict | None:
    """What keeps a judgement from being whole: nothing runs, or something could not be seen or asked."""
    if uses.unseen:
        why = f"Where the keys of Secret {facts.jwt.secret} are used could not be seen: {uses.unseen.rstrip('.')}."
        return pending(why, "Grant list on it to this account.", seen)
    if not facts.released:
        why = facts.release_problem or "no release is deployed yet whose token could be verified"
        return pending(f"The keys are in order, but {why.rstrip('.')}.", "Deploy the release first.", seen)
    if facts.token is None:
        remedy = "Give login (in the inventory: bytebot_login), and run without --check."
        return pending("The keys are in order, but no token of the application was asked for.", remedy, seen)
    if facts.token.problem:
        remedy = "Look at the login by which the token is asked for (url, user and password), then judge again."
        summary = f"The keys are in order, but no token was had: {facts.token.problem.rstrip('.')}."
        return inconclusive(summary, remedy, seen)
    return None


# ---------------------------------------------------------------------------- where they are


def _surplus(uses: KeyUses, signers: tuple[str, ...]) -> Iterator[str]:
    """Workloads that have a private key and need none: those not named, or all where nobody says which one signs."""
    workloads = list(dict.fromkeys(one.partition(" container ")[0] for one in uses.holders))
    if not signers:
        if len(workloads) > 1:
            yield f"the private keys are in {len(workloads)} workloads ({some(workloads)}), and one signs"
        return
    for workload in workloads:
        kind, _blank, name = workload.partition(" ")
        if name not in signers and f"{kind}/{name}" not in signers:
            yield f"{workload} has a private key, and is not among the signers"


def _copies(facts: SecretFacts, uses: KeyUses) -> Iterator[str]:
    """ConfigMaps that repeat a private key; a key is known by the middle of its text, however it is wrapped."""
    wanted, data = facts.jwt, facts.held[facts.jwt.secret].data
    names = [wanted.shared] if wanted.shared else [private for private, _public in wanted.pairs]
    bodies = {name: body for name in names if (body := secrets_jwt.body(data.get(name, b"")))}
    for config_map, key, value in uses.config_maps:
        plain = secrets_jwt.body(value.encode())
        same = next((name for name, body in bodies.items() if body in plain), "")
        if same:
            yield f"{same} stands in ConfigMap {config_map} too, under {key}"
        elif key in names and plain:
            yield f"ConfigMap {config_map} has a key {key}, as the private keys are called"


# ---------------------------------------------------------------------------- what the application signs with


def _of_token(facts: SecretFacts, token: Token | None) -> tuple[str, str]:
    """What is wrong with a live token (empty where nothing is, or none was had), and what it is signed with."""
    if token is None or token.problem:
        return "", ""
    wanted, data = facts.jwt, facts.held[facts.jwt.secret].data
    if wanted.shared:
        return secrets_jwt.shared_token_problem(token.token, data[wanted.shared]), secrets_jwt.algorithm(token.token)
    own, *others = [public for _private, public in wanted.pairs]
    told = secrets_jwt.algorithm(token.token)
    if problem := secrets_jwt.signature_problem(token.token, data[own]):
        return problem, told
    also = [name for name in others if not secrets_jwt.signature_problem(token.token, data[name])]
    return (f"the application's access token verifies with {some(also)} too" if also else ""), told
