# Judges the Secrets of a release: credentials that work, keys that fit, values that are encoded once and hard to guess.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hashlib import sha256

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    secrets_jwt,
    secrets_keys,
    secrets_login,
    secrets_strength,
    secrets_tls,
    secrets_values,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    DATABASE,
    DOCUMENT_BITS,
    ENCODING,
    JWT,
    JWT_KEYS,
    MEND,
    REDIS,
    STRENGTH,
    TLS,
    Held,
    SecretFacts,
    Token,
    not_there,
    some,
    without_redis,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

_QUOTES = (
    "In a shell, single quotes keep a command as text: put double quotes around $(openssl rand -base64 32), as in "
    'kubectl create secret generic NAME --from-literal=KEY="$(openssl rand -base64 32)".'
)
CREATE = (
    f"Write the values that the server really accepts into the Secret (in the inventory: bytebot_secrets). {_QUOTES}"
)
_KEYS = "Make both pairs anew with openssl genrsa, or let generated_secret make them, and restart the application."
_CERTIFICATE = (
    "Put the server's certificate first and its intermediates behind it into tls.crt, the key that belongs to it into "
    "tls.key, for all hosts of the Ingress; make the Secret by kubectl create secret tls."
)
_ENCODE = (
    "Write the value as it is: kubectl encodes it once by itself. Use printf %s, or --from-file without a last line "
    "break; data: takes base64, stringData: takes plain text."
)
_STRONG = f"Make the value anew, set it at the server too, and restart the application. {_QUOTES}"

CHECKS: Checks[SecretFacts] = Checks()
CHECKS.settles(JWT_KEYS)(secrets_keys.jwt_keys)


@CHECKS.settles(DATABASE)
def database(facts: SecretFacts) -> Verdict:
    """The database's credentials are there, well formed, and accepted from inside the namespace."""
    return secrets_login.judged(facts, facts.database, "postgresql", facts.database_sign_in, CREATE)


@CHECKS.settles(REDIS)
def redis(facts: SecretFacts) -> Verdict:
    """Redis's credentials are accepted, or the release itself says that it does not use Redis."""
    name = facts.redis.secret
    if name in facts.absent and (verdict := without_redis(facts, name, CREATE)):
        return verdict
    return secrets_login.judged(facts, facts.redis, "redis", facts.redis_sign_in, CREATE)


@CHECKS.settles(JWT)
def jwt(facts: SecretFacts) -> Verdict:
    """The keys that sign tokens are there, match, differ, and are those that the application uses."""
    wanted = facts.jwt
    if wrong := not_there(facts, wanted.secret, _KEYS):
        return wrong
    data = facts.held[wanted.secret].data
    problems = secrets_jwt.key_problems(data, wanted)
    asked = facts.token.url if facts.token else "not asked"
    seen = facts.evidence(wanted.secret, {"wrong": problems, "live_token": asked})
    weaker = _weaker_shared(facts)
    if problems:
        return failed(f"Secret {wanted.secret}: {some(problems)}.", _KEYS, seen, weaker=weaker)
    if wanted.shared:
        summary = f"{wanted.shared} of Secret {wanted.secret} has {wanted.shared_length} characters or more"
        return passed(f"{summary}; no token of the application was asked for.", seen, weaker=weaker)
    told = f"The {len(wanted.pairs)} key pairs of Secret {wanted.secret} match and differ"
    if facts.token is None:
        return passed(f"{told}; no token of the application was asked for.", seen)
    return _of_token(facts, facts.token, told, seen)


def _of_token(facts: SecretFacts, token: Token, told: str, seen: Evidence) -> Verdict:
    wanted = facts.jwt
    if token.problem:
        remedy = "Look at the login by which the token is asked for (url, user and password), then judge again."
        return inconclusive(f"{told}, but no token was had: {token.problem.rstrip('.')}.", remedy, seen)
    if problem := secrets_jwt.token_problem(token.token, facts.held[wanted.secret].data[wanted.pairs[0][1]]):
        remedy = "Restart the application, so that it reads the Secret, and look which Secret its pods mount."
        return failed(f"Secret {wanted.secret}: {problem}.", remedy, seen)
    return passed(f"{told}, and the application signs its access tokens with the first.", seen)


def _weaker_shared(facts: SecretFacts) -> tuple[str, ...]:
    least, document = facts.jwt.shared_length, secrets_jwt.SHARED_LENGTH
    return (f"{least} characters wanted, document {document}",) if facts.jwt.shared and least < document else ()


@CHECKS.settles(TLS)
def tls(facts: SecretFacts) -> Verdict:
    """Each certificate fits its key, is whole, covers its hosts, and has time left."""
    wanted = facts.tls
    for name in wanted.secrets:
        if wrong := not_there(facts, name, _CERTIFICATE, in_pods=False):  # an ingress controller reads Secrets
            return wrong
    found = {
        name: secrets_tls.judged(
            facts.held[name], wanted.hosts.get(name, ()), wanted.trusted, wanted.expiry_days, facts.now
        )
        for name in wanted.secrets
    }
    problems = [f"Secret {name}: {problem}" for name, one in found.items() for problem in one.problems]
    names = [name for one in found.values() for name in one.names]
    readable = all(one.names for one in found.values())
    uncovered = [host for host in wanted.further_hosts if readable and not secrets_tls.covers(names, host)]
    problems += [f"no certificate covers {host} (there are {', '.join(names)})" for host in uncovered]
    seen = Evidence(
        f"GET Secret {', '.join(wanted.secrets)}; LIST ingresses in namespace {facts.namespace}",
        {
            name: {
                "names": list(one.names),
                "chain": list(one.chain),
                "not_after": one.ends,
                "hosts": list(wanted.hosts.get(name, ())),
                "wrong": list(one.problems),
                "managed_by": [str(manager) for manager in facts.held[name].managers],
            }
            for name, one in found.items()
        },
        facts.observed_at,
    )
    if problems:
        return failed(f"{some(problems)}.", _CERTIFICATE, seen)
    hosts = sorted({*wanted.further_hosts, *(host for served in wanted.hosts.values() for host in served)})
    if not found or not hosts:
        what = "certificate" if not found else "host"
        return pending(f"No {what} is named: there is no Ingress, and no input says one.", "Set hosts and tls.", seen)
    if untold := [f"Secret {name}: {one.untold}" for name, one in found.items() if one.untold]:
        return inconclusive(f"{some(untold)}.", "Give the root that clients trust as ca_file.", seen)
    return passed(
        f"{', '.join(found)}: the key fits, the chain is whole, {', '.join(hosts)} covered, time is left.", seen
    )


@CHECKS.settles(ENCODING)
def encoding(facts: SecretFacts) -> Verdict:
    """Every value is what it should be once it is decoded."""
    problems = [
        f"{name}/{key} {flaw}"
        for name, held in sorted(facts.held.items())
        for key, value in sorted(held.data.items())
        for flaw in secrets_values.encoding_flaws(key, value, binary=bool({key, f"{name}/{key}"} & facts.binary))
    ]
    seen = _all_seen(facts, problems)
    if problems:
        return failed(f"{some(problems)}.", _ENCODE, seen)
    own = {facts.database.secret, facts.jwt.secret, facts.redis.secret, *facts.tls.secrets}
    behind = [
        f"{one}, which makes Secret {held.name}, is not in step: {one.problem}"
        for held in facts.held.values()
        for one in held.managers
        if one.problem and held.name not in own
    ]
    if behind:
        return failed(f"{some(behind)}.", MEND, seen)
    return _unless_unseen(facts, seen) or passed(
        f"All {_count(facts)} values of {len(facts.held)} Secrets are encoded once and read as what they are.", seen
    )


@CHECKS.settles(STRENGTH)
def strength(facts: SecretFacts) -> Verdict:
    """Passwords, tokens and keys are random and long enough, and no two are the same."""
    problems = [
        f"{name}/{key} {flaw}"
        for name, held in sorted(facts.held.items())
        for key, text in _secret_texts(held)
        for flaw in secrets_strength.flaws(key, text, facts.minimum_bits, facts.minimum_length)
    ]
    problems += _reused(facts)
    seen = _all_seen(facts, problems, {"bits_wanted": facts.minimum_bits, "estimate": secrets_strength.bits.__doc__})
    weaker = (f"{facts.minimum_bits} bits wanted, document {DOCUMENT_BITS}",) * (facts.minimum_bits < DOCUMENT_BITS)
    if problems:
        return failed(f"{some(problems)}.", _STRONG, seen, weaker=weaker)
    count = sum(1 for held in facts.held.values() for _text in _secret_texts(held))
    if not count:
        return pending("No password, token or key was found to judge.", "Name the Secrets in others.", seen)
    return _unless_unseen(facts, seen) or passed(
        f"All {count} passwords, tokens and keys carry {facts.minimum_bits} bits or more by form; none is reused.",
        seen,
        weaker=weaker,
    )


def _secret_texts(held: Held) -> list[tuple[str, str]]:
    """The secrets among a Secret's values, by key; PEM is other controls' matter, of a URL only its password counts."""
    found = []
    for key, value in sorted(held.data.items()):
        text = value.decode("utf-8", "replace")
        inside = secrets_strength.password_in_url(text)
        if inside is not None:
            found.append((key, inside))
        elif secrets_strength.is_secret_key(key) and not value.lstrip().startswith(secrets_values.PEM_BEGIN):
            found.append((key, text))
    return found


def _reused(facts: SecretFacts) -> list[str]:
    """Names of secrets that are the same; compared by digest, in memory only."""
    places: dict[str, list[str]] = {}
    for name, held in sorted(facts.held.items()):
        texts = dict(_secret_texts(held))
        own = held.type != secrets_tls.TYPE  # one certificate may well stand in two Secrets, for two Ingresses
        privates = {
            key: value.decode("latin-1") for key, value in held.data.items() if own and b"PRIVATE KEY-----" in value
        }
        for key, text in (texts | privates).items():
            if text.strip():
                places.setdefault(sha256(text.strip().encode()).hexdigest(), []).append(f"{name}/{key}")
    return [f"{' and '.join(same)} are the same value" for same in places.values() if len(same) > 1]


def _count(facts: SecretFacts) -> int:
    return sum(len(held.data) for held in facts.held.values())


def _all_seen(facts: SecretFacts, problems: list[str], more: dict[str, object] | None = None) -> Evidence:
    told = {
        "secrets": {
            name: {"type": held.type, "keys": sorted(held.data), "managed_by": [str(one) for one in held.managers]}
            for name, held in sorted(facts.held.items())
        },
        "absent": list(facts.absent),
        "not_readable": dict(facts.denied),
        "managers_not_seen": dict(facts.unread_managers),
        "wrong": problems,
        **(more or {}),
    }
    return Evidence(f"GET of {len(facts.held)} Secrets in namespace {facts.namespace}", told, facts.observed_at)


def _unless_unseen(facts: SecretFacts, seen: Evidence) -> Verdict | None:
    """Pending where a Secret could not be looked at, or none was."""
    if facts.denied:
        name, why = next(iter(facts.denied.items()))
        return pending(f"Secret {name} could not be read: {why}", "Grant get on that Secret.", seen)
    absent = [name for name in facts.absent if name != facts.redis.secret or facts.mentions_redis]
    if absent or not facts.held:
        return pending(f"Not there yet: Secret {', '.join(absent) or '(none is named)'}.", "Create it first.", seen)
    if facts.release_problem:
        return pending(
            f"Which Secrets the release uses is not known: {facts.release_problem}", "Mend that first.", seen
        )
    return None
