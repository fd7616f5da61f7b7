"""What must not keep others waiting is handled alone, in order, between what goes together; on both buses."""

from collections.abc import Sequence

from libs.common.bus.port import Bus, Delivery
from libs.common.database.database import Database
from tests.common.world.handling import Recorder, consuming, effects, publish
from tests.conftest import MakeTopic
from tests.waiting import until


async def test_each_record_that_goes_alone_has_a_transaction_of_its_own(
    bus: Bus, database: Database, make_topic: MakeTopic
):
    topic = await make_topic()
    sent = ["a", "b", "alone-1", "alone-2", "alone-3", "c", "d"]
    transactions: list[list[str]] = []

    async def noting(deliveries: Sequence[Delivery]) -> None:
        transactions.append([delivery.value.decode() for delivery in deliveries])

    async def all_done() -> bool:
        return len(await effects(database)) == len(sent)

    await publish(bus, topic, *sent)
    async with consuming(bus, database, topic, Recorder(after=noting)):
        await until(all_done)
    assert [one for transaction in transactions for one in transaction] == sent
    alone = [transaction for transaction in transactions if any("alone" in one for one in transaction)]
    assert alone == [["alone-1"], ["alone-2"], ["alone-3"]]
