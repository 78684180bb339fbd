"""What is taken away is gone: on every replica, while requests run."""

import asyncio
import base64
import time

import pytest
from admin_api import Api, serving

from gatefleet.settings import AdminSettings

pytestmark = pytest.mark.anyio


async def _first(answers: list[tuple[float, int]]) -> None:
    """Until there is one, and it is good."""
    while not answers:  # noqa: ASYNC110 - an event would have to be set by what is tested
        await asyncio.sleep(0.01)
    assert answers[0][1] == 200


async def test_a_role_taken_away_is_refused_within_a_second_on_every_replica(
    api: Api, admin_settings: AdminSettings
) -> None:
    statement = [{"actions": ["gateway:GetConsumer"], "resources": ["*"]}]
    policy = (await api.call("POST", "/api/permission_policies", {"name": "p", "statement": statement}))["value"]
    role = (await api.call("POST", "/api/roles", {"name": "r", "policies": [policy["id"]]}))["value"]
    user = (await api.call("POST", "/api/invites", {"username": "jane", "password": "jane"}))["value"]
    await api.call("PUT", f"/api/users/{user['id']}/assigned_roles", {"roles": [role["id"]]})
    basic = {"Authorization": "Basic " + base64.b64encode(b"jane:jane").decode()}
    seen: list[list[tuple[float, int]]] = [[], []]

    async def asking(replica: Api, answers: list[tuple[float, int]]) -> None:
        while True:
            began = time.monotonic()
            answer = await replica.raw.get("/apisix/admin/consumers?gateway_group_id=default", headers=basic)
            answers.append((began, answer.status_code))

    async with serving(admin_settings) as other:
        tasks = [asyncio.create_task(asking(one, answers)) for one, answers in zip((api, other), seen, strict=True)]
        for answers in seen:
            await asyncio.wait_for(_first(answers), 20)
        await api.call("PUT", f"/api/users/{user['id']}/assigned_roles", {"roles": []})
        taken = time.monotonic()
        async with asyncio.timeout(30):
            while not all(sum(began > taken for began, _ in answers) > 20 for answers in seen):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for answers in seen:
        assert {status for began, status in answers if began < taken - 1} <= {200}
        late = [began - taken for began, status in answers if status == 200 and began > taken]
        assert late == [], "it is read with each request: what begins after the change is refused"
        assert answers[-1][1] == 403
