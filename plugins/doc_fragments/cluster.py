# Documents the options by which a module reaches the Kubernetes API (spec: module_utils/argspec.py, CLUSTER_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach one cluster."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig file to use.
      - Where neither it nor O(host) is set, the environment variables E(K8S_AUTH_HOST), E(K8S_AUTH_KUBECONFIG) and
        E(KUBECONFIG) are asked in this order, then C(~/.kube/config) is used. It is one file; a list of files is not
        supported.
    type: path
  context:
    description:
      - The context in the kubeconfig. Where it is not set, that of E(K8S_AUTH_CONTEXT), or else the kubeconfig's own
        current one is used. It means a kubeconfig, so with it E(K8S_AUTH_HOST) is not asked.
    type: str
  host:
    description:
      - Address of the API server, for example V(https://10.0.0.1:6443). Where it is set, no kubeconfig is read.
      - Where it comes from E(K8S_AUTH_HOST), the token is that of E(K8S_AUTH_API_KEY) and the CA certificate that of
        E(K8S_AUTH_SSL_CA_CERT), as AWX's own credential type for a bearer token sets them.
    type: str
  api_key:
    description:
      - Bearer token for O(host), for example of a service account.
    type: str
  ca_cert:
    description:
      - Path of the CA certificate that signed the certificate of O(host). Where it is not set, the system's are used.
    type: path
requirements:
  - "kubernetes >= 31 (Python package)"
"""
