# What can go wrong with a request, and the one shape in which it is told.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pydantic import ValidationError
from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that cannot be served; the text is told to the caller."""

    status = 500


class Wrong(Problem):
    """The request's own parameters are bad."""

    status = 400


class Refused(Problem):
    """The caller may not do this."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class NoEngine(Problem):
    """There is nothing that could read the picture."""

    status = 503


def answer(problem: Problem) -> JSONResponse:
    """``{"success": false, "error": "…"}``."""
    return JSONResponse({"success": False, "error": str(problem)}, problem.status)


def worded(error: ValidationError, whole: bool = False) -> Wrong:
    """Pydantic's findings as one sentence."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        # The first part of the place is the action's name, where the union told the actions apart.
        place = ".".join(str(part) for part in item["loc"][0 if whole else 1 :]) or "body"
        found.append(f"{place}: {item['msg']}")
    return Wrong("; ".join(found))
