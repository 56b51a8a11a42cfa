# Values as helm takes them: files in their order, then inline values, by standard input and never by argument.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor


@dataclass(frozen=True, slots=True)
class Values:
    """Values files and inline values. Helm itself reads and merges them, so types and nulls mean what helm says."""

    files: tuple[str, ...] = ()
    inline: Mapping[str, Any] | None = None
    contents: tuple[Any, ...] = field(default=(), repr=False)

    @classmethod
    def checked(cls, files: Sequence[str], inline: Mapping[str, Any] | None) -> Values:
        """Values whose files are there, readable, and YAML mappings."""
        loaded = [_checked_file(name) for name in files]
        return cls(
            tuple(path for path, _content in loaded), inline or None, tuple(content for _path, content in loaded)
        )

    def teach(self, redactor: Redactor) -> None:
        """Let the redactor mask the values whose keys say that they are secret: helm's messages may repeat them."""
        for content in (*self.contents, self.inline):
            redactor.learn_marked(content)

    def arguments(self) -> list[str]:
        """The ``--values`` arguments; ``-`` is standard input, last, so that inline values win."""
        names = [*self.files, *(["-"] if self.inline else [])]
        return [part for name in names for part in ("--values", name)]

    def upgrade_arguments(self) -> list[str]:
        """The same for ``helm upgrade``, which without values would silently keep those of the last revision."""
        return ["--reset-values", *self.arguments()]

    def merged(self) -> dict[str, Any]:
        """All given values in one, as helm merges them; a key that is null stays, for it takes the chart's own away."""
        result: dict[str, Any] = {}
        for layer in (*self.contents, self.inline):
            result = _laid(result, layer or {})
        return result

    def over(self, changes: Mapping[str, Any]) -> Values:
        """The same with some changes over all."""
        return replace(self, inline=_laid(self.inline or {}, changes) or None)

    def stdin(self) -> str | None:
        """Inline values as JSON for standard input."""
        return json.dumps(self.inline) if self.inline else None


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = _laid(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return result


def _checked_file(name: str) -> tuple[str, Any]:
    path = Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise InputError(f"There is no values file at {path}.") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(
            f"The values file {path} cannot be read: {getattr(exc, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from exc
    loaded = yaml_text.load(text, f"The values file {path}")
    if loaded is not None and not isinstance(loaded, Mapping):
        raise InputError(f"The values file {path} holds a {type(loaded).__name__}, where keys and values are needed.")
    return str(path), loaded
