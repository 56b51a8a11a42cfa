# The layers around all routes, from the innermost to the outermost, and the faults that can be put into them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bytebot_app import faults, faults_flow, faults_http, faults_injection, faults_operation, openapi
from bytebot_app.breaker import Breaker
from bytebot_app.cors import Cors
from bytebot_app.fault_layer import Fault, Wrong
from bytebot_app.limits import Identify, Limited, Windows
from bytebot_app.metrics import Metrics
from bytebot_app.middleware import Caught, Guarded, Observed, Refused, security_headers
from bytebot_app.settings import Settings

WRONG = {
    name: make
    for part in (faults_http.FAULTS, faults_flow.FAULTS, faults_injection.FAULTS, faults_operation.FAULTS)
    for name, (_says, make) in part.items()
}


def planted() -> tuple[Fault, ...]:
    """The faults of the HTTP side that the environment names; they have begun."""
    made = tuple(WRONG[name]() for name in faults.marked() if name in WRONG)
    for one in made:
        if one.begin:
            one.begin()
    return made


def changed(wrong: Sequence[Fault]) -> Mapping[str, Any]:
    """The settings that faults change, all together."""
    return {name: value for one in wrong for name, value in one.settings.items()}


def install(
    app: FastAPI, settings: Settings, metrics: Metrics, windows: Windows, identify: Identify, wrong: Sequence[Fault]
) -> None:
    """Put the layers around the application; the last one added stands outermost."""

    def name(scope: Scope) -> str:
        return openapi.form_of(app, scope["path"])

    for one in wrong:
        windows = one.windows(windows) if one.windows else windows
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit, patience_ms=settings.request_timeout)
    if settings.enable_rate_limiting:
        app.add_middleware(
            Limited,
            settings=settings,
            windows=windows,
            breaker=Breaker(settings),
            identify=identify,
            metrics=metrics,
            name=name,
        )
    app.add_middleware(Caught)
    app.add_middleware(
        Cors,
        origins=settings.cors_origins,
        credentials=settings.api_cors_credentials,
        metrics=metrics,
        development=settings.node_env == "development",
    )
    app.add_middleware(Refused)
    for one in wrong:
        if one.inside:
            app.add_middleware(Wrong, fault=one)
    app.add_middleware(Observed, metrics=metrics, headers=security_headers(settings), name=name)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    for fault in faults.marked():
        if fault in faults.FAULTS:
            app.add_middleware(faults.Faulty, fault=fault)
    for one in wrong:
        if (one.before or one.after) and not one.inside:
            app.add_middleware(Wrong, fault=one)


def install_few(app: FastAPI, settings: Settings) -> None:
    """The layers of a listener whose requests are not the application's: nothing is counted or limited."""
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit, patience_ms=settings.request_timeout)
    app.add_middleware(Caught)
    app.add_middleware(Refused)
    app.add_middleware(Observed, metrics=Metrics(), headers=security_headers(settings))
    # Who scrapes asks here; begun is a fault once, by the application itself.
    for fault in faults.marked():
        if fault in faults_flow.METRICS:
            app.add_middleware(Wrong, fault=WRONG[fault]())
