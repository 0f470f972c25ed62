"""What visitors see of a conversation on the talk page, on a phone's width and on a desk's: everything once, in its order."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.audio_probe import speak
from tests.e2e.chromium import Page, open_page
from vox.clients.audio_files import write_wav

SIZES = {360: 740, 1280: 800}
ANSWERS: dict[str, Any] = {**FAKES, "greeting": "Good day.", "llm_options": {"responses": ["You said {text}. Go on."]}}
TWO_AGENTS: dict[str, Any] = {
    **ANSWERS,
    "default_agent": "desk",
    "agents": {
        "desk": {"title": "Front desk", "suggestions": ["Is breakfast included?", "When is check-out?"]},
        "kitchen": {"title": "Kitchen", "greeting": "Kitchen here.", "suggestions": ["What is in the soup?"]},
    },
}
SAID = "voxTalk.transcript.map(({who, kind, text}) => [who, kind, text])"
CHIPS = "[...document.querySelectorAll('#suggestions button')].map((chip) => chip.textContent)"
NOTICE = "document.querySelector('#notice').innerText"
ARRIVING = [
    {"name": "whisper-tiny.en", "state": "installed", "done": 76_000_000, "total": 76_000_000, "reason": ""},
    {"name": "kokoro-82m", "state": "installing", "done": 20_000_000, "total": 94_000_000, "reason": ""},
]


@asynccontextmanager
async def talk_page(
    folder: Path,
    agent: RunningAgent,
    width: int = 1280,
    *,
    path: str = "/",
    microphone: Path | None = None,
    before: str = "",
) -> AsyncGenerator[Page, None]:
    """The page at that width; `before` is a script that runs ahead of the page's own."""
    async with open_page(folder, "about:blank", microphone=microphone) as page:
        size = {"width": width, "height": SIZES[width], "deviceScaleFactor": 1, "mobile": width < 500}
        await page.call("Emulation.setDeviceMetricsOverride", **size)
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await page.call("Page.navigate", url=agent.http + path)
        await page.wait_for("document.readyState === 'complete' && 'voxTalk' in window")
        yield page


async def send(page: Page, text: str) -> None:
    await page.evaluate("document.querySelector('#text').focus()")
    await page.type(text)
    await page.evaluate("document.querySelector('#send').click()")


async def answered(page: Page, text: str) -> None:
    await page.wait_for(f"voxTalk.transcript.some(({{who, text}}) => who === 'bot' && text === {text!r})")


@pytest.mark.parametrize("width", SIZES)
async def test_what_is_typed_and_answered_stands_there_once_in_its_order(tmp_path, width):
    async with agent_server(tmp_path, ANSWERS) as agent, talk_page(tmp_path, agent, width) as page:
        await send(page, "good morning")
        await answered(page, "You said good morning. Go on.")
        await send(page, "good morning")
        await page.wait_for("voxTalk.transcript.filter(({who}) => who === 'user').length === 2")
        await page.wait_for(
            "voxTalk.transcript.filter(({text}) => text === 'You said good morning. Go on.').length === 2"
        )
        said = [entry for entry in await page.evaluate(SAID) if entry != ["bot", "spoken", "Good day."]]
        shown = await page.evaluate("document.querySelector('#transcript').innerText")
        widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        errors = page.errors
    assert said == 2 * [["user", "typed", "good morning"], ["bot", "spoken", "You said good morning. Go on."]]
    assert shown.count("You said good morning.") == 2
    assert widths == [width, width], "the page scrolls sideways"
    assert errors == []


async def test_what_was_cut_off_is_struck_through_and_the_new_answer_stands_for_itself(tmp_path):
    config = {**ANSWERS, "greeting": "", "llm_options": {"responses": ["One two three four five. " * 20, "Stopped."]}}
    async with agent_server(tmp_path, config) as agent, talk_page(tmp_path, agent) as page:
        await send(page, "count")
        await page.wait_for("document.querySelectorAll('.word.spoken').length > 2")
        await send(page, "stop")
        await page.wait_for("voxTalk.transcript.some(({spoken}) => spoken === 'Stopped.')")
        entries = await page.evaluate("voxTalk.transcript")
        struck = await page.evaluate(
            "[...document.querySelectorAll('.cut .word:not(.spoken)')]"
            ".map((word) => getComputedStyle(word).textDecorationLine)"
        )
        errors = page.errors
    assert [(entry["who"], entry["wasInterrupted"]) for entry in entries] == [
        ("user", False),
        ("bot", True),
        ("user", False),
        ("bot", False),
    ]
    assert 0 < len(entries[1]["spoken"]) < len(entries[1]["text"])
    assert struck
    assert set(struck) == {"line-through"}
    assert errors == []


@pytest.mark.parametrize("width", SIZES)
async def test_a_visitor_can_choose_an_agent_and_ask_what_it_knows(tmp_path, width):
    async with agent_server(tmp_path, TWO_AGENTS) as agent, talk_page(tmp_path, agent, width) as page:
        await page.wait_for(f"{CHIPS}.length === 2")
        assert await page.evaluate(CHIPS) == ["Is breakfast included?", "When is check-out?"]
        await page.evaluate("document.querySelector('#agent').focus()")
        await page.evaluate(
            "(() => { const picker = document.querySelector('#agent'); picker.value = 'kitchen';"
            " picker.dispatchEvent(new Event('change')); })()"
        )
        await page.wait_for(f"{CHIPS}[0] === 'What is in the soup?'")
        await page.evaluate("document.querySelector('#suggestions button').scrollIntoView()")
        await page.click("#suggestions button")
        await answered(page, "You said What is in the soup?. Go on.")
        said = await page.evaluate(SAID)
        name = await page.evaluate("document.querySelector('.entry.bot .who').firstChild.textContent")
        address = await page.evaluate("location.search")
        errors = page.errors
    assert ["user", "typed", "What is in the soup?"] in said
    assert ["bot", "spoken", "Good day."] not in said
    assert (name, address) == ("Kitchen", "?agent=kitchen")
    assert errors == []


async def test_misheard_speech_and_keys_are_shown(tmp_path):
    recording = await speak("mumble mumble", lead_s=4.0, tail_s=2.0)
    microphone = tmp_path / "mumble.wav"
    write_wav(microphone, [recording.pcm], recording.sample_rate)
    config = {**ANSWERS, "stt_options": {"transcripts": [""]}, "not_understood": "Pardon?"}
    async with (
        agent_server(tmp_path, config) as agent,
        talk_page(tmp_path, agent, 360, microphone=microphone) as page,
    ):
        await page.click("#talk")
        await answered(page, "Pardon?")
        await page.evaluate("document.querySelector('#keypad').open = true")
        for key in "42":
            await page.evaluate(f"document.querySelector('[data-key=\"{key}\"]').click()")
        said = await page.evaluate(SAID)
        errors = page.errors
    assert said == [
        ["bot", "spoken", "Good day."],
        ["user", "not-understood", "(not understood)"],
        ["bot", "spoken", "Pardon?"],
        ["user", "keys", "Keys 4 2"],
    ]
    assert errors == []


async def test_the_end_of_a_call_is_a_sentence_and_the_conversation_can_be_saved(tmp_path):
    config = {
        **ANSWERS,
        "agents": {"desk": {"title": "Front desk"}},
        "llm_options": {
            "responses": ["You said {text}."],
            "calls": [{"keyword": "bye", "tool": "end_call", "arguments": {}}],
        },
    }
    async with agent_server(tmp_path, config) as agent, talk_page(tmp_path, agent) as page:
        await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
        await send(page, "hello")
        await page.wait_for("voxTalk.transcript.some(({spoken}) => spoken === 'You said hello.')")
        await send(page, "bye")
        await page.wait_for("voxTalk.state === 'idle'")
        shown = await page.evaluate("document.querySelector('#transcript').innerText")
        for button in ("#save-txt", "#save-json"):
            await page.click(button)
        await until(lambda: len([*tmp_path.glob("saved/*.txt"), *tmp_path.glob("saved/*.json")]) == 2)
        errors = page.errors
    [text], [data] = tmp_path.glob("saved/*.txt"), tmp_path.glob("saved/*.json")
    assert "The agent ended the call." in shown
    assert "agent_ended" not in shown
    order = [line.partition("] ")[2] for line in text.read_text().splitlines() if line.startswith("[")]
    assert [line for line in order if "Good day" not in line] == [
        "You: hello",
        "Front desk: You said hello.",
        "You: bye",
        "-- The agent ended the call.",
    ]
    assert [entry["text"] for entry in json.loads(data.read_text())["entries"]][-1] == "The agent ended the call."
    assert errors == []


async def test_an_api_key_is_asked_for_and_taken(tmp_path):
    config = {**ANSWERS, "server_api_key": "sesame", "suggestions": ["Are you open?"]}
    async with agent_server(tmp_path, config) as agent, talk_page(tmp_path, agent, 360) as page:
        await page.wait_for(f"/API key/.test({NOTICE})")
        await page.evaluate("document.querySelector('#key').focus()")
        await page.type("sesame")
        await page.evaluate("document.querySelector('#key-form button').click()")
        await page.wait_for(f"{CHIPS}[0] === 'Are you open?'")
        await send(page, "hello")
        await answered(page, "You said hello. Go on.")
        address = await page.evaluate("location.href")
    assert "sesame" not in address


async def test_a_lost_connection_is_told_and_made_again(tmp_path):
    async with agent_server(tmp_path, ANSWERS) as agent, talk_page(tmp_path, agent) as page:
        await send(page, "hello")
        await answered(page, "You said hello. Go on.")
        agent.process.kill()
        await page.wait_for("voxTalk.state === 'reconnecting'")
        await send(page, "are you there")
        async with agent_server(tmp_path, ANSWERS, "--port", str(agent.port)):
            await page.wait_for("voxTalk.state !== 'reconnecting'")
            await answered(page, "You said are you there. Go on.")
            said = [text for _, _, text in await page.evaluate(SAID)]
    told = [text for text in said if "onnect" in text]
    assert told == [
        "The connection was lost.",
        "Connected again. This is a new call: the agent does not know what was said before.",
    ]
    assert said.count("are you there") == 1
    assert said.index("hello") < said.index(told[0]) < said.index(told[1]) < said.index("are you there")


async def test_the_drivers_of_speech_and_the_arrival_of_better_ones_are_shown(tmp_path):
    stub = (
        "const real = fetch; let models = ARRIVING; window.arrive = () => models.forEach((model) => "
        "Object.assign(model, {state: 'installed', done: model.total}));"
        "window.fetch = (url, options) => String(url).includes('/speech') ? Promise.resolve("
        "Response.json({data: {stt: 'pocketsphinx', tts: 'espeak', models}})) : real(url, options);"
    ).replace("ARRIVING", json.dumps(ARRIVING))
    shown = "document.querySelector('#speech').innerText"
    async with agent_server(tmp_path, ANSWERS) as agent, talk_page(tmp_path, agent, 360, before=stub) as page:
        await page.wait_for(f"/96 of 170 MB/.test({shown})")
        assert "pocketsphinx" in await page.evaluate(shown)
        assert await page.evaluate("document.querySelector('#progress').value") == pytest.approx(96 / 170)
        await page.evaluate("arrive()")
        await page.wait_for(f"/has arrived/.test({shown})")
        assert page.errors == []


async def test_a_page_without_a_secure_address_says_so_before_one_tries(tmp_path):
    insecure = "Object.defineProperty(window, 'isSecureContext', {value: false});"
    async with agent_server(tmp_path, ANSWERS) as agent, talk_page(tmp_path, agent, 360, before=insecure) as page:
        await page.wait_for("/https/.test(document.querySelector('#hint').innerText)")
        assert page.errors == []
