"""A request that PostgreSQL sacrifices to another is answered as if nothing had been."""

from libs.common.running.alarms import AlarmCode, raise_alarm
from tests.consent.world import issuer
from tests.consent.world.door import Door
from tests.deadlock import sacrificed
from tests.servers import Postgres, TestDatabase


async def test_acknowledging_an_alarm(door: Door, postgres: Postgres, consent_database: TestDatabase) -> None:
    operator = issuer.token("operator", subject="operator1")
    async with door.app.state.database.write() as session:
        await raise_alarm(session, AlarmCode.SWEEP_FAILING, about="expiry")
    (alarm,) = (await door.call("GET", "/v1/alarms", operator)).json()["items"]
    address = f"/v1/alarms/{alarm['alarm_id']}:acknowledge"
    call = door.client.post(address, headers={"Authorization": f"Bearer {operator}"})  # door.call would repeat a 503
    answer = await sacrificed(postgres, consent_database, call, first="alarm", second="outbox")
    assert answer.status_code == 200, answer.text
    assert len(await door.rows("SELECT 1 FROM outbox WHERE type = 'alarm.acknowledged'")) == 1
