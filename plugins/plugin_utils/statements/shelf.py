# Keeps signed statements of an environment beside its runs, in files or in the cluster, word for word.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import STATEMENTS, Keeper
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.accept import Item

_REVOKED = ("by", "reason", "at")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The statements of one environment."""

    keeper: Keeper

    def items(self) -> tuple[dict[str, Item], dict[str, str]]:
        """What is kept, by name, and a sentence for each that cannot be used."""
        found: dict[str, Item] = {}
        defects: dict[str, str] = {}
        for name, content in self.keeper.sections(STATEMENTS).items():
            try:
                found[name] = self._item(name, content)
            except files.Unusable as exc:
                defects[name] = exc.sentence
        return found, defects

    def find(self, digest: str) -> tuple[str, Item]:
        """A statement by the beginning of its digest.

        :raises InputError: there is none, or more than one.
        """
        there = [(name, item) for name, item in self.items()[0].items() if item.digest.startswith(digest)]
        if len(there) != 1:
            what = "more than one statement" if there else "no statement"
            raise InputError(f"statement: {what} here has a digest that begins with {digest!r}.")
        return there[0]

    def put(self, item: Item, now: str) -> str:
        """Keep a statement; its name is made of its digest."""
        name = name_of(item)
        content: dict[str, Any] = {
            "schema_version": files.SCHEMA,
            "environment": self.keeper.folder.name,
            "statement": item.text.decode("utf-8"),
            "signature": item.signature,
            "presented_at": item.presented_at,
            "revoked": dict(item.revoked) if item.revoked is not None else None,
        }
        with self._held(now):
            self.keeper.write(STATEMENTS, name, content)
        return name

    @contextmanager
    def _held(self, now: str) -> Iterator[None]:
        """Nobody else writes; the lock of a run that this play has open stays."""
        mine = self.keeper.guard.run_of_mine()
        with self.keeper.guard.held(mine or STATEMENTS, now):
            yield
        if not mine:
            self.keeper.guard.release()

    def _item(self, name: str, content: Mapping[str, Any] | files.Unusable) -> Item:
        if isinstance(content, files.Unusable):
            raise content
        where = self.keeper.named(STATEMENTS, name)
        if content.get("environment") != self.keeper.folder.name:
            raise files.Unusable(f"{where} belongs to another environment ({content.get('environment')!r}).")
        revoked = content.get("revoked")
        try:
            revoked = {key: str(revoked[key]) for key in _REVOKED} if revoked is not None else None
            item = Item(content["statement"].encode(), str(content["signature"]), content["presented_at"], revoked)
            moment(item.presented_at)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise files.Unusable(f"{where} holds no signed statement; present it anew.") from exc
        if name != name_of(item):
            raise files.Unusable(f"{where} holds another statement than its name says; present it anew.")
        return item


def name_of(item: Item) -> str:
    """The name under which a statement is kept."""
    return f"statement-{item.digest[:24]}"
