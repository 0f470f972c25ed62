import asyncio

import pytest

from tests.unit.agent.call_harness import World
from vox.protocols.agent_events import ModelUsage
from vox.providers.llm.contract import TextDelta, Usage

pytestmark = pytest.mark.usefixtures("virtual_loop")


async def test_the_tokens_of_an_answer_are_told_where_the_model_reports_them():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("yes."), Usage(12, 3)]
        await world.say("go")
        await asyncio.sleep(3)
        assert world.line.of(ModelUsage) == [ModelUsage(12, 3)]
        world.mind.script = lambda request: [TextDelta("no.")]
        await world.say("go")
        await asyncio.sleep(3)
        assert len(world.line.of(ModelUsage)) == 1
