# Writes files whole or not at all, only when they change, and renders templates.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2


def put(path: Path, text: str | bytes, mode: int = 0o600) -> bool:
    """True when the content changed. Some programs (kube-proxy) exit when their file is merely rewritten."""
    data = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.read_bytes() == data:
            path.chmod(mode)
            return False
    except FileNotFoundError:
        pass
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
        stream.write(data)
    new.chmod(mode)
    new.replace(path)
    return True


def b64(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def render(template: Path, values: Mapping[str, Any]) -> str:
    """Strict: an unknown name in a template is an error, not an empty string."""
    env = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    env.filters["b64"] = b64
    return env.from_string(template.read_text()).render(**values)
