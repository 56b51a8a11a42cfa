# The few forms of Thrift's binary protocol that a span needs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct as binary

Value = tuple[int, bytes]  # the type's number, and the bytes
_I32, _I64, _TEXT, _STRUCT, _LIST = 8, 10, 11, 12, 15


def i32(number: int) -> Value:
    return _I32, binary.pack(">i", number)


def i64(number: int) -> Value:
    return _I64, binary.pack(">q", number)


def text(words: str) -> Value:
    data = words.encode()
    return _TEXT, binary.pack(">i", len(data)) + data


def struct(*fields: tuple[int, Value]) -> Value:
    """Fields by their numbers."""
    return _STRUCT, b"".join(binary.pack(">bh", kind, number) + data for number, (kind, data) in fields) + b"\0"


def structs(values: list[Value]) -> Value:
    """A list of structures."""
    return _LIST, binary.pack(">bi", _STRUCT, len(values)) + b"".join(data for _kind, data in values)
