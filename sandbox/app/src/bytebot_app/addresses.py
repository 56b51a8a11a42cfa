# Who asks, as far as the network tells: only a trusted proxy may speak for somebody else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

from starlette.types import Scope

_HOMES = 64  # what one connection gets of IPv6; whoever has such a network has all its addresses


def address_of(scope: Scope) -> str:
    """The address of the client; the proxies' headers were read before."""
    return str((scope.get("client") or ("unknown",))[0])


def limited_as(address: str) -> str:
    """The name under which an address is counted."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, _HOMES), strict=False).network_address)
    return str(found)
