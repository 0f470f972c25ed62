"""A browser that changes its network restarts ICE: the call goes on over the new path, with the same DTLS and data channel."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.chromium import open_page

pytestmark = pytest.mark.usefixtures("webrtc_driver")

CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello.",
    "llm_options": {"responses": ["You said {text}."]},
}
CLIENT = """
    window.told = [];
    window.pc = new RTCPeerConnection();
    window.channel = pc.createDataChannel('chat');
    pc.addTransceiver('audio', {direction: 'sendrecv'});
    channel.onopen = () => send('client-ready', {version: '2.1.0'});
    channel.onmessage = ({data}) => told.push(JSON.parse(data));
    window.send = (type, data) => channel.send(JSON.stringify({label: 'rtvi-ai', type, id: '1', data}));
    window.negotiate = async () => {
      await pc.setLocalDescription();
      const request = {sdp: pc.localDescription.sdp, type: 'offer', pc_id: window.id ?? null};
      const response = await fetch('/api/offer', {method: 'POST', body: JSON.stringify(request)});
      const answer = await response.json();
      window.id = answer.pc_id;
      await pc.setRemoteDescription({type: 'answer', sdp: answer.sdp});
      return answer.sdp;
    };
    window.packets = async () => [...(await pc.getStats()).values()].find(({type}) => type === 'inbound-rtp')?.packetsReceived ?? 0;
    window.remote = async () => {
      const stats = [...(await pc.getStats()).values()];
      const transport = stats.find(({type}) => type === 'transport');
      const pair = stats.find(({id}) => id === transport?.selectedCandidatePairId);
      return stats.find(({id}) => id === pair?.remoteCandidateId)?.port ?? 0;
    };
"""


async def test_ice_restarts_below_a_call_that_goes_on(tmp_path: Path, webrtc_driver: str):
    async with agent_server(tmp_path, CONFIG) as agent, open_page(tmp_path, agent.http) as page:
        await page.evaluate(f"(() => {{{CLIENT}}})()")
        first = await page.evaluate("negotiate()")
        await page.wait_for("told.some(({type}) => type === 'bot-stopped-speaking')")
        port = await page.wait_for("remote()")

        await page.evaluate("pc.restartIce()")
        again = await page.evaluate("negotiate()")
        assert fragment(again) != fragment(first)
        if webrtc_driver == "aiortc":  # the engine has one port for all paths
            await page.wait_for(f"remote().then(found => found && found !== {port})")
        await page.wait_for("pc.connectionState === 'connected'")

        heard = await page.evaluate("packets()")
        await page.evaluate("told.length = 0; send('send-text', {content: 'moved'})")
        await page.wait_for("told.some(({type}) => type === 'bot-stopped-speaking')")
        assert await page.evaluate("told.some(({data}) => data?.text === 'You said moved.')")
        assert await page.evaluate("packets()") > heard + 10
        assert len(agent.lines("call started")) == 1
        await page.evaluate("send('disconnect-bot', {})")
        await agent.logged("call ended")
        assert page.errors == []


def fragment(sdp: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))
