"""What users of APISIX know, case by case, asked of a real node; README.md explains the cases."""

import asyncio
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gatefleet.plugins import registry
from tests.conformance import cases
from tests.conformance.cases import Case, Json, placed
from tests.conformance.client import Answer, send
from tests.conformance.conftest import Gateway
from tests.conformance.expectations import differences, logged

pytestmark = pytest.mark.anyio
FEWEST, ALL = 4, 400
"""Cases that each plugin has at least, in a file of its name, and all together."""
SETTLING = 30.0
"""Seconds within which a step with `eventually` has to hold."""


@pytest.mark.parametrize("case", cases.all_cases(), ids=lambda case: case.id)
async def test_it_behaves_as_documented(case: Case, gateway: Gateway) -> None:
    assert not case.problem, case.problem
    said = cases.refusal(case, gateway.upstreams.ports)
    if case.refused:
        assert said, "it was not refused"
        assert all(text in said for text in case.refused), said
        return
    assert not said, said
    await gateway.load(case.group)
    kept: dict[str, Any] = {"host": case.host, "slug": case.slug, **gateway.upstreams.ports}
    for number, step in enumerate(case.when):
        await asyncio.to_thread(_take, number, placed(step, kept), case, gateway, kept)


def test_every_case_has_a_name_of_its_own() -> None:
    names = Counter((case.group, case.host) for case in cases.all_cases())
    assert [name for name, count in names.items() if count > 1] == []


def test_no_plugin_has_few_cases() -> None:
    counted = Counter(case.file.rpartition("/")[2] for case in cases.all_cases())
    assert {name: counted[name] for name in registry() if counted[name] < FEWEST} == {}
    assert counted.total() >= ALL


def _take(number: int, step: Json, case: Case, gateway: Gateway, kept: dict[str, Any]) -> None:
    time.sleep(float(step.get("wait", 0)))
    if step.keys() <= {"wait"}:
        return
    end = time.monotonic() + (SETTLING if step.get("eventually") else 0)
    while found := _once(step, case, gateway, kept):
        assert time.monotonic() < end, f"step {number + 1}: " + "; ".join(found)
        time.sleep(0.05)


def _once(step: Json, case: Case, gateway: Gateway, kept: dict[str, Any]) -> list[str]:
    unknown = step.keys() - {"wait", "eventually", "request", "times", "parallel", "expect", "statuses", "keep", "get"}
    assert not unknown, f"unknown {unknown}"
    request: Json = {"path": step["get"], **step.get("request", {})} if "get" in step else step["request"]
    gateway.upstreams.forget()
    began = time.monotonic()
    answers = _answers(step, request, case, gateway)
    took = time.monotonic() - began
    expect: Json = {**(step.get("expect") or {})}
    log = expect.pop("logged", None)
    found = [text for answer in answers for text in differences(expect, answer, gateway.upstreams.seen, took)]
    statuses = Counter(answer.status for answer in answers)
    if "statuses" in step and statuses != Counter(step["statuses"]):
        found.append(f"statuses {dict(statuses)}, not {step['statuses']}")
    if log is not None:
        found += logged(log, gateway.upstreams.seen, gateway.node.directory / "logs" / f"{case.slug}.log")
    for name, where in (step.get("keep") or {}).items():
        kept[name] = _kept(where, answers[-1])
    return found


def _answers(step: Json, request: Json, case: Case, gateway: Gateway) -> list[Answer]:
    port = gateway.port(request.get("at", "http"))
    if together := int(step.get("parallel", 0)):
        with ThreadPoolExecutor(together) as pool:
            return list(pool.map(lambda _: send(port, request, case.host), range(together)))
    times = range(int(step.get("times", 1)))
    return [send(port, placed(request, {"count": f"n{number}"}), case.host) for number in times]


def _kept(where: Json, answer: Answer) -> str:
    """What a later step needs of this answer: a header's value or the body, or what a regex catches in it."""
    value = ",".join(answer.of(where["header"])) if "header" in where else answer.body.decode("latin-1")
    found = re.search(where.get("regex", "(?s).*"), value)
    assert found, f"nothing to keep for {where} in {value!r}"
    return found[found.re.groups and 1]
