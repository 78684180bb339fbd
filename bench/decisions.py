"""How many questions a second the policies of a user answer, in one process: compiled once, evaluated in memory."""

import time
from typing import Final

from gatefleet.admin.policies import Asked, Policy, decide, read_statements

GROUP: Final = "arn:api7:gateway:gatewaygroup"
RESOURCES: Final = 1000
SECONDS: Final = 0.5


def measure() -> dict[str, float]:
    """Decisions per second by the number of policies a user has; each of four statements with patterns and a label."""
    return {f"{count} policies": _rate([_policy(n) for n in range(count)]) for count in (1, 10, 50)}


def _policy(number: int) -> Policy:
    label = {"type": "MatchLabel", "options": {"key": "team", "value": f"t{number}"}}
    statements = [
        {"actions": ["gateway:Get<.*>"], "resources": [f"{GROUP}/<dev|test>/*"]},
        {"actions": ["gateway:*Consumer"], "resources": [f"{GROUP}/g{number}"]},
        {
            "actions": ["gateway:<Create|Update>PublishedService"],
            "resources": [f"{GROUP}/*"],
            "conditions": {"service_label": label},
        },
        {"actions": ["*"], "resources": [f"{GROUP}/prod{number}*"], "effect": "deny"},
    ]
    return Policy(f"p{number}", read_statements(statements))


def _rate(policies: list[Policy]) -> float:
    labels = {"service_label": {"team": "t0"}}
    questions = [
        Asked("gateway:UpdatePublishedService", f"{GROUP}/dev/publishedservice/s{n}", labels) for n in range(RESOURCES)
    ]
    for asked in questions:  # what was asked before is remembered, as it is between requests
        decide(policies, (), asked)
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < SECONDS:
        for asked in questions:
            decide(policies, (), asked)
        count += len(questions)
    return round(count / spent)
