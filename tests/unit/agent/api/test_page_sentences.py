"""What the talk page says in sentences: why calls end, what is saved, how far better speech is."""

import json
import re
from functools import partial
from pathlib import Path

import pytest

import vox.agent
from tests.unit.agent.api.page_scripts import needs_node, run_node

pytestmark = needs_node
CLOSING = re.compile(r'(?:self|socket)\.(?:end|close)\(\s*1\d{3}, "([^"]+)"')
ENDING = re.compile(r'(?:_on_end\(|call_later\([^)]*_on_end, |EndCall\(|end_reason = )"([^"]+)"')


@pytest.fixture
def node(tmp_path):
    """Runs a script beside the page's modules and gives what it prints."""
    return partial(run_node, tmp_path)


def call(node, module, function, *cases):
    """The function's answers for each of the cases."""
    return node(
        f'import {{ {function} }} from "./{module}.js";'
        f"console.log(JSON.stringify({json.dumps(cases)}.map((given) => {function}(...given))));"
    )


def reasons_of_the_server():
    folders = [Path(vox.agent.__file__).parent / part for part in ("call", "turns", "transports")]
    sources = [path.read_text() for folder in folders for path in folder.glob("*.py") if path.name != "telephony.py"]
    return sorted({found for text in sources for pattern in (CLOSING, ENDING) for found in pattern.findall(text)})


def test_every_reason_of_the_server_is_a_sentence(node):
    reasons = reasons_of_the_server()
    assert {"agent_ended", "idle", "too_long", "silent_peer", "internal error"} <= set(reasons)
    said = dict(zip(reasons, call(node, "reasons", "whyEnded", *[(1000, reason) for reason in reasons]), strict=True))
    assert {said.pop("client_left"), said.pop("hung_up")} == {""}, "the caller knows"
    unclear = {
        reason: text for reason, text in said.items() if not re.fullmatch(r"The [^_]+\.", text) or reason in text
    }
    assert unclear == {}
    assert said["agent_ended"] == "The agent ended the call."


def test_an_unknown_reason_is_passed_on_and_a_missing_one_explained(node):
    said = call(
        node, "reasons", "whyEnded", (1000, "quota_used_up"), (1000, ""), (1006, ""), (4001, ""), (1000, "toString")
    )
    assert said == [
        "The call ended: quota used up.",
        "",
        "The connection was lost.",
        "The connection was lost.",
        "The call ended: toString.",
    ]


def test_a_refused_call_names_the_remedy(node):
    said = call(
        node, "reasons", "whyNotTaken",
        (401, 200, ""), (404, 200, "bar"), (503, 200, ""), (426, 503, ""), (0, 0, ""), (426, 200, ""),
    )  # fmt: skip
    words = ["API key", "bar", "busy", "not taking calls", "cannot be reached", "try again"]
    assert all(word in text for word, text in zip(words, said, strict=True))


SAVED = """
import { asText, asJson, fileName } from "./saving.js";
const at = new Date(2026, 10, 29, 9, 5, 7);
const base = { kind: "spoken", spoken: "", wasInterrupted: false, at };
const conversation = { agent: "Vox Bistro", began: at, entries: [
  { ...base, who: "bot", text: "Hello. How can I help?", spoken: "Hello.", wasInterrupted: true },
  { ...base, who: "user", kind: "not-understood", text: "(not understood)" },
  { ...base, who: "user", kind: "keys", text: "Key 4" },
  { ...base, who: "bot", text: "We open at noon.", spoken: "We open at noon.", tookS: 0.61234 },
  { ...base, who: "page", kind: "note", text: "The agent ended the call." },
] };
console.log(JSON.stringify([asText(conversation), JSON.parse(asJson(conversation)), fileName("Vox Bistro", at, "txt"), fileName("../!", at, "json")]));
"""


def test_a_conversation_is_saved_in_its_order_with_who_said_what_and_what_was_not_heard(node):
    text, data, name, strange = node(SAVED)
    assert text.splitlines()[2:] == [
        "[09:05:07] Vox Bistro: Hello. (interrupted, not heard: How can I help?)",
        "[09:05:07] You: (not understood)",
        "[09:05:07] You: Key 4",
        "[09:05:07] Vox Bistro: We open at noon.",
        "[09:05:07] -- The agent ended the call.",
    ]
    assert [(entry["who"], entry["kind"]) for entry in data["entries"]] == [
        ("bot", "spoken"), ("user", "not-understood"), ("user", "keys"), ("bot", "spoken"), ("page", "note"),
    ]  # fmt: skip
    assert data["entries"][0]["was_interrupted"]
    assert data["entries"][0]["spoken"] == "Hello."
    assert data["entries"][3]["answered_after_s"] == 0.612
    assert (name, strange) == ("2026-11-29-0905-vox-bistro.txt", "2026-11-29-0905-agent.json")


def model(state, done=0, total=100_000_000, reason=""):
    return {"name": "kokoro-82m", "state": state, "done": done, "total": total, "reason": reason}


def test_the_arrival_of_better_speech_is_told(node):
    coming, failed, arrived, always, none = call(
        node, "drivers", "arrival",
        ([model("installed", 100_000_000), model("installing", 20_000_000)], False),
        ([model("failed", reason="no source answered")], True),
        ([model("installed", 100_000_000)], True),
        ([model("installed", 100_000_000)], False),
        ([], False),
    )  # fmt: skip
    assert coming["isArriving"]
    assert "120 of 200 MB" in coming["text"]
    assert coming["share"] == pytest.approx(0.6)
    assert not failed["isArriving"]
    assert "no source answered" in failed["text"]
    assert "has arrived" in arrived["text"]
    assert (always["text"], none["text"]) == ("", "")
