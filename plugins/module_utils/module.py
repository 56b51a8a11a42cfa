# The thin frame of every module: run the work, redact what leaves, turn errors into one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Work = Callable[[AnsibleModule, Redactor], dict[str, Any]]


def run_module(module: AnsibleModule, work: Work) -> NoReturn:
    """Do the work and exit with its result; whatever leaves has passed the redactor.

    Any error ends the module with one sentence in ``msg``; the details of a known error stand beside it.
    """
    redactor = Redactor()
    try:
        outcome = _done(module, work, redactor)
    except LibraryMissing as exc:
        module.fail_json(msg=missing_required_lib(exc.package))
    except CollectionError as exc:
        module.fail_json(msg=redactor.text(exc.sentence), **redactor.data(exc.details))
    except Exception as exc:
        frame = traceback.extract_tb(exc.__traceback__)[-1]
        where = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
        text = redactor.text(str(exc))
        module.fail_json(msg=f"Unexpected {type(exc).__name__} at {where}: {text}. This is a defect of the collection.")
    module.exit_json(**outcome)


def _done(module: AnsibleModule, work: Work, redactor: Redactor) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = redactor.data(work(module, redactor))
        return outcome
    finally:
        module.params = redactor.data(module.params)  # Ansible repeats them as `invocation`
