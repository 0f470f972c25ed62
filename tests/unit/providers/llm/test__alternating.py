"""Turns that alternate, whatever the conversation."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.llm.vendor_play import HI, SYSTEM, texts
from vox.providers.llm._alternating import CALL_BEGINS, GO_ON, alternating, split
from vox.providers.llm.contract import Message

messages = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "user", "assistant"]), texts),
    max_size=8,
)  # fmt: skip


def blocks(message: Message) -> list[dict[str, Any]]:
    return [{"text": message["content"]}] if (message["content"] or "").strip() else []


@given(messages)
def test_turns_alternate_and_the_caller_has_the_first_and_the_last(given_messages):
    turns = alternating(given_messages, blocks, model="model", field="parts", text=lambda text: {"text": text})
    roles = [turn["role"] for turn in turns]
    assert roles[0] == roles[-1] == "user"
    assert all(role != after for role, after in pairwise(roles))
    said = [part["text"] for turn in turns for part in turn["parts"] if part["text"] not in {CALL_BEGINS, GO_ON}]
    assert said == [each["content"] for each in given_messages if each["content"].strip()]


def test_instructions_are_those_at_the_beginning():
    later: Message = {"role": "system", "content": "Now in French."}
    assert split((SYSTEM, SYSTEM, HI, later)) == ("Be brief.\n\nBe brief.", [HI, later])
    assert split(()) == ("", [])
