# The settings of signing in: token profile, lock-out, passwords, roles, bootstrap accounts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from bytebot_app import units

_s = BeforeValidator(units.seconds)
# What each documented profile calls itself, where nothing else is set.
ISSUERS = {"A": "bytebot-api", "B": "bytebot-auth-service"}
AUDIENCES = {"A": "bytebot-clients", "B": "bytebot-api"}
SECRET_LENGTH = {"production": 64, "staging": 64}
SHORTEST_SECRET = 32
_PLACEHOLDERS = ("your-", "change-this", "replace_with")
BOOTSTRAP_ROLES = ("ADMIN", "OPERATOR", "VIEWER", "API_CONSUMER")


class AuthSettings(BaseSettings):
    """The variables that decide who signs in, how, and what they may do."""

    jwt_profile: Literal["A", "B"] = "A"
    jwt_secret: SecretStr = SecretStr("")
    jwt_issuer: str = ""
    jwt_audience: str = ""

    auth_lockout_threshold: Annotated[int, Field(ge=0, le=1000)] = 5  # 0: never
    auth_lockout_duration: Annotated[int, _s, Field(ge=1, le=86400)] = 900
    auth_password_min_length: Annotated[int, Field(ge=8, le=64)] = 12
    auth_password_history: Annotated[int, Field(ge=0, le=24)] = 12
    auth_session_cleanup_interval: Annotated[int, _s, Field(ge=60, le=604800)] = 86400
    auth_session_idle_timeout: Annotated[int, _s, Field(ge=0, le=2592000)] = 0  # 0: as long as the refresh token
    auth_sessions_per_user: Annotated[int, Field(ge=0, le=1000)] = 0  # 0: any number
    rbac_source: Literal["matrix", "lists"] = "matrix"

    bootstrap_admin_username: str = ""
    bootstrap_admin_password: SecretStr = SecretStr("")
    bootstrap_operator_username: str = ""
    bootstrap_operator_password: SecretStr = SecretStr("")
    bootstrap_viewer_username: str = ""
    bootstrap_viewer_password: SecretStr = SecretStr("")
    bootstrap_api_consumer_username: str = ""
    bootstrap_api_consumer_password: SecretStr = SecretStr("")
    authentication_off_as: str = ""  # who everybody is where ENABLE_AUTHENTICATION is false
    bootstrap_team: str = "bytebot"  # the bootstrap accounts share it

    @property
    def issuer(self) -> str:
        """Who the tokens are from."""
        return self.jwt_issuer or ISSUERS[self.jwt_profile]

    @property
    def audience(self) -> str:
        """Who the tokens are for."""
        return self.jwt_audience or AUDIENCES[self.jwt_profile]

    def bootstrap(self, role: str) -> tuple[str, str]:
        """The name and the password of a role's bootstrap account; both empty where it is not wanted."""
        name = f"bootstrap_{role.lower()}"
        return getattr(self, f"{name}_username"), getattr(self, f"{name}_password").get_secret_value()


def problems(settings: AuthSettings) -> list[str]:
    """What is wrong between these settings."""
    found = []
    for role in BOOTSTRAP_ROLES:
        username, password = settings.bootstrap(role)
        if bool(username) != bool(password):
            lacking = "PASSWORD" if username else "USERNAME"
            found.append(f"BOOTSTRAP_{role}_{lacking}: it is not set, and its partner is")
    return found


def secret_problem(secret: str, environment: str) -> str:
    """What is wrong with the secret of profile B, which only those need who make and check tokens."""
    needed = SECRET_LENGTH.get(environment, SHORTEST_SECRET)
    if len(secret) < needed:
        return f"JWT_SECRET: it has {len(secret)} characters, {needed} are the least"
    return "JWT_SECRET: it is a placeholder" if any(part in secret.lower() for part in _PLACEHOLDERS) else ""
