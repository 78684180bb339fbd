"""The node's supervisor: gather what there is, judge, act, and say one sentence when something changed."""

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import structlog

from gatefleet import VERSION, pki
from gatefleet.buckets import config_bucket
from gatefleet.envoy import binary
from gatefleet.envoy.process import EnvoyProcess
from gatefleet.errors import GatefleetError, Invalid
from gatefleet.fleet import Heard, Heartbeat, Machine
from gatefleet.native import series
from gatefleet.node import build, metrics
from gatefleet.node.bootstrap import RunFiles, envoy_bootstrap
from gatefleet.node.copies import DiskCopy, Revision, Running
from gatefleet.node.discovery import Discovery
from gatefleet.node.drill import Hands, Rehearsal
from gatefleet.node.elsewhere import BucketCopies, Elsewhere, Place
from gatefleet.node.health import Health
from gatefleet.node.judge import Copy, Seen, Source, Verdict, judge, sentence
from gatefleet.node.ledger import Ledger, Step
from gatefleet.node.logs.shipping import Shipper
from gatefleet.node.logs.sinks import Places
from gatefleet.node.manager import Manager
from gatefleet.node.peers import Peers, PeerServer
from gatefleet.node.secrets import Secrets
from gatefleet.node.serving import Serving
from gatefleet.node.signin import SignIn
from gatefleet.node.status import JSON, Answer, Status
from gatefleet.node.telemetry import Telemetry
from gatefleet.node.tester import Tester
from gatefleet.node.traffic import Traffic
from gatefleet.outbound import Outbound
from gatefleet.pki import Bundle
from gatefleet.settings import NodeSettings
from gatefleet.waiting import happens

log = structlog.get_logger()

TURN: Final = 1.0
"""Seconds between turns when nothing happens."""
COPY_QUIET: Final = 0.5
"""Seconds without a change after which the copy on disk is written: writing it must not slow a burst of changes."""
COPY_LATEST: Final = 10.0
"""Seconds after which it is written all the same."""
COPY_SHARE: Final = 20
"""How much longer than a write the pause after it is: a big copy takes a twentieth of our time at most."""


class Agent:
    """One Envoy and everything around it, from its start to its drained end."""

    def __init__(
        self, settings: NodeSettings, files: RunFiles, manager: Manager, machine: Machine, status: Status
    ) -> None:
        self.applied: Revision | None = None
        self._settings, self._files, self._manager, self._machine = settings, files, manager, machine
        self._status = status
        status.metrics = self.metrics_page
        self._serving = Serving(
            files,
            bind=settings.bind,
            offset=settings.port_offset,
            workers=settings.envoy_concurrency or len(os.sched_getaffinity(0)),
        )
        self._envoy = EnvoyProcess(build.options(settings, files))
        self._traffic = Traffic(files.directory, self._envoy)
        self._health = Health(self._envoy, manager.tell_health)
        self._telemetry = Telemetry(files.directory.parent, manager.tell_traffic)
        self._signin = SignIn(files, settings.log_format, settings.outbound_deny)
        self._shipper = Shipper(files.directory, Places(settings.data_dir, settings.log_files))
        self._ledger = Ledger()
        outbound = Outbound(settings.outbound_deny)
        self._discovery = Discovery(manager.changed.set, outbound)
        self._serving.discovered = self._discovery.endpoints
        secrets = settings.data_dir / "secrets.bin"
        self._secrets = Secrets(secrets, settings.secret_ttl, manager.changed.set, outbound)
        status.secrets = self._secrets.page
        self._copies = DiskCopy(settings.data_dir)
        self._running = Running(files.running)
        self._elsewhere = Elsewhere(
            _places(settings, manager.identity), settings.fallback_interval, manager.changed.set
        )
        self._peers = _peer_server(settings, self._copies, manager)
        elsewhere = bool(_places(settings, manager.identity))
        self._drill = Rehearsal(settings.data_dir / "drill.json", manager, elsewhere=elsewhere)
        self._tester = Tester(files.directory.parent, settings, lambda: self._proven_now()[0], manager.tell_tested)
        manager.try_request = self._tester.order
        self._disk: Revision | None = None
        self._disk_problem = ""
        self._floor = 0
        self._said = ""
        self._source = ""
        """Where what is served was taken from."""
        self._busy = asyncio.Lock()
        """Envoy is given something, or asked."""
        self._draining = False
        self._others_forgotten = False
        self._dirty = asyncio.Event()
        self._changed_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Envoy runs, or is taken over, and the copy on disk is known. Raises a GatefleetError."""
        binary.write(envoy_bootstrap(self._files, self._manager.instance), self._files.bootstrap)
        await self._serving.start()
        await self._envoy.start()
        self._read_copy()
        if self._peers:
            await self._peers.start()
        self._manager.start(self._disk, self._floor, self._heartbeat, self._hear, apart=self._drill.left)
        self._run(self._manager.failed(), "manager")
        self._run(self._loop(), "turns")
        self._run(self._save_copies(), "copies")
        self._run(self._health.run(), "health")
        self._run(self._shipper.run(), "logs")
        self._run(self._drill.run(Hands(self._probe, self._proven_now, self._read_disk)), "drill")
        self._run(self._telemetry.run(), "telemetry")
        self._run(self._tester.run(), "tester")
        self._run(self._elsewhere.run(self._cut_off, lambda: self._manager.identity, self._least), "elsewhere")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def failed(self) -> None:
        """Wait until a part of the agent ends, which it should only for a drill (Again); raises what ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Not ready any more at once; connections finish within the drain timeout; nothing is left running."""
        self._draining = True
        self._judge()
        await self._end()
        await self._envoy.stop(self._settings.drain_timeout)  # which may still ask for certificates
        await self._envoy.leave_none()
        await self._telemetry.stop()
        await self._manager.close()
        await self._shipper.stop()
        await self._signin.stop()
        await self._serving.stop()

    @property
    def replaces(self) -> bool:
        """Another Envoy serves still, whose ports ours is to take over."""
        return self._envoy.replaces is not None

    async def abandon(self) -> None:
        """End the agent's own work and leave Envoy to whoever starts next: it goes on with what it has."""
        await self._end()
        await self._manager.close()
        await self._shipper.stop()
        await self._signin.stop()
        await self._serving.stop()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._discovery.stop()
        if self._peers:
            await self._peers.stop()
        await self._secrets.stop()
        await self._manager.leave(self._heartbeat)
        if self._dirty.is_set():
            self._write_copy()

    async def metrics_page(self) -> Answer:
        """Prometheus' page; 503 while Envoy does not answer."""
        try:
            statistics = await self._envoy.ask("/stats/prometheus")
            counted = await asyncio.to_thread(series.read, self._files.directory, self._envoy.pid)
        except (GatefleetError, OSError) as error:
            return 503, JSON, str(error).encode()
        group, instance = self._manager.identity.gateway_group_id, self._manager.instance
        about = metrics.Node(self._machine.hostname, VERSION, group, instance, self._manager.connected)
        page = await asyncio.to_thread(metrics.page, statistics.text, counted, about)
        return 200, metrics.CONTENT_TYPE, (page + metrics.written(self._shipper.families(), about)).encode()

    async def _loop(self) -> None:
        while True:
            verdict = self._judge()
            async with self._busy:
                await self._act(verdict)
            if not (self.replaces or self._others_forgotten):
                self._others_forgotten = True
                build.forget_others(self._files)
            await happens(self._manager.changed, TURN)
            self._manager.changed.clear()

    def _judge(self) -> Verdict:
        seen = self._gather()
        verdict = judge(seen)
        status = self._status
        status.serving, status.ready, status.reason = verdict.serving, verdict.ready, verdict.reason
        status.warning = "; ".join(filter(None, (self._signin.problem, self._secrets.problem)))
        if (said := sentence(seen, verdict)) != self._said:
            self._said = said
            log.info(said)
        return verdict

    def _gather(self) -> Seen:
        return Seen(
            live=_copy(self._manager.newest, "dp-manager"),
            connected=self._manager.connected,
            silence=self._manager.silence,
            disk=_copy(self._disk, "disk"),
            disk_problem=self._disk_problem,
            elsewhere=tuple(Copy(s, r.seal.revision, r.seal.made_at) for s, r in self._elsewhere.found.items()),
            elsewhere_problems=tuple(self._elsewhere.problems.values()),
            floor=self._floor,
            applied=self.applied.seal.revision if self.applied else self._taken_over() or None,
            taken_over=0 if self.applied else self._taken_over(),
            envoy=self._envoy.alive,
            blocked=self._serving.blocked,
            draining=self._draining,
        )

    def _cut_off(self) -> bool:
        return not self._manager.connected and not self._draining

    def _least(self) -> int:
        """The lowest revision that is worth taking from elsewhere."""
        held = self.applied.seal.revision if self.applied else self._taken_over()
        return max(held + 1 if held else 0, self._floor)

    def _taken_over(self) -> int:
        """The revision that an Envoy served when we found it, as long as it is that process, or ours replaces it."""
        return self._running.of(self._envoy.pid) or self._running.of(self._envoy.replaces)

    async def _act(self, verdict: Verdict) -> None:
        wanted = self._revision(verdict.serve)
        if wanted is None or self._draining:
            return
        if _same(wanted, self.applied):
            await self._serving.rediscover()
            await self._serving.refill(self._secrets.values)
            await self._prove_again()
            return
        self._discovery.follow(wanted.snapshot)
        self._health.follow(wanted.snapshot)
        await self._secrets.follow(wanted.snapshot, self._manager.identity.snapshot_key)
        self._serving.fill_with(self._secrets.values)
        revision = wanted.seal.revision
        self._ledger.waits(f"revision {revision} is being given to Envoy")
        try:
            await self._signin.follow(wanted.snapshot, self._manager.identity.snapshot_key)
            receipt = await self._serving.apply(wanted.snapshot)
        except OSError as error:
            log.warning("a revision cannot be written down", revision=revision, reason=str(error))
            self._ledger.waits(f"revision {revision} cannot be written down: {error}")
            return
        if not receipt.acknowledged:
            self._ledger.waits(f"Envoy has not answered for revision {revision} yet")
            return
        self._source = verdict.serve.source if verdict.serve else ""
        self._taken(wanted)
        self._ledger.took(Step(revision, receipt.proof, receipt.refused))
        if not self._proven() and self._ledger.open:
            log.warning("a revision is not proven yet", revision=revision, reason=self._ledger.pending)
        self._manager.report()

    def _taken(self, wanted: Revision) -> None:
        """Envoy has answered for a revision: it is what we serve."""
        self.applied, self._floor = wanted, max(self._floor, wanted.seal.revision)
        self._manager.raise_floor(self._floor)
        if self._manager.newest:
            self._elsewhere.forget(self._manager.newest.seal.revision)
        self._running.note(self._envoy.pid, wanted.seal.revision)
        self._judge()
        if wanted is not self._disk:
            self._changed_at = time.monotonic()
            self._dirty.set()

    async def _prove_again(self) -> None:
        """Look once more for what Envoy did not show when a revision was taken."""
        if self._ledger.open:
            await self._serving.prove_again()
            if self._proven():
                log.info("the revision is proven now", revision=self._ledger.newest.revision)
                self._manager.report()

    def _proven(self) -> bool:
        return self._ledger.judge(self._serving.unproven, self._serving.problems, time.monotonic())

    async def _probe(self) -> tuple[int, int]:
        async with self._busy:
            return await self._serving.probe()

    def _proven_now(self) -> tuple[int, str]:
        """The revision that is served and proven, 0 while there is none, and where it was taken from."""
        if self.applied is None or self._ledger.open or not self._status.serving:
            return 0, ""
        return self.applied.seal.revision, self._source

    def _revision(self, chosen: Copy | None) -> Revision | None:
        if chosen is None:
            return None
        if chosen.source == "dp-manager":
            return self._manager.newest
        return self._disk if chosen.source == "disk" else self._elsewhere.found[chosen.source]

    def _read_copy(self) -> None:
        identity = self._manager.identity
        self._floor = self._copies.floor(identity.gateway_group_id)
        if self._drill.sets_disk_aside:
            self._disk_problem = "the copy on disk is set aside for a drill"
        else:
            self._read_disk()

    def _read_disk(self) -> None:
        try:
            self._disk, self._disk_problem = self._copies.read(self._manager.identity), ""
        except Invalid as error:
            self._disk_problem = str(error)
            log.warning(self._disk_problem)

    async def _heartbeat(self) -> Heartbeat:
        envoy = await self._envoy.state()
        return Heartbeat(
            machine=self._machine,
            instance=self._manager.instance,
            applied_revision=self.applied.seal.revision if self.applied else 0,
            envoy=envoy,
            certificate_expires_at=int(pki.expiry(self._manager.identity.certificate).timestamp()),
            problems={**self._serving.problems, **self._secrets.problems},
            leaving=self._draining,
            proven=self._ledger.told(time.monotonic()),
            pending=self._ledger.pending,
            tally=await self._traffic.tally(),
            registries=self._discovery.states,
            trust=self._manager.trust.version,
            drilled=self._drill.result,
        )

    def _hear(self, heard: Heard) -> None:
        self._ledger.recorded(heard.recorded_revision)
        self._drill.hear(heard.drill, heard.recorded_drill)
        before, self._traffic.watch = self._traffic.watch, heard.watch
        if heard.watch and (before is None or before.ring != heard.watch.ring):
            self._manager.report()  # what is counted from now on begins where the counters are now

    async def _save_copies(self) -> None:
        while True:
            await self._dirty.wait()
            await self._until_quiet()
            began = time.monotonic()
            await asyncio.to_thread(self._write_copy)
            await asyncio.sleep(COPY_SHARE * (time.monotonic() - began))

    async def _until_quiet(self) -> None:
        latest = time.monotonic() + COPY_LATEST
        while (quiet := self._changed_at + COPY_QUIET - time.monotonic()) > 0 and time.monotonic() < latest:  # noqa: ASYNC110
            await asyncio.sleep(quiet)

    def _write_copy(self) -> None:
        self._dirty.clear()
        if self.applied is None:
            return
        try:
            self._copies.write(self.applied, self._manager.identity)
            self._disk_problem = ""
        except OSError as error:
            log.warning("the copy of the configuration cannot be written", reason=str(error))


def _places(settings: NodeSettings, identity: Bundle) -> Sequence[Place]:
    """Where else to look for a configuration, most trusted first. Invalid for what is no bucket or peer."""
    bucket, peers = config_bucket(settings), settings.peer or identity.peers
    return [*([BucketCopies(bucket)] if bucket else []), *([Peers(peers)] if peers else [])]


def _peer_server(settings: NodeSettings, copies: DiskCopy, manager: Manager) -> PeerServer | None:
    if settings.peer_port is None:
        return None
    return PeerServer(settings.bind, settings.peer_port + settings.port_offset, copies.file, lambda: manager.identity)


def _copy(revision: Revision | None, source: Source) -> Copy | None:
    return Copy(source, revision.seal.revision, revision.seal.made_at) if revision else None


def _same(one: Revision, other: Revision | None) -> bool:
    return other is not None and one.seal == other.seal
