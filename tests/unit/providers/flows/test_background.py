"""What no flow is about: it is declined by the shipped flows, and said once."""

from importlib.resources import files

import pytest

from vox.providers.flows.background import OFF_TOPIC
from vox.providers.flows.loading import read_script
from vox.providers.flows.topics import Topics
from vox.providers.flows.wording import heard_words

FLOWS = {name: files("vox.agent.config") / name for name in ("demo.yaml", "receptionist.yaml")}


def test_each_is_there_once():
    assert len({heard_words(text) for text in OFF_TOPIC}) == len(OFF_TOPIC)


@pytest.mark.parametrize("name", FLOWS)
def test_the_shipped_flows_answer_none_of_them(name):
    topics = Topics(read_script(FLOWS[name].read_text(encoding="utf-8"), name))
    answered = [
        text for text in OFF_TOPIC if topics.judge(topics.ranked(heard_words(text)), has_meaning=False) is not None
    ]
    assert answered == []
