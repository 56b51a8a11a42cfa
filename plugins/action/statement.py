# Asks for statements to be signed, takes signed ones in, revokes and lists them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files, opening, results
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Environment
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.render import write
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import content as contents
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import ssh
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.desk import Desk, Waived, refused

STATES = ("requested", "present", "absent", "listed")
ASKING = ("kind", "controls", "run", "requester", "dest", "reason", "owner", "until", "scope")
OPTIONS = ("state", *ASKING, "src", "statement", "environment", "reports_dir", *opening.OPTIONS)
SIGNATURE = ".sig"


class ActionModule(ActionBase):
    """Runs on the controller, which has the record; see the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(OPTIONS)

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        variables, check = task_vars or {}, bool(self._task.check_mode)
        try:
            args: Mapping[str, Any] = results.plain(self._task.args)
            rules = opening.rules(args, variables)
            if rules is None:
                raise InputError("statements: nobody's signature counts; set bytebot_allowed_signers.")
            environment = Environment.of(args.get("environment"))
            folder = Path(str(args.get("reports_dir") or "reports")).expanduser().absolute() / environment.name
            place = opening.Place.of(args, variables)
            with opening.keeper(place, args, folder, Owner.of(os.getppid())) as keeper:
                desk = Desk(Store(keeper, environment), catalogue.load(), rules, variables)
                return {**outcome, **_done(desk, args, folder, check)}
        except CollectionError as exc:
            return {**outcome, "failed": True, "msg": exc.sentence}


def _done(desk: Desk, args: Mapping[str, Any], folder: Path, check: bool) -> dict[str, Any]:
    state = args.get("state", "present")
    if state == "requested":
        return _requested(desk, args, folder, check)
    if state == "present":
        return _present(desk, args, check)
    if state == "absent":
        item, new = desk.revoke(
            _text(args, "statement"), _text(args, "requester"), _text(args, "reason"), keep=not check
        )
        told = "is revoked" if new else "was revoked before"
        return {"changed": new, "statement": item.digest, "msg": f"Statement {item.digest[:12]} {told}."}
    if state == "listed":
        found = desk.listed()
        lines = [f"  {one['control']} {_counting(one)}" for one in found]
        return {"changed": False, "statements": found, "msg": "\n".join([f"{len(found)} statements.", *lines])}
    raise InputError(f"state: {state!r} is none of {', '.join(STATES)}.")


def _requested(desk: Desk, args: Mapping[str, Any], folder: Path, check: bool) -> dict[str, Any]:
    kind = args.get("kind", contents.ATTESTATION)
    if kind not in contents.KINDS:
        raise InputError(f"kind: {kind!r} is none of {', '.join(contents.KINDS)}.")
    waived = None
    if kind == contents.WAIVER:
        texts = (_text(args, "owner"), _text(args, "reason"), _text(args, "until"))
        waived = Waived(*texts, str(args.get("scope", "environment")))
    run = str(args.get("run") or "")
    made = desk.requests(kind, _texts(args, "controls"), _text(args, "requester"), run=run, waived=waived)
    dest = Path(str(args["dest"])).expanduser().absolute() if args.get("dest") else folder / "requests"
    if not check:
        files.make_folder(dest)
        for name, text in made.items():
            write.whole(dest / name, text)
    paths = [str(dest / name) for name in made]
    verb = "would be written" if check else "are to be signed"
    return {"changed": bool(made), "files": paths, "msg": f"{len(made)} statements {verb} in {dest}."}


def _present(desk: Desk, args: Mapping[str, Any], check: bool) -> dict[str, Any]:
    sources = [Path(one).expanduser().absolute() for one in _texts(args, "src")]
    if not sources:
        raise InputError("src: name the signed files.")
    taken: dict[str, str] = {}
    wrong: list[str] = []
    changed = False
    for path in sources:
        try:
            text = _read(path, contents.LARGEST)
            signature = _read(path.with_name(f"{path.name}{SIGNATURE}"), ssh.LARGEST_SIGNATURE)
            item, new = desk.take(text, signature.decode("utf-8", "replace"), keep=not check)
        except CollectionError as exc:
            wrong.append(refused(exc, path.name))
            continue
        taken[path.name] = item.digest
        changed = changed or new
    number = len(taken)
    told = f"{number} {'statement is' if number == 1 else 'statements are'} verified{' and kept' if not check else ''}."
    said = {"changed": changed, "statements": taken, "refused": wrong, "msg": "\n".join([told, *wrong])}
    return {**said, "failed": True} if wrong else said


def _counting(one: Mapping[str, Any]) -> str:
    if one["counts"]:
        return f"{one['statement'][:12]} by {one['signer']} counts"
    return f"{one['statement'][:12]} by {one['signer'] or 'nobody'} does not count: {one['why']}"


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(most + 1)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(text) > most:
        raise InputError(f"{path} is larger than {most} bytes")
    return text


def _text(args: Mapping[str, Any], name: str) -> str:
    given = args.get(name)
    if not isinstance(given, str) or not given.strip():
        raise InputError(f"{name}: it is needed for this state and kind; give a text.")
    return given.strip()


def _texts(args: Mapping[str, Any], name: str) -> list[str]:
    given = args.get(name) or []
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise InputError(f"{name}: give a list of texts.")
    return list(given)
