# What a Secret is to hold: the module's options, parsed and checked.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK
from ansible_collections.bytebot.production.plugins.module_utils.secret import certificates, derived
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Derived, Given, Made, Source
from ansible_collections.bytebot.production.plugins.module_utils.secret.certificates import Certificate
from ansible_collections.bytebot.production.plugins.module_utils.secret.given import Value
from ansible_collections.bytebot.production.plugins.module_utils.secret.made import KeyPair
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import NEVER, PREVIOUS
from ansible_collections.bytebot.production.plugins.module_utils.secret.sources import parse_source

MANAGED_BY = "app.kubernetes.io/managed-by"
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_HELMS = ("helm.sh/", "meta.helm.sh/")


@dataclass(frozen=True, slots=True)
class Spec:
    """One Secret: what names it, what stands on it, and the sources of its values."""

    namespace: str
    name: str
    type: str
    labels: Mapping[str, str]
    immutable: bool | None
    given: tuple[Given, ...]
    made: tuple[Made, ...]
    derived: tuple[Derived, ...]
    replace: frozenset[str]
    prune: bool

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"

    @property
    def sources(self) -> tuple[Source, ...]:
        return (*self.given, *self.made, *self.derived)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are listed."""
        return tuple(key for source in self.sources for key in source.keys)

    @property
    def names(self) -> tuple[str, ...]:
        """The words that the result and errors must be able to tell; none of them is secret."""
        sources = (name for source in self.given for name in source.names)
        labels = (text for label in self.labels.items() for text in label)
        return (str(self), self.type, *self.keys, *labels, *sources)


def parse(params: Mapping[str, Any]) -> Spec:
    """The specification in a module's parameters."""
    sources: list[Source] = [parse_source(str(key), given) for key, given in (params.get("data") or {}).items()]
    sources += [KeyPair.parse(index, pair) for index, pair in enumerate(params.get("key_pairs") or [])]
    issued = [
        Certificate.parse(index, given, params["namespace"])
        for index, given in enumerate(params.get("certificates") or [])
    ]
    issued.sort(key=lambda one: one.issuer is not None)  # an authority before what it signs
    sources += issued
    if params["state"] == "present" and not sources:
        raise InputError("There is nothing to keep in the Secret, for data, key_pairs and certificates are empty.")
    _check_keys(key for source in sources for key in source.keys)
    made = tuple(source for source in sources if isinstance(source, Made))
    composed = tuple(source for source in sources if isinstance(source, Derived))
    if params.get("immutable"):
        _refuse_rotation(made)
    listed = {key for source in sources if not isinstance(source, Derived) for key in source.keys}
    certificates.check(issued, listed)
    if lacking := derived.missing(composed, listed):
        raise InputError(
            f"data.{lacking[0]} is composed of the key {lacking[1]}, which is not listed, or is composed itself."
        )
    return Spec(
        namespace=params["namespace"],
        name=params["name"],
        type=params["type"],
        labels=_labels(params.get("labels") or {}),
        immutable=params.get("immutable"),
        given=tuple(source for source in sources if isinstance(source, Given)),
        made=made,
        derived=composed,
        replace=_replace(params.get("replace") or [], made),
        prune=bool(params.get("prune")),
    )


def shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """The option ``data`` as it may be printed: all of it but literal values."""
    return {
        key: {word: MASK if word == Value.word else option for word, option in given.items()}
        for key, given in data.items()
    }


def _check_keys(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if not _KEY.fullmatch(key) or key in (".", ".."):
            raise InputError(
                f"{key!r} cannot be a key of a Secret; a key has letters, digits, dots, hyphens, underscores."
            )
        if key in seen:
            raise InputError(f"The key {key} is given twice in data, key_pairs and certificates.")
        seen.add(key)
    for key in seen:
        if key.endswith(PREVIOUS) and key.removesuffix(PREVIOUS) in seen:
            raise InputError(f"The key {key} is kept for the value that {key.removesuffix(PREVIOUS)} had before.")


def _refuse_rotation(made: Iterable[Made]) -> None:
    """What time changes does not go with a Secret that never changes."""
    for source in made:
        if source.rotation != NEVER:
            raise InputError(
                f"{source.keys[0]} cannot be rotated in an immutable Secret. Leave rotate out; use replace when due."
            )


def _labels(given: Mapping[str, Any]) -> dict[str, str]:
    for label in given:
        if label == MANAGED_BY or str(label).startswith(_HELMS):
            raise InputError(f"labels cannot hold {label}, for it says who manages the Secret.")
    return {str(label): str(value) for label, value in given.items()}


def _replace(keys: Iterable[str], made: Iterable[Made]) -> frozenset[str]:
    replaceable = {key for source in made for key in source.keys}
    unknown = sorted(set(keys) - replaceable)
    if unknown:
        raise InputError(
            f"replace names {', '.join(unknown)}, which is not generated here. "
            f"Generated are: {', '.join(sorted(replaceable)) or 'none'}."
        )
    return frozenset(keys)
