# Keeps secrets that come in as options, or that stand in Secrets, out of what Ansible prints and logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor


def take(module: AnsibleModule, option: str) -> Any:
    """Take an option that is ``no_log`` as a whole out of a module's parameters, leaving :data:`MASK`.

    Ansible masks every text and number inside such an option wherever it appears in the result: ``value: bytebot``
    would turn the namespace ``bytebot-production`` into asterisks. So the option is ``no_log`` while Ansible parses and
    logs it, and masked by its parts no longer once it is taken. The caller may put back what can be shown of it, which
    is what ``invocation`` then prints.
    """
    given = module.params[option]
    others = [name for name, spec in module.argument_spec.items() if spec.get("no_log") and name != option]
    still_hidden = {leaf for name in others for leaf in _leaves(module.params[name])}
    module.no_log_values -= set(_leaves(given)) - still_hidden
    module.params[option] = MASK
    return given


def learn(redactor: Redactor, values: Iterable[bytes], names: Iterable[str]) -> None:
    """Let the redactor mask values. One that is part of a name which the result must tell is masked encoded only."""
    told = " ".join(names)
    for value in values:
        encoded = b64encode(value).decode()
        redactor.learn(encoded if value.decode("utf-8", "replace").strip() in told else value)


def learn_secrets(redactor: Redactor, objects: Iterable[Mapping[str, Any]], names: Iterable[str]) -> None:
    """Let the redactor mask the values in those objects that are Secrets."""
    told = tuple(names)
    for obj in objects:
        if obj.get("kind") == "Secret":
            learn(redactor, data_of(obj).values(), told)


def data_of(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """The values of a Secret object, as bytes."""
    encoded = {key: _decoded(str(value)) for key, value in (secret.get("data") or {}).items()}
    plain = {key: str(value).encode() for key, value in (secret.get("stringData") or {}).items()}
    return {**encoded, **plain}


def _decoded(value: str) -> bytes:
    """What base64 stands for; a text that is none is refused by the API server, and is masked as it is until then."""
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return value.encode()


def _leaves(value: Any) -> Iterator[str]:
    """The texts and numbers in plain data, as Ansible lists them for masking."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
