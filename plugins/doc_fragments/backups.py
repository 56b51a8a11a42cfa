# Documents the options that a backup and its drill share (spec: module_utils/argspec_backup.py, BACKUP_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.backups``."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  store:
    description: Where the artifacts are kept, and for whom they are encrypted.
    type: dict
    suboptions:
      folder:
        description: Folder on the controller. It is made with mode 0700 where it is not there.
        type: path
        required: true
      certificate:
        description: Certificate, in PEM form, whose key opens the artifacts. The key itself is not needed to make them.
        type: path
        required: true
      key_file:
        description: The key, in PEM form and without a passphrase. Only a restore reads it.
        type: path
  tools:
    description: The image with PostgreSQL's server and tools, of the database's major version or a newer one.
    type: dict
    suboptions:
      image:
        description: Its name. It has C(sh) and the programs of GNU coreutils.
        type: str
        required: true
      user:
        description: The user that it runs as; one that is in its F(/etc/passwd).
        type: int
        default: 999
      memory:
        description: What its pods may use at most.
        type: str
        default: 512Mi
      room:
        description: Disk that a restored database may take.
        type: str
        default: 2Gi
  exclude_schemas:
    description: Schemas that are no part of the application's data. The manifest names them.
    type: list
    elements: str
    default: []
  copy:
    description: A bucket with the S3 API outside the failure domain, for second copies.
    type: dict
    suboptions:
      endpoint:
        description: Its address, V(https://host:port).
        type: str
        required: true
      bucket:
        description: Name of the bucket, which is there already.
        type: str
        required: true
      prefix:
        description: What the names of objects begin with.
        type: str
        default: ''
      region:
        description: Region, which is part of what is signed.
        type: str
        default: us-east-1
      access_key_file:
        description: File with the access key.
        type: path
        required: true
      secret_key_file:
        description: File with the secret key. It is read on the controller and never shown.
        type: path
        required: true
      ca_file:
        description: CA certificates of the store, in PEM form. The public ones where it is not set.
        type: path
      through_pod:
        description: Whether only pods reach it, so that a short-lived one of O(probe_image) carries the connection.
        type: bool
        default: false
  allowed_hosts:
    description: Host names that may be asked; that of O(copy) must be among them.
    type: list
    elements: str
    default: []
  probe_image:
    description: Image of the pod that carries connections; it has C(sh) and one of C(python3), C(bash) and C(nc).
    type: str
  timeout:
    description: Seconds that a pod of a backup or a drill may live.
    type: int
    default: 3600
"""
