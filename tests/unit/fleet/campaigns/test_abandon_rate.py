"""A day of over-dialling in virtual time: agents are the limit, people answer by chance, and too many sometimes answer at once."""

from random import Random

from tests.unit.fleet.campaigns.harness import new_yorkers, world
from vox.fleet.calls.contract import CallStatus

AGENTS = 6
RULES = {"pacing": {"calls_per_s": 50, "max_concurrent": 60, "max_ratio": 3.0}, "retry": {"max_attempts": 1}}


async def test_the_share_of_abandoned_calls_holds_at_every_moment():
    random = Random(1)
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(700), rules=RULES)
        talking: dict[str, int] = {}
        answered = abandoned = 0
        for _ in range(90):
            bridge.free = AGENTS - len(talking)
            await bridge.tick(5)
            ends: list[tuple[str, CallStatus, str]] = []
            answers: list[str] = []
            for call in await bridge.open_calls():
                if call in talking:
                    talking[call] -= 1
                    if talking[call] == 0:
                        ends.append((call, CallStatus.COMPLETED, ""))
                elif random.random() > 0.5:
                    ends.append((call, CallStatus.NO_ANSWER, ""))
                elif len(talking) < AGENTS:
                    talking[call] = random.randint(1, 2)
                    answers.append(call)
                else:
                    ends.append((call, CallStatus.COMPLETED, "abandoned"))
            await bridge.happens(answers, ends)
            for call, status, reason in ends:
                talking.pop(call, None)
                answered += status is CallStatus.COMPLETED
                abandoned += reason == "abandoned"
            assert abandoned * 1000 <= answered * 30
        counted = (await bridge.campaigns.get(campaign))["progress"]["abandon"]
        assert counted == {"answered": answered, "abandoned": abandoned}
        assert abandoned > 0, "too few answered at once, so the test shows nothing"
