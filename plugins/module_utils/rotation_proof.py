# Signs the claims of a new session by the keys of before and after a rotation, so that only the key makes a difference.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.forge import Keys, parts_of, signed
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec


def keys_of(cluster: Cluster, spec: Spec, redactor: Redactor) -> dict[str, bytes]:
    """The values that a drill rotates, by name; none where they cannot be read, since nothing can be signed then."""
    try:
        found = data_of(cluster.get("v1", "Secret", spec.name, spec.namespace) or {})
    except CollectionError:
        return {}
    kept = {name: value for name, value in found.items() if name in spec.replace}
    for value in kept.values():
        redactor.learn(value)
    return kept


def pairs(before: str, after: str, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterable[tuple[str, str]]:
    """For each key, a token of the new session that is signed by it, and the same signed by what it was before.

    :param before: a token of before the rotation, whose header says which key signed it. :param after: a new one.
    """
    for name in sorted(old.keys() & new.keys()):
        right, wrong = _signed(after, after, new[name]), _signed(before, after, old[name])
        if right and wrong and right != after and old[name] != new[name]:
            yield right, wrong


def _signed(headed: str, claiming: str, private: bytes) -> str:
    """A token with the header of one and the claims of another; empty where the key cannot sign it.

    The claims stand in another order, so that it is taken only by who looks at the signature and not at the very text.
    """
    first, second = parts_of(headed), parts_of(claiming)
    if first is None or second is None:
        return ""
    try:
        return signed(first[0], dict(reversed(second[1].items())), Keys(private=private))
    except (ValueError, LibraryMissing):
        return ""
