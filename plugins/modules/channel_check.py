#!/usr/bin/python
# Sends a test message through each channel by which people are told, and judges whether it came.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: channel_check
short_description: Judge channels of communication by a message through each
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(go_live.t_minus_2h.channels). A short message with a word of its own, which says that nothing is to be
    done, is sent through each of O(channels).
  - A webhook must answer 2xx, without a body that tells of an error (C(ok) is false, C(errors) has some,
    C(invalid_payload)). An SMTP server must take the mail for all recipients; how it answers C(QUIT) is no matter.
  - Where O(channels[].proof) says where received messages are listed, the message must be found there, too.
  - Nothing is sent without O(writes), nor in check mode. Only hosts in O(allowed_hosts) are asked, and certificates are
    always verified.
  - Addresses of webhooks are secrets in most systems. They are read from a file or a variable, and never shown.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.results
  - bytebot.production.services
options:
  channels:
    description: The channels. It is V(pending) without any.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name in the report.
        type: str
        required: true
      kind:
        description: V(webhook) and V(slack) get JSON with C(text) by a POST, V(smtp) gets a mail.
        type: str
        choices: [webhook, slack, smtp]
        required: true
      url:
        description: Address of a webhook that is no secret.
        type: str
      url_file:
        description: File with the address of a webhook. It is read on the controller and never shown.
        type: path
      url_variable:
        description: Environment variable with the address, in place of a file.
        type: str
      host:
        description: Host of an SMTP server.
        type: str
      port:
        description: Its port.
        type: int
        default: 587
      tls:
        description: How the connection to it is encrypted.
        type: str
        choices: [starttls, tls, none]
        default: starttls
      sender:
        description: Who a mail is from.
        type: str
      recipients:
        description: Who it is to.
        type: list
        elements: str
        default: []
      username:
        description: User name for SMTP.
        type: str
      password_file:
        description: File with the password of that user.
        type: path
      password_variable:
        description: Environment variable with that password, in place of a file.
        type: str
      proof:
        description: Where received messages are listed.
        type: dict
        suboptions:
          url:
            description: Address of the list, which answers JSON. C({nonce}) stands for the word of the message.
            type: str
            required: true
          query:
            description: JMESPath that finds the message, with C({nonce}) for its word.
            type: str
            required: true
          token_file:
            description: File with a bearer token for the list.
            type: path
          token_variable:
            description: Environment variable with that token, in place of a file.
            type: str
  about:
    description: The sentence by which the message says what it is for.
    type: str
    default: A go-live is being prepared, and this message tests the channel.
  writes:
    description: Whether messages may be sent. It is V(pending) where they may not.
    type: bool
    default: false
  delivery_within:
    description: Seconds in which messages must come, where that is seen.
    type: float
    default: 30.0
attributes:
  check_mode:
    description: In check mode nothing is sent, and the control is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "jmespath >= 1.0 (Python package)"
seealso:
  - module: bytebot.production.alerting_check
  - module: bytebot.production.contact_check
"""

EXAMPLES = r"""
- name: Judge the channels before a go-live
  bytebot.production.channel_check:
    channels:
      - {name: go-live room, kind: slack, url_variable: SLACK_WEBHOOK}
      - name: stakeholders
        kind: smtp
        host: mail.acme.net
        sender: deploy@acme.net
        recipients: [stakeholders@acme.net]
        username: deploy
        password_file: /run/secrets/mail
    allowed_hosts: [hooks.slack.com, mail.acme.net]
    writes: true
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: go_live.t_minus_2h.channels}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
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
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
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

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    LOGIN_ARGS,
    SERVICES_ARGS,
    login_of,
    secret_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.channels import CHECKS, ChannelFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import compiled
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.messages import Mail, Sent, mail, post
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Service
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_channels import (
    NONCE,
    SMTP,
    Channel,
    Proof,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_PORT = 587
_MOST_PORT = 65535
PROOF: dict[str, Any] = {
    "type": "dict",
    "options": {
        "url": {"type": "str", "required": True},
        "query": {"type": "str", "required": True},
        **{name: LOGIN_ARGS[name] for name in ("token_file", "token_variable")},
    },
}
CHANNEL: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True, "choices": ["webhook", "slack", "smtp"]},
    "url": {"type": "str"},
    "url_file": {"type": "path"},
    "url_variable": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "int", "default": _PORT},
    "tls": {"type": "str", "choices": ["starttls", "tls", "none"], "default": "starttls"},
    "sender": {"type": "str"},
    "recipients": {"type": "list", "elements": "str", "default": []},
    **{name: LOGIN_ARGS[name] for name in ("username", "password_file", "password_variable")},
    "proof": PROOF,
}
ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "channels": {"type": "list", "elements": "dict", "default": [], "options": CHANNEL},
    "about": {"type": "str", "default": "A go-live is being prepared, and this message tests the channel."},
    "writes": {"type": "bool", "default": False},
    "delivery_within": {"type": "float", "default": 30.0},
}


def judge_channels(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Send a message through each channel, and judge what came of it."""
    given: Mapping[str, Any] = module.params
    known_only(given["only"], CHECKS.controls, "channel_check")
    if given["delivery_within"] < 0:
        raise InputError(f"delivery_within {given['delivery_within']:g} is less than nothing.")
    why, remedy = _why_not(given, check_mode=module.check_mode)
    if why:
        facts = ChannelFacts(unasked=why, remedy=remedy)
    else:
        channels = tuple(_channel(one, given, redactor) for one in given["channels"])
        within = given["delivery_within"]
        facts = ChannelFacts(observe(channels, within, given["about"]), within_s=within)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _why_not(given: Mapping[str, Any], *, check_mode: bool) -> tuple[str, str]:
    if not given["channels"]:
        return "Needs input channels: none is named.", "Name them (in the inventory: bytebot_channels)."
    if check_mode:
        return "It needs a probe, and check mode sends none.", "Run without --check."
    if not given["writes"]:
        remedy = "Permit it for this environment (in the inventory: bytebot_tests_allowed, with the value writes)."
        return "Messages may not be sent in this environment.", remedy
    return "", ""


def _channel(one: Mapping[str, Any], given: Mapping[str, Any], redactor: Redactor) -> Channel:
    at = f"channels, {one['name']}"
    send, where = _mail(at, one, given, redactor) if one["kind"] == SMTP else _hook(at, one, given, redactor)
    return Channel(one["name"], one["kind"], where, send, _proof(at, one["proof"], given, redactor))


def _hook(
    at: str, one: Mapping[str, Any], given: Mapping[str, Any], redactor: Redactor
) -> tuple[Callable[[str, str], Sent], str]:
    if sum(bool(one[name]) for name in ("url", "url_file", "url_variable")) != 1:
        raise InputError(f"{at}: give one of url, url_file and url_variable.")
    url = one["url"] or secret_of(at, one, "url", redactor)
    parts = urlsplit(url)
    redactor.learn(None if one["url"] else parts.path)
    http = _http(url, given)
    return lambda subject, text: post(http, url, {"text": f"{subject}: {text}"}), parts.hostname or ""


def _mail(
    at: str, one: Mapping[str, Any], given: Mapping[str, Any], redactor: Redactor
) -> tuple[Callable[[str, str], Sent], str]:
    host, port = one["host"] or "", one["port"] or _PORT
    if not host or not one["sender"] or not one["recipients"]:
        raise InputError(f"{at}: a mail needs host, sender and recipients.")
    if not 0 < port <= _MOST_PORT:
        raise InputError(f"{at}: {port} is no port.")
    password = secret_of(at, one, "password", redactor)
    if bool(one["username"]) != bool(password):
        raise InputError(f"{at}: a user name and a password belong together.")
    if password and one["tls"] == "none":
        raise InputError(f"{at}: a password is not sent without encryption; use starttls or tls.")
    allowed = _http(f"https://{host}:{port}", given)  # refuses a host that may not be asked; nothing is sent by it
    way = Mail(
        host,
        port,
        one["sender"],
        tuple(one["recipients"]),
        one["tls"],
        one["username"] or "",
        password,
        given["ca_file"] or "",
        allowed.resolve.get(host.lower(), ""),
        given["timeout"],
    )
    return lambda subject, text: mail(way, subject, text), f"{host}:{port}"


def _proof(at: str, one: Mapping[str, Any] | None, given: Mapping[str, Any], redactor: Redactor) -> Proof | None:
    if not one:
        return None
    if NONCE not in one["url"] + one["query"]:
        raise InputError(f"{at}: proof has no {NONCE}, by which the message is found.")
    compiled(one["query"].replace(NONCE, "x"), f"{at}, proof")
    login = login_of(f"{at}, proof", {"url": one["url"], **one}, redactor)
    return Proof(Service(_http(one["url"], given), login), one["url"], one["query"])


def _http(url: str, given: Mapping[str, Any]) -> Http:
    return Http(
        url,
        given["allowed_hosts"],
        ca_file=given["ca_file"] or "",
        resolve={name: str(address) for name, address in given["resolve"].items()},
        timeout_s=given["timeout"],
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_channels)


if __name__ == "__main__":
    main()
