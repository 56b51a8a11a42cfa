#!/usr/bin/python
# Judges a desktop that is used through the API, each action by its effect.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: computer_use_check
short_description: Judge the use of a desktop through the API, each action by its effect
version_added: 0.2.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(functional_testing.computer_use.mouse), C(functional_testing.computer_use.keyboard),
    C(functional_testing.computer_use.screenshot), C(functional_testing.computer_use.ocr) and
    C(functional_testing.computer_use.task).
  - All sixteen documented actions are asked for through O(path), and each is seen by another one. A short program is
    written to a file and started in a terminal. It draws a pattern of the run's own, which a screenshot must show, and
    words, which must be recognised; and it writes to a file what the terminal tells it of the pointer and of keys, as
    xterm and VTE do. What is pasted is read back from the file that the editor saved.
  - A task is made by the API that writes a file by the editor. It must come to C(COMPLETED), and the file must be
    there.
  - Its programs are ended and its files and tasks removed afterwards, and what an earlier call left, since it was
    killed.
  - Use it while nobody works on the desktop; the pointer moves and windows open.
  - C(go_live.t_zero.smoke) is a shorter visit of its own. Somebody signs in, a task is made and must be completed with
    its effect, and a screenshot must show the screen. Judge it alone by O(only).
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.web
  - bytebot.production.users
options:
  namespace:
    description: Namespace in which the Secrets of O(accounts) are.
    type: str
    default: ""
  desktop:
    description: The desktop of the release. All controls are V(pending) where it is not given.
    type: dict
    default: {}
    suboptions:
      width:
        description: Pixels that its screen is wide.
        type: int
        default: 1920
      height:
        description: Pixels that its screen is high.
        type: int
        default: 1080
      folder:
        description: The folder of the desktop in which files are made.
        type: str
        default: /home/user/Desktop
      editor:
        description: The application that is an editor.
        type: str
        default: vscode
  path:
    description: Where actions are asked for.
    type: str
    default: /api/v1/computer-use
  task_path:
    description: Where tasks are made.
    type: str
    default: /api/v1/tasks
  task:
    description:
      - What a task is asked for. V(<text>) stands for a text of the run's own, V(<file>) for the path of the file that
        must have it then.
    type: str
    default: Type "<text>" into the editor and save as "<file>"
  task_timeout:
    description: Seconds within which a task must be completed.
    type: float
    default: 120.0
  action_timeout:
    description: Seconds that one action may take, reading the screen among them.
    type: float
    default: 60.0
  most_wrong:
    description: The share of characters that may be recognised wrongly.
    type: float
    default: 0.1
  writes:
    description: Whether the desktop may be used, and files and a task be made.
    type: bool
    default: false
  main_role:
    description: The role of the account that uses the desktop.
    type: str
    default: operator
attributes:
  check_mode:
    description: In check mode nothing is sent, and all controls are V(pending).
    support: full
  diff_mode:
    description: What is made is removed again, so there is no difference to show.
    support: none
requirements:
  - "pillow >= 10 (Python package)"
  - "requests >= 2.32 (Python package)"
notes:
  - Needs get on the Secrets of O(accounts).
  - A terminal must have C(sh), C(stty), C(cat) and C(grep).
seealso:
  - module: bytebot.production.api_check
"""

EXAMPLES = r"""
- name: Judge the use of the desktop
  bytebot.production.computer_use_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    namespace: bytebot-production
    desktop: {width: 1920, height: 1080}
    accounts:
      - {role: operator, secret: bytebot-test-operator}
    writes: true
  register: computer_use

- name: Visit the application as a user does, right after it went live
  bytebot.production.computer_use_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    namespace: bytebot-production
    desktop: {width: 1920, height: 1080}
    accounts:
      - {role: operator, secret: bytebot-test-operator}
    writes: true
    only: [go_live.t_zero.smoke]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control:
      description: Id of the control.
      type: str
      returned: always
      sample: functional_testing.computer_use.mouse
    state:
      description: V(pass), V(fail), V(error), V(inconclusive) or V(pending).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Thresholds that were judged by and are weaker than the document's, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils import observe_smoke
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled, not_negative
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import USER_ARGS, door_of
from ansible_collections.bytebot.production.plugins.module_utils.checks import smoke
from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.smoke import SMOKE
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_computer import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

DESKTOP: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "width": {"type": "int", "default": 1920},
        "height": {"type": "int", "default": 1080},
        "folder": {"type": "str", "default": Scope(None).folder},
        "editor": {"type": "str", "default": Scope(None).editor},
    },
}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **HTTP_ARGS,
    **USER_ARGS,
    "desktop": DESKTOP,
    "path": {"type": "str", "default": Scope(None).path},
    "task_path": {"type": "str", "default": Scope(None).tasks},
    "task": {"type": "str", "default": Scope(None).task},
    "task_timeout": {"type": "float", "default": Scope(None).task_s},
    "action_timeout": {"type": "float", "default": 60.0},
    "most_wrong": {"type": "float", "default": Scope(None).most_wrong},
    "writes": {"type": "bool", "default": False},
    "main_role": {"type": "str", "default": Scope(None).main},
}


def judge_computer_use(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Use the desktop once and judge what came of it."""
    given = module.params
    known_only(given["only"], (*CHECKS.controls, SMOKE), "computer_use_check")
    not_negative(given, "task_timeout", "most_wrong")
    http = http_of({**given, "timeout": given["action_timeout"]})
    desktop = filled(given["desktop"], DESKTOP)
    if "'" in desktop["folder"] or not desktop["folder"].startswith("/"):
        raise InputError("desktop: folder is no absolute path without quotes.")
    used = not module.check_mode and bool(given["desktop"]) and given["writes"]
    scope = Scope(
        size=(desktop["width"], desktop["height"]) if given["desktop"] else None,
        path=given["path"],
        folder=desktop["folder"].rstrip("/"),
        tasks=given["task_path"],
        task=given["task"],
        task_s=given["task_timeout"],
        editor=desktop["editor"],
        most_wrong=given["most_wrong"],
        accounts=tuple(Account(**one) for one in given["accounts"]),
        main=given["main_role"],
        door=door_of(given, module.tmpdir, http, redactor) if used else None,
        writes=given["writes"],
        unasked="It needs a probe, and check mode sends none." if module.check_mode else "",
    )
    judged = set(given["only"] or (*CHECKS.controls, SMOKE))
    results = []
    if judged - {SMOKE}:
        results += CHECKS.judge(observe(http, scope, redactor), given["only"])
    if SMOKE in judged:
        results += smoke.CHECKS.judge(observe_smoke.observe(http, scope, redactor))
    return {"changed": False, **results_of(results, redactor)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_computer_use)


if __name__ == "__main__":
    main()
