"""Random plugin configurations and routes are refused by the name of a field, or become what Envoy takes.

GATEFLEET_FUZZ says how many are tried; 300 if it does not.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chains import environment
from hypothesis import HealthCheck, Phase, given, settings

from gatefleet import snapshot
from gatefleet.compile.check import check
from gatefleet.compile.compiler import Compiler
from gatefleet.envoy import binary
from gatefleet.errors import Invalid
from gatefleet.node.bootstrap import RUNTIME
from gatefleet.protos import pack, unpack
from gatefleet.protos.envoy.config.bootstrap import v3 as bootstrap
from gatefleet.protos.envoy.config.cluster import v3 as cluster
from gatefleet.protos.envoy.config.endpoint import v3 as endpoint
from gatefleet.protos.envoy.config.listener import v3 as listener
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.snapshot import Snapshot
from tests.compile.configurations import documents

TRIED: Final = int(os.environ.get("GATEFLEET_FUZZ", "300"))
BATCH: Final = 150
NAMED: Final = re.compile(r'Error at "/|property "|\[[\w/.-]+\]')
"""How a refusal names what it is about."""
Json = dict[str, Any]


def test_a_configuration_is_refused_by_a_fields_name_or_becomes_what_envoy_takes(tmp_path: Path) -> None:
    taken: list[list[Document]] = []
    one_more = given(documents())(lambda found: taken.append(written(len(taken), *found)))
    settings(
        max_examples=TRIED,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )(one_more)()
    served = [one for one in taken if one]
    assert len(served) > TRIED // 10, "nearly everything is refused: the configurations have become useless"
    for number in range(0, len(served), BATCH):
        batch = served[number : number + BATCH]
        if said := envoys_word(batch, tmp_path):
            culprit = next((one for one in batch if envoys_word([one], tmp_path)), batch[0])
            bodies = [document.body for document in culprit]
            raise AssertionError(f"Envoy refuses {bodies}: {envoys_word([culprit], tmp_path)}; of all: {said}")


def written(number: int, service: Json, body: Json) -> list[Document]:
    """The documents as the Admin API would keep them; none if it refuses them, which it does by name."""
    key = f"n{number}"
    try:
        kept = accept("services", key, {**service, "hosts": [f"{key}.test"]})
        holder = Document("services", key, None, kept)
        check(holder, protos={})
        held = Document("routes", key, key, accept("routes", key, {**body, "service_id": key}))
        check(held, kept, protos={})
    except Invalid as error:
        said = str(error)
    else:
        return [holder, held]
    assert NAMED.search(said), f"a refusal without a name: {said}"
    return []


def envoys_word(found: list[list[Document]], directory: Path) -> str:
    """Why Envoy refuses a group of these documents; empty if it takes them."""
    compiled = Compiler().update([document for pair in found for document in pair])
    assert not compiled.problems, compiled.problems
    for name, entry in compiled.snapshot.of(snapshot.SCRIPT).items():
        (directory / "lua").mkdir(exist_ok=True)
        (directory / "lua" / name.removeprefix("lua/")).write_bytes(entry.body)
    binary.write(bootstrap_of(compiled.snapshot), directory / "envoy.pb")
    done = subprocess.run(
        [str(binary.PATH), "--mode", "validate", "-c", "envoy.pb", "-l", "error"],
        cwd=directory,
        env={**os.environ, **environment(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return "" if "configuration 'envoy.pb' OK" in done.stdout else done.stderr[:2000] or f"exit code {done.returncode}"


def bootstrap_of(held: Snapshot) -> bootstrap.Bootstrap:
    """Everything the snapshot holds as one static configuration."""
    http = listener.Listener.FromString(held.of(snapshot.LISTENER)["http"].body)
    manager = unpack(http.filter_chains[0].filters[0].typed_config, hcm.HttpConnectionManager)
    manager.scoped_routes.ClearField("scoped_rds")
    manager.scoped_routes.ClearField("rds_config_source")
    for name, entry in held.of(snapshot.ROUTES).items():
        scope = manager.scoped_routes.scoped_route_configurations_list.scoped_route_configurations.add(
            name=name, key={"fragments": [{"string_key": name}]}
        )
        scope.route_configuration.CopyFrom(route.RouteConfiguration.FromString(entry.body))
    http.filter_chains[0].filters[0].typed_config.CopyFrom(pack(manager))
    http.address.socket_address.address = "127.0.0.1"
    layers = [{"name": "static", "static_layer": RUNTIME}]
    whole = bootstrap.Bootstrap(node={"id": "n", "cluster": "c"}, layered_runtime={"layers": layers})
    whole.static_resources.listeners.append(http)
    whole.static_resources.clusters.extend(static_clusters(held))
    return whole


def static_clusters(held: Snapshot) -> Iterator[cluster.Cluster]:
    for name, entry in held.of(snapshot.CLUSTER).items():
        found = cluster.Cluster.FromString(entry.body)
        if found.HasField("eds_cluster_config"):
            found.ClearField("eds_cluster_config")
            found.type = 0
            body = held.of(snapshot.ENDPOINTS)[name].body
            found.load_assignment.CopyFrom(endpoint.ClusterLoadAssignment.FromString(body))
        yield found
