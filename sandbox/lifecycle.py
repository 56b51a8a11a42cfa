# The whole way up and down: checks, builds, network, configuration, start in order, report.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from sandbox import catalog, handover, preflight, remains, starting
from sandbox.build import plan
from sandbox.build.golang import TOOLS
from sandbox.build.images import Image, ImageStore
from sandbox.cluster import Cluster
from sandbox.component import Component, Context, Process
from sandbox.errors import PreflightError, SandboxError, Stopped
from sandbox.files import put, render
from sandbox.host import cgroups, netns, packages
from sandbox.kubeconfig import write_kubeconfig
from sandbox.pki import Pki
from sandbox.progress import Progress
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor


class Sandbox:
    """One sandbox with its components."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.components = catalog.wanted(catalog.discover(), settings)
        pki = Pki(settings.pki)
        self.ctx = Context(settings, pki, Cluster(settings, pki), Supervisor(settings), ImageStore(settings), progress)

    @property
    def builds(self) -> list[plan.Build]:
        return [*TOOLS, *(build for component in self.components.values() for build in component.builds)]

    @property
    def images(self) -> list[Image]:
        return [image for component in self.components.values() for image in component.images]

    def check(self, *, only_build: bool) -> None:
        """Builds need neither the network nor that no other sandbox runs."""
        pending = bool(plan.pending(self.settings, self.builds))
        facts = preflight.gather(self.settings, builds_pending=pending, other_owner=self.other_owner())
        if only_build:
            facts = replace(facts, other_owner=None, routes=())
        causes = preflight.judge(facts, self.settings)
        if causes:
            raise PreflightError(causes)

    def runs(self) -> bool:
        """Whether this very sandbox is up. Another's supervisor answers at the same socket."""
        owner = remains.owner(self.settings)
        return owner is not None and owner.state == self.settings.state and self.ctx.supervisor.alive()

    def other_owner(self) -> remains.Owner | None:
        """A live sandbox of another checkout. One whose folder is gone is only remains."""
        owner = remains.owner(self.settings)
        if owner is None or owner.state == self.settings.state or not owner.state.exists():
            return None
        return owner if self.ctx.supervisor.alive() else None

    def build(self) -> None:
        self.settings.state.mkdir(parents=True, exist_ok=True)
        packages.ensure(self.ctx.progress)
        lacking = preflight.kernel_lacks()
        if lacking:
            raise PreflightError([f"The kernel lacks {', '.join(lacking)}: use a kernel with these."])
        plan.run_builds(self.settings, self.ctx.progress, self.builds)
        self.ctx.images.build(self.ctx.progress, self.images)

    def up(self) -> dict[str, float]:
        """Seconds that each component took. Checks and builds have been made before."""
        running = self.runs()
        if not running:
            self._heal()
            self._claim()
        put(self.settings.profile_file, f"{self.settings.profile}\n", 0o644)
        self._configure()
        if not running:
            put(self.settings.run / "started", str(time.time()))
            self.ctx.supervisor.launch()
        seconds = self._start_all()
        self._remember(seconds, anew=not running)
        if gone := starting.take_out(self.ctx, self.components):
            self.ctx.progress.line(f"taken out of the cluster: {', '.join(gone)}")
        return seconds

    def down(self) -> None:
        """First what restarts pods, then the pods, then the rest."""
        other = self.other_owner()
        if other:
            raise PreflightError(preflight.judge(preflight.Facts(other_owner=other), self.settings))
        if self.runs():
            self.ctx.supervisor.stop(["kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"])
            self._end_pods()
            self.ctx.supervisor.shut_down()
        remains.clear(self.settings)

    def reset(self) -> None:
        self.down()
        for path in self.settings.state.iterdir() if self.settings.state.exists() else []:
            if path not in self.settings.kept_by_reset:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _heal(self) -> None:
        """Whatever a killed sandbox left, of this checkout or of one that is gone."""
        left = remains.look(self.settings)
        if left:
            kinds = sorted({remain.kind for remain in left})
            self.ctx.progress.line(f"clearing away what an earlier sandbox left: {', '.join(kinds)}")
            remains.clear(self.settings)

    def _claim(self) -> None:
        s = self.settings
        remains.claim(s)
        netns.ensure(s)
        cgroups.detect(s.cgroup).ensure()

    def _configure(self) -> None:
        """Certificates and files of all components, then the supervisor's own."""
        s, ctx = self.settings, self.ctx
        for folder in (s.pki, s.conf, s.handover):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        s.log.mkdir(parents=True, exist_ok=True)
        handover.documents(s)
        handover.scans(s, {one.reference: ctx.images.digest(one) for one in self.images})
        for component in self.components.values():
            for authority, parent in component.authorities:
                if parent:
                    ctx.pki.authority(parent)
                ctx.pki.authority(authority, parent)
        for component in self.components.values():
            for wanted in component.certificates:
                ctx.pki.certificate(wanted)
                if wanted.kubeconfig:
                    write_kubeconfig(s, ctx.pki, wanted.name)
        for component in self.components.values():
            component.prepare(ctx)
        processes = [c for c in self.components.values() if isinstance(c, Process)]
        for process in processes:
            for template in sorted(process.folder.glob("*.j2")):
                put(s.conf / template.name.removesuffix(".j2"), render(template, process.template_values(ctx)))
        ctx.supervisor.configure([starting.program(ctx, process) for process in processes])

    def _start_all(self) -> dict[str, float]:
        """Each starts as soon as all it needs is ready; the first failure stops the rest."""
        order = catalog.sorter(needs_of(self.components))
        seconds: dict[str, float] = {}
        under_way: dict[Future[None], str] = {}
        with ThreadPoolExecutor(max_workers=len(self.components)) as pool:
            try:
                while order.is_active():
                    for name in sorted(order.get_ready()):
                        under_way[pool.submit(self._start, self.components[name], seconds)] = name
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        name = under_way.pop(future)
                        future.result()
                        order.done(name)
            except BaseException:
                self.ctx.stop.set()
                raise
        return seconds

    def _start(self, component: Component, seconds: dict[str, float]) -> None:
        begin = time.monotonic()
        try:
            with self.ctx.progress.step(component.name):
                starting.start(self.ctx, component)
        except (SandboxError, Stopped):
            raise
        except OSError as error:
            raise SandboxError(component.name, f"{type(error).__name__}: {error}") from error
        seconds[component.name] = time.monotonic() - begin

    @property
    def _seconds_file(self) -> Path:
        return self.settings.run / "seconds.json"

    def first_starts(self) -> dict[str, float]:
        """Seconds that each component took when it was first started since the sandbox came up."""
        try:
            found: dict[str, float] = json.loads(self._seconds_file.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _remember(self, seconds: Mapping[str, float], *, anew: bool) -> None:
        """A later `up` finds most of them running; only what is new then tells how long it takes."""
        before = {} if anew else self.first_starts()
        put(self._seconds_file, json.dumps({**seconds, **before}), 0o644)

    def _end_pods(self) -> None:
        """Before containerd goes, so that it sees its containers end."""
        groups = cgroups.detect(self.settings.cgroup)
        remains.end(lambda: cgroups.container_members(groups))


def needs_of(components: Mapping[str, Component]) -> dict[str, tuple[str, ...]]:
    return {name: component.needs for name, component in components.items()}
