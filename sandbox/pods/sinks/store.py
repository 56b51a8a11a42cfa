# What came, within bounds: the oldest goes, and a long text is cut.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

MOST = 500
LONGEST = 1 << 16


@dataclass(frozen=True)
class Message:
    """One that came.

    :param kind: `webhook`, `slack` or `mail`.
    :param to: what a webhook's path ends in, or a mail's receivers.
    """

    id: int
    at: str
    kind: str
    to: tuple[str, ...]
    sender: str
    subject: str
    text: str
    cut: bool = False


class Store:
    """Several threads put in and read."""

    def __init__(self, most: int = MOST, longest: int = LONGEST) -> None:
        self._kept: deque[Message] = deque(maxlen=most)
        self._longest = longest
        self._came = 0
        self._lock = threading.Lock()

    def put(self, kind: str, to: Sequence[str], text: str, *, sender: str = "", subject: str = "") -> Message:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        cut = len(text) > self._longest
        with self._lock:
            self._came += 1
            kept = Message(self._came, at, kind, tuple(to), sender, subject, text[: self._longest], cut)
            self._kept.append(kept)
        return kept

    def listing(self, *, kind: str = "", to: str = "", contains: str = "", after: int = 0) -> dict[str, Any]:
        """Those that fit, the oldest first, with how many came and how many of them are kept."""
        with self._lock:
            kept, came = list(self._kept), self._came
        fitting = [
            asdict(one)
            for one in kept
            if one.id > after
            and kind in {"", one.kind}
            and (not to or to in one.to)
            and (contains in one.text or contains in one.subject)
        ]
        return {"came": came, "kept": len(kept), "messages": fitting}
