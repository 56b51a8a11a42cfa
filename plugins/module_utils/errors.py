# Errors that a person reads: one class per cause, each one clear sentence (what, where, what to do).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any


class CollectionError(Exception):
    """Base of all errors that end a module; ``details`` are added to the module's failed result."""

    def __init__(self, sentence: str, **details: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details

    def __str__(self) -> str:
        return self.sentence  # which may have been added to


class InputError(CollectionError):
    """An input is missing, malformed, or points to something that is not there."""


class LibraryMissing(CollectionError):
    """A Python package that the module needs is not installed for this interpreter."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(f"The Python package {package} is needed and cannot be imported: {reason}.")
        self.package = package


class ProgramMissing(CollectionError):
    """A command-line program that the module needs is not on this machine."""


class Unreachable(CollectionError):
    """The system did not answer, or could not: wrong address, network, too busy, or it is down."""


class NoBackend(Unreachable):
    """The Kubernetes API answered, and what stands behind a Service did not."""


class CredentialsRefused(CollectionError):
    """The system answered, and refused who asks (expired token, unknown certificate)."""


class NotPermitted(CollectionError):
    """The system knows who asks, and does not allow what was asked."""


class NotThere(CollectionError):
    """The named object or API does not exist."""


class Refused(CollectionError):
    """The system understood and refused the request (validation, admission, conflict)."""


class RecordUnreadable(Refused):
    """What Helm keeps of a release is there, and cannot be decoded."""


class CommandFailed(CollectionError):
    """A command-line program ended with an error."""


class RolloutFailed(CollectionError):
    """A deployment cannot succeed, with the cause."""


class TimedOut(CollectionError):
    """Something is slow but not known to be broken; the time given for it is over."""
