# The API server: RBAC, NodeRestriction, PodSecurity, audit log, secrets encrypted at rest, nobody anonymous.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox.build.golang import KUBERNETES
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings, load

S = load()
NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    S.api_service,
    S.node_address,
    "127.0.0.1",
)


def command(s: Settings) -> list[str]:
    p = s.pki
    return [
        f"{s.bin}/kube-apiserver",
        # Endpoints of the service `kubernetes` may not be loopback addresses.
        f"--bind-address={s.node_address}",
        f"--advertise-address={s.node_address}",
        f"--secure-port={s.api_port}",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={p}/ca.crt",
        f"--etcd-certfile={p}/apiserver-client.crt",
        f"--etcd-keyfile={p}/apiserver-client.key",
        f"--client-ca-file={p}/ca.crt",
        f"--tls-cert-file={p}/apiserver.crt",
        f"--tls-private-key-file={p}/apiserver.key",
        f"--kubelet-client-certificate={p}/apiserver-client.crt",
        f"--kubelet-client-key={p}/apiserver-client.key",
        f"--kubelet-certificate-authority={p}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={s.service_network}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={p}/sa.pub",
        f"--service-account-signing-key-file={p}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={s.conf}/admission.yaml",
        "--anonymous-auth=false",
        f"--requestheader-client-ca-file={p}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={p}/front-proxy.crt",
        f"--proxy-client-key-file={p}/front-proxy.key",
        "--enable-aggregator-routing=true",
        f"--encryption-provider-config={s.conf}/encryption.yaml",
        f"--audit-policy-file={s.conf}/audit.yaml",
        f"--audit-log-path={s.log}/audit.log",
        "--audit-log-maxsize=50",
        "--audit-log-maxbackup=1",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def prepare(ctx: Context) -> None:
    ctx.pki.signing_key("sa")


def values(ctx: Context) -> Mapping[str, str]:
    return {"encryption_key": ctx.pki.random_b64("encryption.key")}


def answers(ctx: Context) -> bool:
    return ctx.cluster.ready()


COMPONENT = Process(
    needs=("etcd",),
    version=VERSIONS.kubernetes,
    builds=(KUBERNETES,),
    authorities=(("ca", ""), ("front-proxy-ca", "")),
    certificates=(
        Certificate("apiserver", "ca", "kube-apiserver", names=NAMES),
        Certificate("apiserver-client", "ca", "kube-apiserver", organization="system:masters"),
        Certificate("front-proxy", "front-proxy-ca", "front-proxy"),
        Certificate("admin", "ca", "admin", organization="system:masters", kubeconfig=True),
    ),
    prepare=prepare,
    values=values,
    command=command,
    answers=answers,
)
