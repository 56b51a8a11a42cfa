# Tells a file of templates in a Secret, which its reader fills, from what is left of a template that nobody filled.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.bytebot.production.plugins.module_utils.checks.placeholders import is_comment, mark_in
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_strength import is_secret_key
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_values import (
    LEFT_OVER,
    TEMPLATE,
    placeholder_flaw,
    template_flaw,
)

_TEMPLATE_FILE = re.compile(r"(?i)\.(?:go)?(?:tmpl|tpl|template|j2|jinja2?|erb|hbs|mustache)$")
# Filled by helm, or never.
_OF_HELM = re.compile(r"\{\{[^}]*(?<![\w)])(?:\.(?:Values|Release|Chart|Capabilities)\.|include\s+\")")
# What no reader fills in a file: a secret that is nothing but a template, as password: "{{ db_password }}".
_ASSIGNED = re.compile(
    r"""^[\s-]*(?:export\s+)?["']?([\w.-]+)["']?\s*[:=]\s*["']?\{\{(?:(?!\}\}).)*\}\}["']?[,;]?\s*$"""
)


def leftover_flaw(key: str, text: str) -> str:
    """What is left of a template or a placeholder in the value of a Secret, in words that repeat none of it.

    In a file of many lines templates may be what its reader fills, such as a title in a configuration of Alertmanager.
    """
    flaw = _of_file(key, text) if _is_file(text) else template_flaw(text)
    return flaw or ("holds a placeholder or an example" if mark_in(text) else "")


def _is_file(text: str) -> bool:
    return len(_told(text)) > 1


def _told(text: str) -> list[str]:
    """The lines that say something: no comment, and no mark alone."""
    return [line for line in text.splitlines() if re.search(r"\w", line) and not is_comment(line)]


def _of_file(key: str, text: str) -> str:
    if not _TEMPLATE_FILE.search(key):
        named = (found.group(1) for line in text.splitlines() if (found := _ASSIGNED.match(line)))
        nothing_else = not _told(TEMPLATE.sub("", text))
        if nothing_else or _OF_HELM.search(text) or any(is_secret_key(name) for name in named):
            return LEFT_OVER
    return placeholder_flaw(text)
