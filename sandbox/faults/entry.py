# Faults of the public way to the application: certificates, old TLS, names, health; each seen from outside the cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import ssl
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import yaml

from sandbox import probe
from sandbox.api import ApiError
from sandbox.faults.certificates import issued, self_signed
from sandbox.faults.fault import API, NAMESPACE, Act, Fault, Hands
from sandbox.faults.ingress import CONTROLLER, ELSEWHERE, NAMES, RESOLVER
from sandbox.faults.keeping import Object, changed, ready, restored, stamped, steps
from sandbox.files import b64

CORE = f"/api/v1/namespaces/{NAMESPACE}"
SERVICE, TLS = f"{CORE}/services/bytebot-api", f"{CORE}/secrets/bytebot-tls-secret"
FILE = "/api/v1/namespaces/ingress/configmaps/traefik"
UNREADY = f"{CORE}/pods/sandbox-unready"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
OF_API = "labelSelector=kubernetes.io%2Fservice-name%3Dbytebot-api"
KIND = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/certificates.cert-manager.io"
MANAGED = f"/apis/cert-manager.io/v1/namespaces/{NAMESPACE}/certificates/bytebot"
HOST, OTHER_HOST = "api.bytebot.test", "www.bytebot.test"
CERTIFICATE = "infrastructure.ingress.certificate"
HEALTH, BALANCED = "/health/ready", "infrastructure.ingress.health_endpoint"
# X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL.
SELF_SIGNED, OTHER_NAME = 18, 62
# Record types, the handshake's version of TLS 1.0, and where its answer says the version that was chosen.
HANDSHAKE, TLS_1_0, CHOSEN = 22, b"\x03\x01", slice(9, 11)
# All of the cluster but the node, which asks by the first address of the pods' network.
INSIDE = """\
{zone}:53 {{
    view inside {{
        expr incidr(client_ip(), '{pods}') && client_ip() != '{node}'
    }}
    errors
    template IN A {{
        answer "{{{{ .Name }}}} 5 IN A {address}"
    }}
    template IN ANY {{
        rcode NOERROR
    }}
}}
"""


# ---------------------------------------------------------------------------- certificates and TLS


def _shows(certificate: bytes, key: bytes) -> Callable[[Object], object]:
    return lambda secret: secret["data"].update({"tls.crt": b64(certificate), "tls.key": b64(key)})


def _entered(change: Callable[[dict[str, Any]], object]) -> Act:
    """Another dynamic configuration of the ingress controller, which is started anew to know it."""

    def change_text(file: Object) -> None:
        read = yaml.safe_load(file["data"]["tls.yaml"])
        change(read)
        file["data"]["tls.yaml"] = yaml.safe_dump(read, sort_keys=False)

    return steps(changed(FILE, change_text), changed(CONTROLLER, stamped, then=ready(CONTROLLER)))


def _for_another_host(hands: Hands) -> None:
    """Also where no certificate fits the name that is asked for: the controller would show its own."""
    certificate, key = issued(hands.pki, "ingress-issuing-ca", [OTHER_HOST])
    chain = certificate + hands.pki.path("ingress-issuing-ca.crt").read_bytes()
    default = {"defaultCertificate": {"certFile": chain.decode(), "keyFile": key.decode()}}
    changed(TLS, _shows(chain, key))(hands)
    _entered(lambda file: file["tls"].update(stores={"default": default}))(hands)


def _by_itself(hands: Hands) -> None:
    changed(TLS, _shows(*self_signed([HOST])))(hands)


def _old_tls(file: dict[str, Any]) -> None:
    file["tls"]["options"]["default"]["minVersion"] = "VersionTLS10"


def _connected(hands: Hands) -> ssl.SSLSocket:
    """To the public address, from the machine, with everything verified."""
    s = hands.settings
    context = ssl.create_default_context(cafile=str(s.handover / "ingress-ca.crt"))
    plain = probe.connect(s, s.node_address, 443, inside=False)
    try:
        return context.wrap_socket(plain, server_hostname=HOST)
    except BaseException:
        plain.close()
        raise


def _refused(code: int) -> Callable[[Hands], bool]:
    """Who verifies is told this cause by the library."""

    def seen(hands: Hands) -> bool:
        try:
            _connected(hands).close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_code == code
        except OSError:
            return False
        return False

    return seen


def _hello() -> bytes:
    """The beginning of a handshake of TLS 1.0, and of nothing newer, as no library of today sends it."""
    name = HOST.encode()
    server = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    extensions = b"".join(
        struct.pack(">HH", number, len(body)) + body
        for number, body in ((0, server), (10, b"\x00\x04\x00\x1d\x00\x17"), (11, b"\x01\x00"))
    )
    ciphers = bytes.fromhex("c009c00ac013c014002f0035")
    body = TLS_1_0 + bytes(32) + b"\0" + struct.pack(">H", len(ciphers)) + ciphers + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return bytes([HANDSHAKE]) + TLS_1_0 + struct.pack(">H", len(message)) + message


def _takes_tls_1_0(hands: Hands) -> bool:
    said = probe.exchange(hands.settings, hands.settings.node_address, 443, _hello())
    return said[:1] == bytes([HANDSHAKE]) and said[CHOSEN] == TLS_1_0


def _kind() -> Object:
    """cert-manager's kind, as far as a Certificate's state goes; its controller is not there."""
    names = {"plural": "certificates", "singular": "certificate", "kind": "Certificate"}
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": anything}
    spec = {"group": "cert-manager.io", "names": names, "scope": "Namespaced", "versions": [version]}
    meta = {"name": KIND.rpartition("/")[2]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}


def _served(hands: Hands) -> bool:
    """Whether the API serves the kind; right after it is known, its store is still made (429)."""
    try:
        return hands.cluster.get(MANAGED.rpartition("/")[0]) is not None
    except ApiError as error:
        if error.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return False


def _not_ready(hands: Hands) -> None:
    hands.apply(KIND, _kind())
    hands.until(lambda: _served(hands), "the API serves the kind")
    condition = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "the issuer refuses"}
    meta = {"name": "bytebot", "namespace": NAMESPACE}
    spec = {"secretName": "bytebot-tls-secret", "dnsNames": [HOST], "issuerRef": {"name": "public"}}
    body = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": meta, "spec": spec}
    hands.apply(MANAGED, {**body, "status": {"conditions": [condition]}})


def _is_not_ready(hands: Hands) -> bool:
    conditions = (hands.cluster.get(MANAGED) or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "False" for one in conditions)


# ---------------------------------------------------------------------------- names


def _answer_inside(hands: Hands) -> None:
    s = hands.settings
    node = f"{s.node_pod_network.rpartition('.')[0]}.1"
    block = INSIDE.format(zone=s.domain, pods=s.pod_network, node=node, address=ELSEWHERE)
    change = changed(NAMES, lambda names: names["data"].update(Corefile=block + names["data"]["Corefile"]))
    steps(change, changed(RESOLVER, stamped, then=ready(RESOLVER)))(hands)


def _answers_differ(hands: Hands) -> bool:
    """The node is told the published address, and a pod another one."""
    s = hands.settings
    if hands.cluster.get(API) is None or not probe.resolves(s, s.dns_service, HOST, s.node_address):
        return False
    code = f"import socket; print(socket.gethostbyname('{HOST}'))"
    said = hands.exec(NAMESPACE, "deployment/bytebot-api", "api", ["python3", "-c", code])
    return said.strip() == ELSEWHERE


# ---------------------------------------------------------------------------- health


def _health_elsewhere(file: dict[str, Any]) -> None:
    """The same application, asked for a route that it does not have where a load balancer asks whether it is ready."""
    server = f"http://bytebot-api.{NAMESPACE}.svc.cluster.local"
    rule = f"Host(`{HOST}`) && Path(`{HEALTH}`)"
    router = {"rule": rule, "priority": 100000, "entryPoints": ["websecure"], "tls": {}}
    file["http"] = {
        "routers": {"health": {**router, "service": "health", "middlewares": ["elsewhere"]}},
        "middlewares": {"elsewhere": {"replacePath": {"path": "/no-such-health-route"}}},
        "services": {"health": {"loadBalancer": {"servers": [{"url": server}]}}},
    }


def _asked(hands: Hands, path: str) -> int:
    """The status of the public answer; 0 where none comes."""
    try:
        with _connected(hands) as sock:
            connection = http.client.HTTPSConnection(HOST, timeout=probe.TIMEOUT_S)
            connection.sock = sock
            connection.request("GET", path)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return probe.NOTHING


def _health_not_found(hands: Hands) -> bool:
    """The application answers at other routes as ever, with the question who asks."""
    return _asked(hands, HEALTH) == HTTPStatus.NOT_FOUND and _asked(hands, "/api/v1/tasks") == HTTPStatus.UNAUTHORIZED


def _unready_pod(api: Mapping[str, Any], selector: Mapping[str, str]) -> Object:
    """A pod that the API's Service selects, and that is never ready."""
    pod = api["spec"]["template"]["spec"]
    one = {key: pod["containers"][0][key] for key in ("image", "imagePullPolicy", "resources", "securityContext")}
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    container = {**one, "name": "unready", "command": ["sleep", "300"], "readinessProbe": never}
    spec = {"containers": [container], "securityContext": pod["securityContext"], "terminationGracePeriodSeconds": 0}
    meta = {"name": "sandbox-unready", "namespace": NAMESPACE, "labels": dict(selector)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {**spec, "automountServiceAccountToken": False, "restartPolicy": "Never"},
    }


def _stays_in_rotation(hands: Hands) -> bool:
    """A pod that is not ready is made, and the Service's endpoints say of it that traffic may go there."""
    api, service = hands.cluster.get(API), hands.cluster.get(SERVICE)
    if api is None or service is None:
        return False
    found: list[Any] = []

    def told() -> bool:
        address = (hands.cluster.get(UNREADY) or {}).get("status", {}).get("podIP", "")
        slices = hands.cluster.items(f"{SLICES}?{OF_API}")
        ends = [end for one in slices for end in one.get("endpoints") or [] if address in end["addresses"]]
        found[:] = [end["conditions"]["ready"] for end in ends]
        return bool(found)

    try:
        hands.apply(UNREADY, _unready_pod(api, service["spec"]["selector"]))
        hands.until(told, "the Service's endpoints tell of a pod that is not ready")
    finally:
        hands.delete(UNREADY)
    return found == [True]


_ENTRY_BACK = restored(FILE, CONTROLLER, TLS, then=ready(CONTROLLER))

FAULTS = (
    Fault(
        name="ingress_certificate_wrong_host", says="the certificate that is served is for another host",
        layer="network", put=_for_another_host, heal=_ENTRY_BACK, seen=_refused(OTHER_NAME),
        turns_red=(CERTIFICATE, "deployment.execution.endpoints", "deployment.secrets.tls"),
    ),
    Fault(
        name="ingress_certificate_self_signed", says="nobody but itself vouches for the certificate that is served",
        layer="network", put=_by_itself, heal=restored(TLS), seen=_refused(SELF_SIGNED),
        turns_red=(CERTIFICATE, "deployment.execution.endpoints", "deployment.secrets.tls"),
    ),
    Fault(
        name="ingress_tls_1_0", says="the ingress controller takes TLS 1.0", layer="network", put=_entered(_old_tls),
        heal=_ENTRY_BACK, seen=_takes_tls_1_0,
        turns_red=(CERTIFICATE,),
    ),
    Fault(
        name="certificate_not_ready", says="cert-manager's Certificate of the host is not ready", layer="cluster",
        put=_not_ready, heal=lambda hands: hands.delete(KIND), seen=_is_not_ready,
        turns_red=(CERTIFICATE,),
    ),
    Fault(
        name="dns_differs_inside", says="the public names lead elsewhere for pods, and aright for all others",
        layer="network", put=_answer_inside, heal=restored(NAMES, RESOLVER, then=ready(RESOLVER)),
        seen=_answers_differ,
        turns_red=("infrastructure.ingress.dns",),
    ),
    Fault(
        name="load_balancer_health_path_wrong", says="the route that load balancers ask leads to one that is not there",
        layer="network", put=_entered(_health_elsewhere), heal=_ENTRY_BACK, seen=_health_not_found,
        turns_red=(BALANCED, "deployment.health.ready"),
    ),
    Fault(
        name="unhealthy_backend_kept", says="the API's Service sends traffic to pods that are not ready",
        layer="network", put=changed(SERVICE, lambda service: service["spec"].update(publishNotReadyAddresses=True)),
        heal=restored(SERVICE), seen=_stays_in_rotation,
        turns_red=(BALANCED,),
    ),
)  # fmt: skip
