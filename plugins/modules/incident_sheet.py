#!/usr/bin/python
# Writes the incident sheet of one environment: what runs, who to call, how to go back, where to look.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_sheet
short_description: Write what one needs in an incident on one page
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Writes C(incident.md) and C(incident.html), each one page. It tells what runs (release, revision, images), who is
    called and how urgent what is, the exact commands by which this environment goes back, and where to look.
  - Where something is not known, the page says so, and names the input.
  - The people's numbers stand on the page and nowhere in the module's result. No secret stands on it; addresses are
    shown without credentials and queries.
  - Nothing is judged, and nothing of the cluster is changed.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  environment:
    description: Name of the environment, as the inventory has it.
    type: str
    required: true
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  inventory:
    description: The inventory, as the command by which one goes back names it.
    type: str
    default: ""
  contacts:
    description: The register of contacts, as M(bytebot.production.contact_check) takes it.
    type: raw
  escalation:
    description: The register of escalation, as M(bytebot.production.contact_check) takes it.
    type: raw
  folder:
    description: Folder that paths of registers are in.
    type: path
  links:
    description: Where to look, as dashboards and runbooks, by their names.
    type: dict
    default: {}
  dest:
    description: The folder that takes the two files.
    type: path
    required: true
attributes:
  check_mode:
    description: Nothing is written in check mode, which tells what would be.
    support: full
  diff_mode:
    description: The page is not shown as a difference, since it has people's numbers.
    support: none
notes:
  - This account needs C(list) on the Secrets that hold Helm's record, and C(get) on ConfigMaps. Where the release may
    not be read, the page says so.
seealso:
  - module: bytebot.production.contact_check
  - module: bytebot.production.helm_rollback
"""

EXAMPLES = r"""
- name: Write the sheet
  bytebot.production.incident_sheet:
    environment: production
    namespace: bytebot-production
    release: bytebot
    inventory: inventories/production
    contacts: /srv/bytebot-docs/people/contacts.yml
    escalation: /srv/bytebot-docs/people/escalation.yml
    links:
      Overview: https://grafana.bytebot.com/d/bytebot-overview
      Runbooks: https://docs.bytebot.com/runbooks
    dest: /srv/bytebot-docs/incident
"""

RETURN = r"""
files:
  description: The files that were (or would be) written.
  returned: success
  type: list
  elements: str
  sample: [/srv/bytebot-docs/incident/incident.md, /srv/bytebot-docs/incident/incident.html]
rollback_to:
  description: The revision that the page leads back to; V(0) where there is none.
  returned: success
  type: int
not_known:
  description: What the page could not tell, in words.
  returned: success
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm import rollback_record
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback import Aim, choose, runs_before
from ansible_collections.bytebot.production.plugins.module_utils.incident import (
    NOT_SAID,
    Incident,
    Place,
    Revision,
    Way,
    markdown,
    page,
    sections,
)
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.paths import own
from ansible_collections.bytebot.production.plugins.module_utils.podspec import images
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.registers import register_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import learn_secrets

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "environment": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "inventory": {"type": "str", "default": ""},
    "contacts": {"type": "raw"},
    "escalation": {"type": "raw"},
    "folder": {"type": "path"},
    "links": {"type": "dict", "default": {}},
    "dest": {"type": "path", "required": True},
}
MODE = 0o600  # it has people's numbers


def write(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask what runs, read the registers, write the page."""
    given = module.params
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    place = Place(
        given["environment"],
        given["namespace"],
        given["release"],
        given["inventory"],
        given["context"] or "",
        given["kubeconfig"] or "",
    )
    now, problem, way = _release(Cluster(connection, module.tmpdir), place, redactor)
    links = {str(name): str(url) for name, url in given["links"].items()}
    registers = (register_of("contacts", given), register_of("escalation", given))
    sheet = Incident(place, now, problem, way, *registers, links)
    told = sections(sheet)
    files = {"incident.md": markdown(sheet, told), "incident.html": page(sheet, told)}
    folder = own(given["dest"])
    if not module.check_mode:
        _written(folder, {name: redactor.text(text) for name, text in files.items()})
    return {
        "changed": True,  # the time stands in it, so that it is another one each time
        "files": [str(folder / name) for name in files],
        "rollback_to": way.to.number if way.to else 0,
        "not_known": [f"{title}: {row.name}" for title, rows in told for row in rows if NOT_SAID in row.text],
    }


def _release(cluster: Cluster, place: Place, redactor: Redactor) -> tuple[Revision | None, str, Way]:
    """What runs, or why that is not known, and the way back."""
    try:
        known = history(cluster, place.release, place.namespace, os.environ.get("HELM_DRIVER", ""))
        records = rollback_record.read(cluster, place.namespace)
    except CollectionError as exc:
        return None, exc.sentence.rstrip("."), Way(why_not=exc.sentence.rstrip("."))
    if not known:
        return None, "it is not deployed", Way(why_not="the release is not deployed")
    last = next((one for one in reversed(records) if one.release == place.release), None)
    now = next((one for one in known if one.status == "deployed"), known[0])
    for one in known:
        learn_secrets(redactor, (*one.objects, *one.hooks), (place.release, place.namespace))
    try:
        choice = choose(known, Aim())
    except InputError as exc:
        return _revision(now), "", Way(why_not=exc.sentence.rstrip("."), last=last)
    if choice.already:
        why = f"what runs is the last good revision already ({choice.why}); to go further back, name an older one"
        return _revision(now), "", Way(why_not=why, last=last)
    before = tuple(one["what"] for one in runs_before(known[0], choice.target, place.namespace))
    return _revision(now), "", Way(_revision(choice.target), before=before, last=last)


def _revision(one: Release) -> Revision:
    chart = f"{one.chart_name} {one.chart_version}"
    return Revision(one.revision, chart, one.app_version, one.updated[:19], tuple(images(one.objects)))


def _written(folder: Any, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = folder / f".{name}.new"
            fresh.touch(mode=MODE)
            fresh.chmod(MODE)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        except OSError as exc:
            raise InputError(f"dest: {path} cannot be written ({(exc.strerror or 'error').lower()}).") from exc


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), write)


if __name__ == "__main__":
    main()
