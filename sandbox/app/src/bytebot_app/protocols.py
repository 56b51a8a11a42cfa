# The server's own answers, to what is no HTTP request or no handshake, have the shape and the headers of all others.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import RejectConnection
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from bytebot_app.errors import plain

Pairs = list[tuple[bytes, bytes]]


def protocols(headers: Mapping[str, str]) -> tuple[type[H11Protocol], type[WSProtocol]]:
    """For HTTP and for WebSockets, with these headers on every answer."""

    def own() -> Pairs:
        told = {**headers, "x-correlation-id": str(uuid.uuid4()), "Connection": "close"}
        return [(name.encode(), value.encode()) for name, value in told.items()]

    class Http(H11Protocol):
        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it tells of the inside
            answer = plain(400, details=[{"field": "request", "message": "it is not HTTP"}])
            events = [
                h11.Response(status_code=400, reason=b"Bad Request", headers=[*answer.raw_headers, *own()]),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ]
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
            self.transport.close()

    class Sockets(WSProtocol):
        def data_received(self, data: bytes) -> None:
            try:
                self.conn.receive_data(data)
            except RemoteProtocolError as exc:
                hint = exc.event_hint
                if isinstance(hint, RejectConnection):
                    hint = replace(hint, headers=[*hint.headers, *own()])
                if hint is not None:
                    self.transport.write(self.conn.send(hint))
                self.transport.close()
            except LocalProtocolError:
                self.transport.close()
            else:
                self.handle_events()

    return Http, Sockets
