# Every path, address, name and version of the sandbox, in one place.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Versions:
    """What is built or fetched, and in which version."""

    kubernetes: str = "1.36.3"
    etcd: str = "3.6.8"
    crane: str = "0.22.1"
    kwok: str = "0.8.0"
    versitygw: str = "1.8.0"
    victoria_logs: str = "1.51.1-0.20260624061259-dc94972a8708"
    # What that version of the log store asks for is not to be had.
    victoria_metrics: str = "1.148.8"
    coredns: str = "1.15.0"
    metrics_server: str = "0.9.0"
    local_path: str = "0.0.30"
    helm: str = "4.3.1"
    helm3: str = "3.22.0"
    traefik: str = "3.7.15"
    # Published as the module v0.316.0.
    prometheus: str = "3.16.0"
    alertmanager: str = "0.34.2"
    node_exporter: str = "1.12.1"
    pause: str = "1"
    tools: str = "1"
    pgbouncer: str = "1.18"
    postgres: str = "15"
    redis: str = "7"
    app_python: str = "3.11"
    go: str = "1.26.0"
    debian: str = "bookworm"


VERSIONS = Versions()
NETWORK_POLICY = "SANDBOX_NETWORK_POLICY"
PROFILE = "SANDBOX_PROFILE"
SMALL, FULL = "small", "full"


@dataclass(frozen=True)
class Settings:
    """Where this sandbox lives; frozen, handed to everything."""

    checkout: Path
    state: Path
    run: Path = Path("/run/bytebot-sandbox")

    netns: str = "bytebot-sandbox"
    machine_interface: str = "bytebot-host"
    node_interface: str = "bytebot-node"
    link_network: str = "10.250.0.0/30"
    machine_address: str = "10.250.0.1"
    node_address: str = "10.250.0.2"
    # What plays the internet, on addresses that are kept for documentation, and the cloud's metadata address.
    internet_interface: str = "to-internet"
    internet_network: str = "203.0.113.0/24"
    internet_gateway: str = "203.0.113.1"
    internet_address: str = "203.0.113.10"
    metadata_address: str = "169.254.169.254"
    pod_network: str = "10.244.0.0/16"
    node_pod_network: str = "10.244.0.0/24"
    service_network: str = "10.96.0.0/16"
    api_service: str = "10.96.0.1"
    dns_service: str = "10.96.0.10"
    api_port: int = 6443

    node_name: str = "sandbox"
    context: str = "sandbox"
    cgroup: str = "bytebot-sandbox"
    registry_address: str = "127.0.0.1:5000"
    registry_name: str = "registry.sandbox"
    domain: str = "bytebot.test"
    database: str = "bytebot_production"
    database_user: str = "bytebot_user"
    redis_user: str = "bytebot"
    app_image: str = "bytebot/api"
    app_versions: tuple[str, ...] = ("1.0.0", "1.1.0")
    desktop_image: str = "bytebot/desktop"
    app_namespace: str = "bytebot-production"
    deployer: str = "deployer"
    # Whether NetworkPolicy objects are enforced: the component network-policy.
    network_policy: bool = False
    # Where the parts of the profile `full` watch from, and how often they look.
    monitoring_namespace: str = "monitoring"
    scrape_interval: str = "5s"
    # `small`: what a deployment needs; `full`: also what watches over it.
    profile: str = SMALL

    # Folders that kubelet, containerd and the CNI library use whatever one configures: the sandbox sees its own there.
    fixed_folders: tuple[Path, ...] = field(
        default=(Path("/run/containerd"), Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/var/log/containers"))
    )

    @property
    def bin(self) -> Path:
        return self.state / "bin"

    @property
    def source(self) -> Path:
        return self.state / "src"

    @property
    def images(self) -> Path:
        return self.state / "images"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def conf(self) -> Path:
        return self.state / "conf"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def handover(self) -> Path:
        return self.state / "handover"

    @property
    def documents(self) -> Path:
        return self.state / "documents"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def applied(self) -> Path:
        """What each workload has in the cluster, so that it can be taken out when the sandbox no longer has it."""
        return self.state / "applied"

    @property
    def profile_file(self) -> Path:
        """The profile that was last brought up; `reset` forgets it."""
        return self.state / "profile"

    @property
    def kept_by_reset(self) -> tuple[Path, ...]:
        return (self.bin, self.source, self.images)

    @property
    def netns_file(self) -> Path:
        return Path("/run/netns") / self.netns

    @property
    def owner_file(self) -> Path:
        return self.run / "owner"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor.sock"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def api_url(self) -> str:
        return f"https://{self.node_address}:{self.api_port}"

    def kubeconfig_of(self, user: str) -> Path:
        """Those of people lie in the open; those of Kubernetes' own programs beside their configuration."""
        return (self.state if user in {"admin", self.deployer} else self.conf) / f"{user}.kubeconfig"


def load() -> Settings:
    """Settings of the checkout that this file lies in."""
    checkout = Path(__file__).resolve().parent.parent
    wanted = os.environ.get("SANDBOX_DIR")
    state = Path(wanted).expanduser().absolute() if wanted else checkout / ".sandbox"
    settings = Settings(checkout=checkout, state=state)
    profile, told = _profile(settings), os.environ.get(NETWORK_POLICY)
    enforced = told == "1" or (told is None and profile == FULL)
    return replace(settings, profile=profile, network_policy=enforced)


def _profile(settings: Settings) -> str:
    """What the environment says, else what was last brought up, else `small`."""
    told = os.environ.get(PROFILE)
    if told is None:
        try:
            told = settings.profile_file.read_text().strip()
        except OSError:
            return SMALL
    return told if told in {SMALL, FULL} else SMALL


def wrong_switches() -> list[str]:
    """What is set in the environment and is no switch, each as one sentence; `load` takes it as not set."""
    policy, profile = os.environ.get(NETWORK_POLICY), os.environ.get(PROFILE)
    causes = []
    if policy not in {None, "0", "1"}:
        causes.append(
            f"{NETWORK_POLICY} is {policy!r}: set it to 1 (NetworkPolicy is enforced) or 0 (it is not), or not at all."
        )
    if profile not in {None, SMALL, FULL}:
        causes.append(f"{PROFILE} is {profile!r}: set it to {SMALL} or {FULL}, or not at all.")
    return causes
