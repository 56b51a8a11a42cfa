# The component websocket: Socket.IO with its health and its metrics, and none of the API's routes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from fastapi import FastAPI

from bytebot_app import audit, errors, health, layers
from bytebot_app.api import Parts, lifespan_of
from bytebot_app.auth import Auth
from bytebot_app.breaker import Breaker
from bytebot_app.limits import Identity
from bytebot_app.middleware import SOCKETS
from bytebot_app.reading import reader
from bytebot_app.realtime import Realtime
from bytebot_app.revocations import Revocations
from bytebot_app.settings import Settings
from bytebot_app.tokens import Tokens


def sockets_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application of that component; events reach its connections by way of Redis, whoever causes them."""
    wrong = layers.planted()
    settings = settings.model_copy(update=dict(layers.changed(wrong)))
    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=lifespan_of(parts))
    revocations = Revocations(parts.marks, parts.store, settings.jwt_expires_in, Breaker(settings))
    tokens = Tokens(settings, parts.keys)
    auth = Auth(settings, parts.store, tokens, revocations, parts.metrics)
    app.state.realtime = realtime = Realtime(
        auth, reader(parts.store), parts.metrics, settings.cors_origins, parts.events
    )
    errors.install(app)
    if settings.enable_health_checks:
        app.include_router(health.router(parts.health))
    app.mount(SOCKETS, realtime)
    parts.health.steps["websocket_server"] = "listening"
    app.add_middleware(audit.Seen)
    identify = Identity(tokens, revocations, settings.rate_limit_order)
    layers.install(app, settings, parts.metrics, parts.windows, identify, wrong)
    return app
