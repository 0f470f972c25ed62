"""The talk page's files: complete, self-contained and labelled, and the modules without a browser in them are right."""

import json
import re
import subprocess
from functools import partial
from html.parser import HTMLParser

import pytest

from tests.time_limits import WAIT_S
from tests.unit.agent.api.page_scripts import NODE, PAGE, needs_node, run_node
from vox.protocols.agent_protobuf import ProtobufCodec, encode_client_audio, encode_client_message

ASSETS = sorted(path for path in PAGE.iterdir() if path.suffix in {".html", ".css", ".js"})
STABLE_IDS = {"talk", "hangup", "text", "send", "transcript", "status", "mic", "speaker", "latency", "notice", "retry"}


class Document(HTMLParser):
    """Elements with their attributes and the text inside them."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        text: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, text))
        self.open.append((tag, text))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, text in self.open:
            text.append(data)


DOCUMENT = Document((PAGE / "index.html").read_text())
IDS = {attributes["id"] for _, attributes, _ in DOCUMENT.elements if "id" in attributes}


@pytest.fixture
def node(tmp_path):
    """Runs a script beside the page's modules and gives what it prints."""
    return partial(run_node, tmp_path)


def test_every_asset_the_page_names_is_there():
    named = [value for _, a, _ in DOCUMENT.elements for value in (a.get("src"), a.get("href")) if value]
    files = [value for value in named if not value.startswith("data:")]
    assert sorted(files) == ["page/style.css", "page/talk.js"]
    for path in ASSETS:
        imported = re.findall(r'"(?:\./)?([\w-]+\.(?:js|css))"', path.read_text())
        missing = [name for name in imported if not (PAGE / name).is_file()]
        assert not missing, f"{path.name} names {missing}"


def test_no_file_is_left_over():
    texts = "".join(path.read_text() for path in ASSETS)
    unused = [path.name for path in ASSETS if path.name != "index.html" and path.name not in texts]
    assert not unused


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path):
    text = path.read_text()
    assert not re.findall(r"https?://|wss?://|[\"'(]//[a-z]", text)
    assert not re.findall(r"@import|url\(", text)


def test_the_browser_is_told_to_fetch_nothing_from_elsewhere():
    [policy] = [a["content"] for tag, a, _ in DOCUMENT.elements if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'")
    assert "script-src 'self';" in policy


def test_the_ids_tests_and_scripts_rely_on_are_there():
    assert STABLE_IDS <= IDS
    used = set(re.findall(r'byId\("([\w-]+)"\)', (PAGE / "talk.js").read_text()))
    assert used <= IDS


def test_ids_are_unique():
    ids = [attributes["id"] for _, attributes, _ in DOCUMENT.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_everything_one_can_operate_has_a_label():
    labelled = {a["for"] for tag, a, text in DOCUMENT.elements if tag == "label" and "".join(text).strip()}
    unlabelled = []
    for tag, attributes, text in DOCUMENT.elements:
        named = attributes.get("aria-label") or attributes.get("id") in labelled
        if tag in {"button", "summary", "a"}:
            named = named or "".join(text).strip()
        elif tag not in {"input", "select", "textarea"}:
            continue
        if not named:
            unlabelled.append((tag, attributes))
    assert not unlabelled


def test_what_labels_and_descriptions_point_at_exists():
    for _, attributes, _ in DOCUMENT.elements:
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            assert set(attributes.get(name, "").split()) <= IDS


def test_screen_readers_hear_status_problems_and_conversation():
    roles = {attributes.get("role"): attributes for _, attributes, _ in DOCUMENT.elements}
    assert roles["status"]["id"] == "status"
    assert roles["alert"]["id"] == "notice"
    assert (roles["log"]["id"], roles["log"]["aria-live"]) == ("transcript", "polite")


def test_no_script_or_style_stands_in_the_page():
    assert not [tag for tag, _, text in DOCUMENT.elements if tag in {"script", "style"} and "".join(text).strip()]
    assert not [a for _, a, _ in DOCUMENT.elements if "style" in a or any(name.startswith("on") for name in a)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme):
    style = (PAGE / "style.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in style.split("}", 3)[0:2])
    colours = light | dark if theme == "dark" else light
    pairs = [
        ("ink", "paper"), ("ink", "card"), ("ink", "mine"), ("ink", "warn"), ("soft", "paper"), ("soft", "card"),
        ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-stop", "stop"), ("on-stop", "stop-strong"),
    ]  # fmt: skip
    assert {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5} == {}
    parts = [("edge", "card"), ("edge", "paper"), ("accent", "paper"), ("focus", "paper"), ("focus", "card")]
    assert {pair: ratio for pair in parts if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 3} == {}


@needs_node
@pytest.mark.parametrize("path", [path for path in ASSETS if path.suffix == ".js"], ids=lambda path: path.name)
def test_scripts_are_valid(path, tmp_path):
    copy = tmp_path / f"{path.stem}.mjs"
    copy.write_text(path.read_text())
    assert NODE is not None
    checked = subprocess.run([NODE, "--check", copy], capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert checked.returncode == 0, checked.stderr


@needs_node
def test_the_pages_protobuf_is_the_servers(node):
    server = ProtobufCodec()
    pcm = bytes(range(256)) * 2 + bytes(128)
    speech = server.audio(pcm, 24000)
    request = {"type": "ünïcode", "data": {"text": "x" * 300}}
    given = json.dumps([list(speech), list(encode_client_message(request)), list(pcm), request])
    result = node(
        f"""
        import {{ decode, encodeAudio, encodeMessage }} from "./protobuf.js";
        const [speech, message, pcm, request] = {given};
        const buffer = (bytes) => new Uint8Array(bytes).buffer;
        const heard = decode(buffer(speech));
        console.log(JSON.stringify({{
          heard: [...new Uint8Array(heard.audio)], rate: heard.rate, message: decode(buffer(message)).message,
          audio: [...encodeAudio(buffer(pcm), 16000)], encoded: [...encodeMessage(request)],
          unknown: decode(buffer([0x0a, 1, 0x1a])), empty: decode(buffer([])),
          cut: speech.slice(0, 40).map((_, end) => {{ try {{ decode(buffer(speech.slice(0, end + 1))); return 1 }} catch {{ return 0 }} }}),
        }}));
        """
    )
    assert (bytes(result["heard"]), result["rate"], result["message"]) == (pcm, 24000, request)
    assert bytes(result["audio"]) == encode_client_audio(pcm, 16000)
    assert bytes(result["encoded"]) == encode_client_message(request)
    assert (result["unknown"], result["empty"], sum(result["cut"])) == (None, None, 0)


@needs_node
@pytest.mark.parametrize(
    ("source", "target"), [(48000, 16000), (44100, 16000), (16000, 48000), (24000, 44100), (16000, 16000)]
)
def test_resampling_keeps_the_voice_and_lets_nothing_fold_back(node, source, target):
    low, voice, high, above = node(
        f"""
        import {{ Resampler }} from "./resampler.js";
        const level = (frequency) => {{
          const resampler = new Resampler({source}, {target});
          const output = [];
          for (let start = 0; start < {source}; start += 128) {{
            const block = Float32Array.from({{length: 128}}, (_, i) => Math.sin(2 * Math.PI * frequency * (start + i) / {source}));
            output.push(...resampler.process(block));
          }}
          const middle = output.slice(output.length / 4, output.length * 3 / 4);
          return [Math.sqrt(2 * middle.reduce((sum, x) => sum + x * x, 0) / middle.length), output.length];
        }};
        const edge = Math.min({source}, {target}) / 2;
        console.log(JSON.stringify([level(200), level(1000), level(edge * 0.75), level(edge * 1.2)]));
        """
    )
    for gain, samples in (low, voice, high):
        assert gain == pytest.approx(1, abs=0.01)
        assert samples == pytest.approx(target, abs=0.01 * target)
    if source > target:
        assert above[0] < 0.001


# The worklets outside a browser: `run(seconds)` renders blocks of 128 samples, `receive(message)` is the page's message.
WORKLET = """
globalThis.sampleRate = RATE;
globalThis.currentTime = 0;
let Node;
globalThis.registerProcessor = (_, node) => { Node = node; };
globalThis.AudioWorkletProcessor = class {
  constructor() { this.port = { postMessage: (message) => posted.push({ ...message, at: currentTime }) }; }
};
const posted = [];
await import("./NAME-worklet.js");
const worklet = new Node({ processorOptions: { record: true } });
const receive = (message) => worklet.port.onmessage({ data: message });
const output = [];
let due = 0;
const run = (seconds, input = () => []) => {
  for (due += seconds; currentTime < due - 1e-9; currentTime += 128 / sampleRate) {
    const block = new Float32Array(128);
    worklet.process([input(Math.round(currentTime * sampleRate))], [[block]]);
    output.push(...block);
  }
};
const tone = (rate, seconds) => ({
  kind: "audio", rate, pcm: Int16Array.from({ length: rate * seconds }, () => 16384).buffer,
});
const loudFrom = () => output.findIndex((x) => x > 0.1) / sampleRate;
const loudFor = () => output.filter((x) => x > 0.1).length / sampleRate;
"""


def playback(script: str) -> str:
    return WORKLET.replace("RATE", "48000").replace("NAME", "playback") + script


@needs_node
def test_a_reply_starts_after_three_frames_and_plays_without_a_gap(node):
    result = node(
        playback("""
        for (let frame = 0; frame < 50; frame++) { receive(tone(16000, 0.02)); run(0.02); }
        receive({ kind: "end" });
        run(0.3);
        const first = output.findIndex((x) => x > 0.1);
        const last = output.findLastIndex((x) => x > 0.1);
        const holes = output.slice(first, last).filter((x) => x < 0.1).length;
        console.log(JSON.stringify({ from: loudFrom(), length: loudFor(), holes, kinds: posted.map(({ kind }) => kind) }));
        """)
    )
    assert result["from"] == pytest.approx(0.05, abs=0.02)
    assert result["length"] == pytest.approx(1.0, abs=0.01)
    assert result["holes"] == 0
    assert [kind for kind in result["kinds"] if kind in {"started", "stopped"}] == ["started", "stopped"]
    assert "heard" in result["kinds"]


@needs_node
def test_a_short_reply_is_not_held_back_for_more(node):
    result = node(
        playback("receive(tone(8000, 0.02)); run(0.2); console.log(JSON.stringify([loudFrom(), loudFor()]));")
    )
    assert result[0] < 0.08
    assert result[1] == pytest.approx(0.02, abs=0.005)


@needs_node
def test_late_frames_make_the_buffer_grow_until_nothing_is_late(node):
    gaps = node(
        playback("""
        // Every 25th frame comes 100 ms late, and what was held back comes with it.
        let held = 0;
        for (let frame = 0; frame < 1000; frame++) {
          if (frame % 25 > 19) held++;
          else { for (; held; held--) receive(tone(24000, 0.02)); receive(tone(24000, 0.02)); }
          run(0.02);
        }
        console.log(JSON.stringify(posted.filter(({ kind }) => kind === "stopped").map(({ at }) => at)));
        """)
    )
    assert gaps
    assert max(gaps) < 10


@needs_node
def test_an_interruption_silences_what_was_waiting_at_once(node):
    result = node(
        playback("""
        for (let frame = 0; frame < 100; frame++) receive(tone(24000, 0.02));
        run(0.5);
        const before = output.length;
        receive({ kind: "clear" });
        run(1);
        const after = output.slice(before);
        const steps = after.map((x, index) => Math.abs(x - (index ? after[index - 1] : output[before - 1])));
        const length = (after.findLastIndex((x) => Math.abs(x) > 1e-4) + 1) / sampleRate;
        for (let frame = 0; frame < 10; frame++) { receive(tone(24000, 0.02)); run(0.02); }
        run(0.3);
        console.log(JSON.stringify({ length, step: Math.max(...steps), next: output.slice(-48000 / 2).some((x) => x > 0.4) }));
        """)
    )
    assert result["length"] < 0.006
    assert result["step"] < 0.05, "a click"
    assert result["next"], "the next answer is heard"


@needs_node
def test_a_live_track_is_played_told_and_cut(node):
    result = node(
        playback("""
        const voice = () => [Float32Array.from({ length: 128 }, () => 0.5)];
        const silence = () => [new Float32Array(128)];
        run(0.5, silence);
        run(1, voice);
        const before = output.length;
        receive({ kind: "clear" });
        run(0.2, voice);
        const cut = output.slice(before).some((x) => x > 0.1);
        run(1, silence);
        const kinds = posted.map(({ kind }) => kind);
        const heard = posted.filter(({ kind }) => kind === "heard").reduce((sum, { pcm }) => sum + pcm.byteLength / 2, 0);
        console.log(JSON.stringify({ from: loudFrom(), length: loudFor(), cut, kinds, heard: heard / sampleRate }));
        """)
    )
    assert result["from"] == pytest.approx(0.5, abs=0.01)
    assert result["length"] == pytest.approx(1.0, abs=0.01)
    assert result["cut"] is False
    assert [kind for kind in result["kinds"] if kind in {"started", "stopped"}] == ["started", "stopped"]
    assert result["heard"] == pytest.approx(1.15, abs=0.05), "its speech, and the rest of the pause that ends it"


@needs_node
def test_playback_never_holds_more_than_a_minute(node):
    queued = node(
        playback("for (let i = 0; i < 100; i++) receive(tone(48000, 1)); console.log(worklet.queued / sampleRate);")
    )
    assert queued <= 60


@needs_node
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_the_microphone_becomes_20_ms_frames_of_16_khz(node, rate):
    frames = node(
        WORKLET.replace("RATE", str(rate)).replace("NAME", "capture")
        + """
        const block = (at) => Float32Array.from({ length: 128 }, (_, i) => 0.5 * Math.sin(2 * Math.PI * 440 * (at + i) / sampleRate));
        run(1, (at) => [block(at), block(at)]);
        console.log(JSON.stringify(posted.map(({ pcm, level }) => [[...new Int16Array(pcm)], level])));
        """
    )
    assert len(frames) in {49, 50}
    assert {len(pcm) for pcm, _ in frames} == {320}
    assert max(max(pcm) for pcm, _ in frames) == pytest.approx(16384, rel=0.02)
    assert frames[10][1] == pytest.approx(0.5 / 2**0.5, rel=0.05)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
