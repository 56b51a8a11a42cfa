# Judges a PostgreSQL server: its version, who may come in and how, and encryption.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks import postgres_pooler, postgres_pools
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    CREDENTIALS,
    DOCUMENT_MAJOR,
    POOLING,
    TLS,
    VERSION,
    WANTED_MODE,
    Asked,
    PostgresFacts,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import SSL_MODES, no_way
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

CHECKS: Checks[PostgresFacts] = Checks()
_UPGRADE = "Upgrade the server, or let the Secret name one of a supported version: postgresql.org/support/versioning."
_PRIMARY = "Let the Secret name the server that takes writes, and look why the one it names is a replica."
_WRITES = (
    "Look why it takes no writes: room on its disk (managed services turn writes off before it is full), or "
    "default_transaction_read_only of the server, the database or the role."
)
_MEMBER = "Take the application's role out of it: REVOKE ROLE FROM NAME."
_ROLE = (
    "Use a role of the application's own: ALTER ROLE NAME NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS; and make "
    "it the owner of its database."
)
_TRUST = "Replace trust in pg_hba.conf by scram-sha-256, then SELECT pg_reload_conf()."
_SCRAM = (
    "Set password_encryption = 'scram-sha-256', give the role its password anew, and write scram-sha-256 in "
    "pg_hba.conf."
)
_PASSWORD = (
    "Set a random password at the server (ALTER ROLE) and in the Secret, and restart the application: "
    "openssl rand -base64 32."
)
_TLS = (
    "Set ssl = on with a certificate for the host name that clients use, signed by the CA in the Secret (ca.crt), and "
    "ssl_min_protocol_version = 'TLSv1.2'."
)
_PLAIN = "Write hostssl in place of host in pg_hba.conf (managed service: require TLS), then reload."
_ASK = "Set sslmode=verify-full, with the CA as sslrootcert, where the application takes its connection from."
_AGAIN = "Judge again in a while; look at the server's log."
_RIGHTS = {
    "rolsuper": "is superuser",
    "rolcreaterole": "may make roles",
    "rolreplication": "may replicate the whole server",
    "rolbypassrls": "bypasses row security",
}


@CHECKS.settles(VERSION)
def version(facts: PostgresFacts) -> Verdict:
    """A server of a supported version answers, and it takes writes."""
    if verdict := _unmet(facts):
        return verdict
    seen = facts.seen or PostgresSeen()
    if seen.cause:
        return _not_in(facts, seen, "its version is told to nobody who is not signed in")
    number, told = seen.number("server_version_num"), str(seen.server.get("server_version", ""))
    major, wanted = number // 10000, facts.wanted.major
    weaker = (f"PostgreSQL {wanted} wanted, document {DOCUMENT_MAJOR}",) * (wanted < DOCUMENT_MAJOR)
    recovery, read_only = bool(seen.server.get("in_recovery")), seen.server.get("read_only") == "on"
    evidence = facts.evidence(
        {"server_version": told, "in_recovery": recovery, "read_only": read_only, "service": _provider(facts)}
    )
    if major < wanted:
        summary = f"The server at {facts.where} is PostgreSQL {told}; {wanted} or newer is wanted."
        return failed(summary, _UPGRADE, evidence, weaker=weaker)
    if recovery:
        return failed(
            f"The server at {facts.where} is in recovery: a replica, which takes no writes.",
            _PRIMARY,
            evidence,
            weaker=weaker,
        )
    if read_only:
        return failed(
            f"The server at {facts.where} begins each transaction read-only, so it takes no writes.",
            _WRITES,
            evidence,
            weaker=weaker,
        )
    return passed(
        f"PostgreSQL {told} answers at {facts.where} ({_provider(facts)}) and takes writes.", evidence, weaker=weaker
    )


def _provider(facts: PostgresFacts) -> str:
    host = facts.target.host.rstrip(".")
    return (
        "in the cluster" if host.endswith((".svc", ".svc.cluster.local")) or "." not in host else "outside the cluster"
    )


@CHECKS.settles(CREDENTIALS)
def credentials(facts: PostgresFacts) -> Verdict:
    """The user comes in by SCRAM with its password only, and may not do more than an application needs."""
    if facts.target.problems and not facts.secret_problem:
        evidence = facts.evidence({"wrong": list(facts.target.problems)})
        return failed(f"Secret {facts.keys.secret}: {some(list(facts.target.problems))}.", _PASSWORD, evidence)
    if verdict := _unmet(facts, own=False):
        return verdict
    seen = facts.seen or PostgresSeen()
    evidence = facts.evidence(
        {
            "sign_in": seen.cause or "accepted",
            "wrong_sign_in": f"{seen.wrong.outcome}: {seen.wrong.said}",
            "scram": seen.scram,
            "verifier": seen.role.get("verifier", "not asked"),
            "password_encryption": seen.server.get("password_encryption", ""),
            "rights": sorted(words for right, words in _RIGHTS.items() if seen.role.get(right)),
            "member_of": list(_member_of(seen)),
        }
    )
    problems = _credential_problems(facts, seen)
    if problems and not seen.passing:
        texts, remedies = [one for one, _remedy in problems], list(dict.fromkeys(remedy for _text, remedy in problems))
        return failed(f"{facts.target.username} at {facts.where}: {some(texts)}.", " ".join(remedies), evidence)
    return _unsure_of_credentials(facts, seen, evidence) or passed(
        f"{facts.target.username} signs in at {facts.where} by SCRAM, a wrong password is refused, and the role has no "
        "rights over the server.",
        evidence,
    )


def _unsure_of_credentials(facts: PostgresFacts, seen: PostgresSeen, evidence: Evidence) -> Verdict | None:
    if seen.cause:
        return inconclusive(f"Nobody could sign in at {facts.where}: {seen.cause}.", _AGAIN, evidence)
    if not facts.probing:
        return pending(
            "Whether a wrong password is refused needs a probe; check mode sends none.",
            "Run without --check.",
            evidence,
        )
    if seen.wrong.outcome != "refused":
        summary = f"Whether {facts.where} refuses a wrong password could not be seen: {seen.wrong.said}."
        return inconclusive(summary, _AGAIN, evidence)
    return None


def _credential_problems(facts: PostgresFacts, seen: PostgresSeen) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if seen.cause:
        found.append((seen.cause, _PASSWORD if seen.scram is not False else _SCRAM))
    if not seen.cause and (seen.wrong.outcome == "accepted" or not seen.used_password):
        found.append(("a wrong password is accepted (trust)", _TRUST))
    elif seen.scram is False and not seen.cause:
        found.append(("the password is proved without SCRAM (MD5 or plain)", _SCRAM))
    if seen.role.get("verifier") == "MD5" or seen.server.get("password_encryption") in ("md5", "on", "off"):
        found.append(("passwords are kept as MD5 hashes, or new ones would be (password_encryption)", _SCRAM))
    found += [(f"the role {words}", _ROLE) for right, words in _RIGHTS.items() if seen.role.get(right)]
    if roles := _member_of(seen):
        found.append((f"the role is a member of {', '.join(roles)}", _MEMBER))
    if facts.password_flaw:
        found.append((f"the password {facts.password_flaw}", _PASSWORD))
    return found


def _member_of(seen: PostgresSeen) -> tuple[str, ...]:
    """The roles with rights over the server that the user can become."""
    found = seen.role.get("member_of")
    return found if isinstance(found, tuple) else ()


@CHECKS.settles(POOLING)
def pooling(facts: PostgresFacts) -> Verdict:
    """All pools at their largest fit into the server's connections."""
    return postgres_pooler.judged(facts) or _unmet(facts, own=False) or postgres_pools.judged(facts)


@CHECKS.settles(TLS)
def tls(facts: PostgresFacts) -> Verdict:
    """The server offers verified TLS and nothing else, and the application asks for it."""
    weak = [one for one in facts.asked if _weaker_mode(one.mode, facts.wanted.mode)]
    told = [f"{one.where}: {one.mode}" for one in facts.asked]
    weaker = (f"sslmode {facts.wanted.mode} wanted, checklist's default {WANTED_MODE}",) * (
        facts.wanted.mode != WANTED_MODE
    )
    seen = facts.seen
    shown = {"asked": told, "asked_not_seen": facts.asked_problem}
    if weak and seen is None:  # certain without any server
        return failed(f"{_asking(weak, facts.wanted.mode)}.", _ASK, facts.evidence(shown), weaker=weaker)
    if verdict := _unmet(facts, own=False):
        return verdict
    seen = seen or PostgresSeen()
    tls = seen.encryption
    evidence = facts.evidence(
        {
            **shown,
            "tls_offered": tls.offered,
            "protocol": tls.protocol,
            "old_protocols_accepted": list(tls.old),
            "certificate_for": list(tls.names),
            "not_after": tls.not_after,
            "issuer": tls.issuer,
            "verifies": tls.verified or tls.why,
            "without_tls": f"{seen.plain.outcome}: {seen.plain.said}",
        }
    )
    problems = _tls_problems(seen)
    if weak:
        problems.append((_asking(weak, facts.wanted.mode), _ASK))
    if problems:
        remedies = list(dict.fromkeys(remedy for _text, remedy in problems))
        summary = f"{facts.where}: {some([one for one, _remedy in problems])}."
        return failed(summary, " ".join(remedies), evidence, weaker=weaker)
    return _unsure_of_tls(facts, seen, evidence) or passed(
        f"{facts.where} speaks {tls.protocol} with a certificate that verifies by name and refuses plain connections"
        f"{_asked_words(facts)}.",
        evidence,
        weaker=weaker,
    )


def _unsure_of_tls(facts: PostgresFacts, seen: PostgresSeen, evidence: Evidence) -> Verdict | None:
    if seen.plain.outcome == "untried":
        why = f"nobody is signed in ({seen.cause})" if seen.cause else "check mode sends no probe"
        return pending(
            f"Whether {facts.where} refuses a plain connection was not tried: {why}.",
            _PASSWORD if seen.cause else "Run without --check.",
            evidence,
        )
    if seen.plain.outcome == "unseen":
        summary = f"Whether {facts.where} refuses a plain connection could not be seen: {seen.plain.said}."
        return inconclusive(summary, _AGAIN, evidence)
    if facts.asked_problem or (facts.released and not facts.asked):
        why = facts.asked_problem or "neither the Secret nor the release's environment says a sslmode"
        return pending(
            f"What the application asks for is not known: {why.rstrip('.')}.",
            "Name the variable in sslmode_variables, or set database.sslmode.",
            evidence,
        )
    return None


def _asked_words(facts: PostgresFacts) -> str:
    if facts.asked:
        return f", and the application asks for {', '.join(sorted({one.mode for one in facts.asked}))}"
    return "; no release is deployed that could ask for less"


def _tls_problems(seen: PostgresSeen) -> list[tuple[str, str]]:
    tls, found = seen.encryption, []
    if not tls.offered:
        return [("the server offers no TLS", _TLS)]
    if not tls.verified:
        found.append((f"its certificate does not verify ({tls.why})", _TLS))
    if tls.old:
        found.append((f"it accepts {', '.join(tls.old)}", _TLS))
    if seen.plain.outcome == "accepted":
        found.append((f"a connection without TLS is not refused: {seen.plain.said}", _PLAIN))
    return found


def _weaker_mode(mode: str, wanted: str) -> bool:
    return mode not in SSL_MODES or SSL_MODES.index(mode) < SSL_MODES.index(wanted)


def _asking(weak: list[Asked], wanted: str) -> str:
    said = [f"{one.where} asks for sslmode {one.mode}" for one in weak]
    return f"{some(said)}, and {wanted} is wanted"


# ---------------------------------------------------------------------------- where there is nothing to judge


def _unmet(facts: PostgresFacts, *, own: bool = True) -> Verdict | None:
    """What is said where no server was met.

    :param own: whether that is this control's own matter, which it is of the version alone.
    """
    evidence = facts.evidence({"secret": facts.secret_problem or "read", "wrong": list(facts.target.problems)})
    if facts.secret_problem:
        return pending(facts.secret_problem, "Name it in database.secret, and let this account get it.", evidence)
    if facts.target.problems:
        summary = f"Nobody can sign in: Secret {facts.keys.secret}: {some(list(facts.target.problems))}."
        return pending(summary, "Correct the Secret.", evidence)
    if facts.no_way is None:
        return None
    return no_way(facts.no_way, f"PostgreSQL at {facts.where}", facts.evidence({"way": facts.no_way.cause}), own=own)


def _not_in(facts: PostgresFacts, seen: PostgresSeen, consequence: str) -> Verdict:
    evidence = facts.evidence({"sign_in": seen.cause})
    say = inconclusive if seen.passing else pending
    remedy = _AGAIN if seen.passing else "Let the credentials work first."
    return say(f"A server answers at {facts.where}, but {seen.cause}; {consequence}.", remedy, evidence)
