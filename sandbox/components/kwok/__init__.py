# kwok plays the kubelets of nodes that do not exist; without such nodes it does nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
from dataclasses import dataclass
from pathlib import Path

from sandbox import probe
from sandbox.build.golang import ENV, REMEDY, GoTool
from sandbox.component import Context, Process, only_full
from sandbox.files import put
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings
from sandbox.shell import run

MODULE = "sigs.k8s.io/kwok"
STAGES = "kwok-stages.yaml"
# What kwok does to nodes and pods; the module carries it as files.
TAKEN = (
    "node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease", "pod/fast/pod-ready",
    "pod/fast/pod-complete", "pod/fast/pod-delete",
)  # fmt: skip
HEALTH_PORT = 10247
# Set on nodes by whoever makes them; kwok touches no other.
ANNOTATION, FAKE = "kwok.x-k8s.io/node", "fake"
# Addresses that are kept for benchmarks, so that no rule for real pods meets them.
FAKE_PODS, FAKE_NODE = "198.18.0.1/15", "198.19.255.254"


@dataclass(frozen=True)
class Kwok:
    """The program, and beside it the stages of its very version."""

    tool: GoTool
    uses_go: bool = True

    @property
    def name(self) -> str:
        return self.tool.name

    @property
    def label(self) -> str:
        return self.tool.label

    @property
    def produces(self) -> tuple[str, ...]:
        return (*self.tool.produces, STAGES)

    def recipe(self) -> str:
        return " ".join([self.tool.recipe(), *TAKEN])

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        self.tool.build(settings, log, target)
        asked = ["go", "mod", "download", "-json", f"{MODULE}@v{self.tool.version}"]
        said = run(self.name, asked, cwd=settings.source / self.name, env=ENV, remedy=REMEDY)
        folder = Path(json.loads(said)["Dir"]) / "kustomize" / "stage"
        put(target / STAGES, "\n---\n".join((folder / f"{path}.yaml").read_text() for path in TAKEN), 0o644)


PROGRAM = Kwok(GoTool("kwok", f"{MODULE}/cmd/kwok", VERSIONS.kwok))


def command(s: Settings) -> list[str]:
    return [
        f"{s.bin}/kwok",
        f"--kubeconfig={s.kubeconfig_of('kwok')}",
        f"--config={s.bin}/{STAGES}",
        f"--manage-nodes-with-annotation-selector={ANNOTATION}={FAKE}",
        f"--cidr={FAKE_PODS}",
        f"--node-ip={FAKE_NODE}",
        # Renewed in a quarter of this, which is sooner than the node would be given up.
        "--node-lease-duration-seconds=120",
        f"--server-address=127.0.0.1:{HEALTH_PORT}",
        "--v=WARN",
    ]


def answers(ctx: Context) -> bool:
    return probe.healthy(ctx.settings, HEALTH_PORT)


COMPONENT = Process(
    needs=("kube-apiserver",),
    version=VERSIONS.kwok,
    builds=(PROGRAM,),
    certificates=(Certificate("kwok", "ca", "kwok", organization="system:masters", kubeconfig=True),),
    command=command,
    answers=answers,
    wanted=only_full,
)
