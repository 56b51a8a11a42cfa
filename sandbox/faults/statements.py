# Faults in what people signed: a statement laid into the record that must not count, and lists that say something else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox import signers
from sandbox.errors import SandboxError
from sandbox.faults.fault import Act, Fault, Hands
from sandbox.files import put
from sandbox.shell import run

TECHNICAL, BUSINESS = "sign_off.technical", "sign_off.business"
DEVELOPMENT, OPERATIONS = f"{TECHNICAL}.development", f"{TECHNICAL}.operations"
OWNER, MANAGER = f"{BUSINESS}.product_owner", f"{BUSINESS}.project_manager"
REVIEWS = tuple(f"go_live.review.{item}" for item in ("security", "performance", "monitoring"))
ACCEPTANCE, ROLL_CALL = "go_live.testing.acceptance", "go_live.t_minus_2h.team"
TRAINED = "team.training.development"
ENVIRONMENT = "sandbox"  # the inventory's host
STALE = "stale"
Told = dict[str, Any]


def shelf(hands: Hands) -> Path:
    """Where the statements of the environment are kept."""
    return hands.reports / ENVIRONMENT / "statements"


def kept(hands: Hands, control: str) -> tuple[Path, Told, Told]:
    """The newest statement of a control: its file, what that holds, and what was signed.

    :raises SandboxError: nobody signed it.
    """
    found: list[tuple[str, Path, Told, Told]] = []
    for path in sorted(shelf(hands).glob("statement-*.json")):
        item = json.loads(path.read_text())
        told = json.loads(item["statement"])
        if told["control"] == control and told["kind"] == "attestation":
            found.append((told["requested_at"], path, item, told))
    if not found:
        raise SandboxError("fault", f"nobody has signed {control}", remedy="make sign")
    _at, path, item, told = max(found, key=lambda one: (one[0], one[1]))
    return path, item, told


def lay(hands: Hands, item: Told, told: Told | None = None, key: str = "") -> None:
    """Keep a statement as the record does; one that is told anew is signed by a demo signer's key."""
    item = {name: value for name, value in item.items() if name != "sha256"}
    if told is not None:
        text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
        draft = _aside(hands) / "draft.json"
        put(draft, text)
        draft.with_name("draft.json.sig").unlink(missing_ok=True)
        secret = signers.folder(hands.settings) / key
        run("fault", ["ssh-keygen", "-q", "-Y", "sign", "-f", secret, "-n", signers.NAMESPACE, draft])
        item |= {"statement": text, "signature": draft.with_name("draft.json.sig").read_text()}
    canonical = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name = f"statement-{hashlib.sha256(item['statement'].encode()).hexdigest()[:24]}.json"
    added = _aside(hands) / "added.json"
    known = json.loads(added.read_text()) if added.exists() else []
    put(added, json.dumps([*known, str(shelf(hands) / name)]))
    sealed = {**item, "sha256": hashlib.sha256(canonical.encode()).hexdigest()}
    put(shelf(hands) / name, json.dumps(sealed, indent=2))


def taken(hands: Hands, path: Path) -> None:
    """Take a statement out of the record; healing puts it back."""
    path.rename(_aside(hands) / path.name)


def restored(hands: Hands) -> None:
    """What was laid there goes, and what was taken out comes back."""
    aside = _aside(hands)
    added = aside / "added.json"
    for name in json.loads(added.read_text()) if added.exists() else []:
        Path(name).unlink(missing_ok=True)
    for path in sorted(aside.glob("statement-*.json")):
        path.rename(shelf(hands) / path.name)


def spoilt(control: str, change: Callable[[Told], object], key: str = "") -> Act:
    """Another text of what was signed, in its place, signed by the one who signed it or by another key."""

    def act(hands: Hands) -> None:
        path, item, told = kept(hands, control)
        signer = str(told["signer"]).removeprefix(signers.DEMO).partition("@")[0]
        change(told)
        taken(hands, path)
        lay(hands, item, told, key or signer)

    return act


def unsigned(control: str, old: str, new: str) -> Act:
    """Another text under the signature of the old one."""

    def act(hands: Hands) -> None:
        path, item, _told = kept(hands, control)
        taken(hands, path)
        lay(hands, item | {"statement": item["statement"].replace(old, new)})

    return act


def revoked(control: str) -> Act:
    """Somebody revoked it, as playbooks/attest.yml does."""

    def act(hands: Hands) -> None:
        path, item, _told = kept(hands, control)
        taken(hands, path)
        lay(hands, item | {"revoked": {"by": "security", "at": _now(), "reason": "The facts were wrong"}})

    return act


def _aside(hands: Hands) -> Path:
    folder = hands.folder / "statements"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _now(span: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + span).replace(microsecond=0).isoformat()


def _prettier(told: Told) -> None:
    """What was collected beside it looks better than what the run collected; its digest is still the old one."""
    told["facts"][0] |= {"state": "pass", "summary": "All is well."}


def _expired(told: Told) -> None:
    told |= {"requested_at": _now(-timedelta(days=80)), "valid_until": _now(-timedelta(days=1))}


def _two_teams(hands: Hands) -> None:
    """One person, who has both roles, signs for both teams."""
    path, item, told = kept(hands, OPERATIONS)
    told |= {"signer": "demo-development@bytebot.test", "requested_at": _now()}
    taken(hands, path)
    lay(hands, item, told, "development")


def _both_roles(_: Hands) -> Mapping[str, Any]:
    return {"bytebot_signers": _people({"development": ["development", "operations", "go_live"]})}


def _other_role(_: Hands) -> Mapping[str, Any]:
    """Who signed for the product is somebody of support."""
    return {"bytebot_signers": _people({"product_owner": ["support"]})}


def _people(other: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The demo signers, some with other roles."""
    crew = {"infrastructure", "development", "operations", "support"}
    usual = {role: [role, "go_live"] if role in crew else [role] for role in signers.ROLES}
    return [
        {"signer": f"demo-{name}@bytebot.test", "name": f"Demo {name.replace('_', ' ').title()}", "title": "DEMO",
         "roles": roles}
        for name, roles in (usual | other).items()
    ]  # fmt: skip


def _key_revoked(hands: Hands) -> Mapping[str, Any]:
    path = hands.folder / "revoked_keys"
    put(path, (signers.folder(hands.settings) / "project_manager.pub").read_text())
    return {"bytebot_revoked_keys": str(path)}


def _one_missing(hands: Hands) -> None:
    taken(hands, kept(hands, ROLL_CALL)[0])


def _live_now(_: Hands) -> Mapping[str, Any]:
    """The time of the roll-call is over."""
    return {"bytebot_go_live": {"at": _now()}}


# Whoever signed is asked for before the gate of the sign-off, so that of the stage deploy stays open.
FAULTS = (
    Fault(
        name="signature_wrong_key", says="a statement is signed by a colleague's key", layer="inputs", signed=True,
        turns_red=(DEVELOPMENT,), shuts=False, heal=restored,
        put=spoilt(DEVELOPMENT, lambda told: told, key="operations"),
    ),
    Fault(
        name="signature_wrong_role", says="who signed for the product has another role", layer="inputs", signed=True,
        turns_red=(OWNER, ACCEPTANCE), shuts=False, variables=_other_role,
    ),
    Fault(
        name="signature_text_changed", says="a statement was changed after it was signed", layer="inputs", signed=True,
        turns_red=(DEVELOPMENT,), shuts=False, heal=restored, put=unsigned(DEVELOPMENT, '"yes"', '"Yes"'),
    ),
    Fault(
        name="results_tampered", says="facts beside what was signed are prettier than the run's", layer="inputs",
        signed=True, turns_red=(f"{TECHNICAL}.security",), shuts=False, heal=restored,
        put=spoilt(f"{TECHNICAL}.security", _prettier),
    ),
    Fault(
        name="statement_unanswered", says="one statement of a sign-off has no answer", layer="inputs", signed=True,
        turns_red=(f"{TECHNICAL}.infrastructure",), shuts=False, heal=restored,
        put=spoilt(f"{TECHNICAL}.infrastructure", lambda told: told["statements"][0].update(answer="")),
    ),
    Fault(
        name="signature_by_requester", says="who signed had requested it", layer="inputs", signed=True,
        turns_red=(MANAGER,), shuts=False, heal=restored,
        put=spoilt(MANAGER, lambda told: told.update(requester=told["signer"])),
    ),
    Fault(
        name="signed_for_two_teams", says="one person signed for two teams", layer="inputs", signed=True,
        turns_red=(OPERATIONS,), shuts=False, put=_two_teams, heal=restored, variables=_both_roles,
    ),
    Fault(
        name="signing_key_revoked", says="the key that signed is on the list of revoked keys", layer="inputs",
        signed=True, turns_red=(MANAGER,), shuts=False, variables=_key_revoked,
    ),
    Fault(
        name="signature_revoked", says="a statement was revoked", layer="inputs", signed=True, turns=STALE,
        turns_red=(TRAINED,), shuts=False, put=revoked(TRAINED), heal=restored,
    ),
    Fault(
        name="signature_expired", says="the time of a statement is over", layer="inputs", signed=True, turns=STALE,
        turns_red=(OWNER,), shuts=False, put=spoilt(OWNER, _expired), heal=restored,
    ),
    Fault(
        name="signature_stale", says="a statement was signed for another release", layer="inputs", signed=True,
        turns=STALE, turns_red=(ACCEPTANCE,), shuts=False, heal=restored,
        put=spoilt(ACCEPTANCE, lambda told: told["binding"].update(release="0" * 64)),
    ),
    Fault(
        name="changed_after_signing", says="another configuration was deployed after the signatures", layer="values",
        signed=True, turns=STALE, playbook="deploy", shuts=False,
        turns_red=(*REVIEWS, ACCEPTANCE, OWNER, MANAGER, DEVELOPMENT, OPERATIONS,
                   f"{TECHNICAL}.infrastructure", f"{TECHNICAL}.security", "team.training.security"),
        variables=lambda _: {"bytebot_values": {"monitoring": {"logging": {"level": "warn"}}}},
    ),
    Fault(
        name="roll_call_one_missing", says="one who takes part did not sign the roll-call in time", layer="inputs",
        signed=True, turns_red=(ROLL_CALL,), shuts=False, put=_one_missing, heal=restored, variables=_live_now,
    ),
)  # fmt: skip
