# Decides whether a signed statement counts here and now; every reason why it does not is one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control, duration
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    PARTS,
    Binding,
    Environment,
    moment,
    rfc3339,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import content as contents
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import ssh
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.content import (
    APPROVAL,
    APPROVED,
    ATTESTATION,
    WAIVER,
    Content,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules, Signer

SANDBOX = "sandbox"  # the kind of environment in which demo signers may be tried
SKEW = timedelta(minutes=2)  # by which clocks of two machines may differ
APPROVAL_HOLDS = "P90D"  # as long as a sign-off
COVERS = ("fail", "error", "inconclusive", "pending", "weaker")  # what a waiver may be for


class NotCounted(CollectionError):
    """A statement does not count. ``lapsed``: it did once, and its time or what it holds for has moved on."""

    def __init__(self, sentence: str, *, lapsed: bool = False, content: Content | None = None) -> None:
        super().__init__(sentence)
        self.lapsed = lapsed
        self.content = content


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and when a statement is to count."""

    environment: Environment
    binding: Binding
    known: Catalogue
    rules: Rules
    now: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """A statement as it is kept.

    :param presented_at: when it was taken in; :param revoked: when, by whom and why it was revoked.
    """

    text: bytes
    signature: str
    presented_at: str
    revoked: Mapping[str, str] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the text, which names it."""
        return contents.digest(self.text)


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement that counts."""

    digest: str
    content: Content
    signer: Signer
    key: str

    @property
    def at(self) -> datetime:
        """When it was asked for, from which on its time counts."""
        return moment(self.content["requested_at"])


def accepted(item: Item, scene: Scene) -> Signed:
    """The statement, where it counts.

    :raises NotCounted: it does not, and why. :raises ProgramMissing: there is no ssh-keygen.
    """
    try:
        content = contents.parsed(item.text)
    except contents.Malformed as exc:
        raise NotCounted(exc.sentence) from exc
    try:
        return _accepted(item, content, scene)
    except (NotCounted, ssh.NotSigned) as exc:
        raise NotCounted(exc.sentence, lapsed=getattr(exc, "lapsed", False), content=content) from exc


def _accepted(item: Item, content: Content, scene: Scene) -> Signed:
    _same_environment(content, scene)
    signer = _signer(content, scene)
    _not_ahead(item, content, scene)
    when = moment(content["requested_at"])
    key = ssh.verify(
        item.text, item.signature, scene.rules.keys, signer.signer, namespace=signer.namespace, when=when
    )  # fmt: skip
    _requested_by_another(content, signer)
    if contents.facts_digest(content["facts"]) != content["facts_digest"]:
        raise NotCounted("its facts are not those of its digest")
    if item.revoked is not None:
        by, at, reason = (item.revoked.get(key, "") for key in ("by", "at", "reason"))
        raise NotCounted(f"{by} revoked it at {at}: {reason}", lapsed=True)
    if any(item.digest.startswith(one) for one in scene.rules.policy.revoked):
        raise NotCounted("the policy names it as revoked", lapsed=True)
    if content["binding"]["catalogue"] != scene.binding.catalogue:
        raise NotCounted("the catalogue has changed since it was signed", lapsed=True)
    role, binds_to, longest = _wanted(content, scene)
    if content["role"] not in role:
        raise NotCounted(f"it was signed as {content['role'] or 'nobody'}, and it needs {' or '.join(role)}")
    if content["role"] not in signer.roles:
        raise NotCounted(f"{signer.name} has not the role {content['role']}")
    _answered(content)
    _in_time(item, content, scene)
    _holds(content, scene, binds_to, longest)
    return Signed(item.digest, content, signer, key)


def _same_environment(content: Content, scene: Scene) -> None:
    theirs, ours = content["environment"], asdict(scene.environment)
    if theirs != ours or content["binding"]["environment"] != scene.environment.identity:
        told = f"{theirs['name']} ({theirs['kind']})"
        raise NotCounted(f"it was made for the environment {told}, not for {ours['name']} ({ours['kind']})")
    if content["binding"]["organization"] != scene.environment.organization:
        raise NotCounted(f"it was made for the organization {content['binding']['organization']}")


def _signer(content: Content, scene: Scene) -> Signer:
    if not content["signer"].strip():
        raise NotCounted("it does not say who signs (signer is empty)")
    signer = scene.rules.person(content["signer"])
    if signer is None:
        raise NotCounted(f"{content['signer']!r} is not among the signers (bytebot_signers)")
    if signer.demo and scene.environment.kind != SANDBOX:
        raise NotCounted(f"{signer.signer} is a demo signer, who counts in a sandbox only")
    if signer.demo != content["demo"]:
        raise NotCounted(f"it is marked demo: {str(content['demo']).lower()}, which {signer.signer} is not")
    return signer


def _requested_by_another(content: Content, signer: Signer) -> None:
    if not content["requester"].strip():
        raise NotCounted("it does not say who requested it")
    if signer.known_as(content["requester"]):
        raise NotCounted(f"{signer.name} requested it, and nobody signs what they requested themselves")


def _not_ahead(item: Item, content: Content, scene: Scene) -> None:
    for name, text in (("requested", content["requested_at"]), ("taken in", item.presented_at)):
        if moment(text) > scene.now + SKEW:
            raise NotCounted(f"it was {name} at {text}, and it is {rfc3339(scene.now)} here: a clock is wrong")


def _wanted(content: Content, scene: Scene) -> tuple[tuple[str, ...], str, timedelta]:
    """Roles that may sign, what it must bind to, and how long it may hold; its texts are the catalogue's."""
    rules = scene.rules
    if content["kind"] == APPROVAL:
        _says(content, APPROVED, "", [(APPROVED, contents.APPROVAL_TEXT)])
        if not content["signer_title"].strip():
            raise NotCounted("the approval needs the title of who gives it (signer_title is empty)")
        return rules.policy.approval_roles, "release", duration(APPROVAL_HOLDS)
    control = scene.known.controls.get(content["control"])
    if control is None:
        raise NotCounted(f"the catalogue has no control {content['control']}")
    if content["kind"] == WAIVER:
        return _waiver(content, control, rules)
    if not control.signed_by:
        raise NotCounted(f"{control.id} is not settled by a signature")
    _says(content, control.id, control.title, contents.asked_of(control))
    return (control.signed_by,), control.binds_to, control.age_limit


def _waiver(content: Content, control: Control, rules: Rules) -> tuple[tuple[str, ...], str, timedelta]:
    waiver = content["waiver"]
    if why := rules.policy.why_unwaivable(control.id):
        raise NotCounted(f"{control.id} cannot be waived: {why}")
    if waiver["covers"] not in COVERS or not waiver["reason"].strip() or not waiver["owner"].strip():
        raise NotCounted("the waiver does not say its owner, its reason, or what it covers")
    _says(content, control.id, control.title, [(control.id, waiver_text(content))])
    binds_to = content["binds_to"] if content["binds_to"] in contents.SCOPES else "release"
    return rules.policy.waiver_roles, binds_to, rules.policy.waiver_longest


def waiver_text(content: Mapping[str, Any]) -> str:
    """What is signed where something is waived."""
    waiver = content["waiver"]
    state = f"weaker than the document ({'; '.join(waiver['weaker'])})" if waiver["covers"] == "weaker" else ""
    return (
        f"It may stay {state or waiver['covers']} until {content['valid_until']}, for this {content['binds_to']}; "
        f"{waiver['owner']} answers for it. Reason: {waiver['reason']}"
    )


def _says(content: Content, control: str, title: str, wanted: list[tuple[str, str]]) -> None:
    said = [(one["id"], one["text"]) for one in content["statements"]]
    if content["control"] != control or content["title"] != title or said != wanted:
        raise NotCounted("what it states is not what the catalogue asks for this control")


def _answered(content: Content) -> None:
    answers = (contents.YES, contents.NO) if content["kind"] == ATTESTATION else (contents.YES,)
    for one in content["statements"]:
        if one["answer"].strip().casefold() not in answers:
            said = f"answered {one['answer']!r}" if one["answer"].strip() else "not answered"
            raise NotCounted(f"the statement {one['id']} is {said}; it takes {' or '.join(answers)}")


def _in_time(item: Item, content: Content, scene: Scene) -> None:
    """What is signed for one go-live is asked for and taken in within its time before that."""
    control = scene.known.controls.get(content["control"])
    if control is None or not control.signed_before or content["kind"] != ATTESTATION:
        return
    if scene.rules.go_live is None:
        raise NotCounted("nothing says when it goes live (bytebot_go_live, at)", lapsed=True)
    end = scene.rules.go_live
    begin = end - duration(control.signed_before)
    for name, text in (("requested", content["requested_at"]), ("taken in", item.presented_at)):
        if not begin - SKEW <= moment(text) <= end + SKEW:
            told = f"between {rfc3339(begin)} and {rfc3339(end)}"
            raise NotCounted(f"it was {name} at {text}, and it is to be signed {told}", lapsed=True)


def _holds(content: Content, scene: Scene, binds_to: str, longest: timedelta) -> None:
    if content["binds_to"] != binds_to:
        raise NotCounted(f"it binds to {content['binds_to']!r}, and it must to {binds_to}")
    requested, until = moment(content["requested_at"]), moment(content["valid_until"])
    if until > requested + longest:
        raise NotCounted(f"it is to hold until {content['valid_until']}, which is longer than {longest.days} days")
    if binds_to == "release" and not content["binding"]["release"]:
        raise NotCounted("it binds to a release and names none")
    for part in PARTS[binds_to]:
        was, now = content["binding"][part], getattr(scene.binding, part)
        if was != now:
            raise NotCounted(f"the {part} has changed since ({was[:12]}, now {now[:12] or 'not known'})", lapsed=True)
    if until <= scene.now:
        raise NotCounted(f"it was valid until {content['valid_until']}", lapsed=True)
