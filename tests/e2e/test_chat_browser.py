"""A client in a real browser, on a page of another origin: CORS, ids as texts, the gateway, a signed picture, a resume.

And the same from a page that was not named, which gets nothing.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.e2e.chats import PASSWORD, chat_server
from tests.e2e.chromium import Page, open_page

PAGE = b"<!doctype html><title>client</title>"
CLIENT = """
const call = async (method, path, body, token) => {
  const isForm = body instanceof FormData;
  const headers = {"X-Vox-Ids": "string"};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body && !isForm) headers["Content-Type"] = "application/json";
  const reply = await fetch(`${base}/api/v1${path}`, {method, headers, body: isForm ? body : body && JSON.stringify(body)});
  const text = await reply.text();
  return {status: reply.status, limit: reply.headers.get("X-RateLimit-Limit"), json: text ? JSON.parse(text) : null};
};
const ok = async (...what) => {
  const reply = await call(...what);
  if (reply.status >= 400) throw new Error(`${what[0]} ${what[1]}: ${reply.status} ${JSON.stringify(reply.json)}`);
  return reply.json;
};
const connect = (first) => new Promise((resolve, reject) => {
  const socket = new WebSocket(gateway), frames = [], waiting = [];
  socket.onerror = () => reject(new Error("no socket"));
  socket.onmessage = ({data}) => {
    const frame = JSON.parse(data);
    frames.push(frame);
    if (frame.type === "hello") socket.send(JSON.stringify(first));
    if (frame.type === "ready" || frame.type === "resumed") resolve(client);
    waiting.splice(0).forEach(look => look());
  };
  const client = {socket, frames, until: (test) => new Promise(found => {
    const look = () => { const frame = frames.find(test); frame ? found(frame) : waiting.push(look); };
    look();
  })};
});
"""
STORY = """
const {token, user_id} = await ok("POST", "/auth/register", {username: "browser", password});
const feed = await ok("POST", "/feeds", {name: "general", type: "text"}, token);
const first = await connect({type: "identify", d: {token, capabilities: ["string_ids"]}});

const canvas = document.createElement("canvas");
canvas.width = 17; canvas.height = 11;
canvas.getContext("2d").fillRect(0, 0, 17, 11);
const form = new FormData();
form.append("file", await new Promise(done => canvas.toBlob(done)), "picture.png");
const file = await ok("POST", `/feeds/${feed.feed_id}/files`, form, token);
const sent = await ok("POST", `/feeds/${feed.feed_id}/messages`, {body: "hi", attachments: [file.file_id]}, token);
const told = await first.until(frame => frame.type === "message_create");
const {messages} = await ok("GET", `/feeds/${feed.feed_id}/messages`, undefined, token);

const link = await ok("POST", `/files/${file.file_id}/link`, undefined, token);
const picture = new Image();
await new Promise((loaded, failed) => {
  picture.onload = loaded; picture.onerror = () => failed(new Error("no picture"));
  picture.src = base + link.url;
});

const {session_id} = first.frames.find(frame => frame.type === "ready").d;
const last_seq = Math.max(...first.frames.map(frame => frame.seq ?? 0));
first.socket.close();
const missed = [];
for (const body of ["one", "two", "three"])
  missed.push((await ok("POST", `/feeds/${feed.feed_id}/messages`, {body}, token)).msg_id);
const second = await connect({type: "resume", d: {token, session_id, last_seq}});
const again = second.frames.filter(frame => frame.type === "message_create").map(frame => frame.d.msg_id);
second.socket.close();
return {
  limit: (await call("GET", "/server", undefined, token)).limit,
  refused: await call("GET", "/feeds/99", undefined, token),
  ids: [sent.msg_id, told.d.msg_id, messages[0].msg_id],
  userId: user_id,
  exact: BigInt(sent.msg_id) > BigInt(Number.MAX_SAFE_INTEGER),
  size: [picture.naturalWidth, picture.naturalHeight],
  missed, again, lastSeq: last_seq, seqs: second.frames.map(frame => frame.seq).filter(Boolean),
};
"""
STRANGER = """
const tried = {};
tried.rest = await call("GET", "/gateway").then(reply => reply.status, error => error.name);
tried.login = await call("POST", "/auth/login", {username: "browser", password}).then(reply => reply.status, error => error.name);
tried.socket = await connect({type: "heartbeat"}).then(() => "open", error => error.message);
return tried;
"""


async def test_a_page_of_another_origin_is_a_client(tmp_path: Path) -> None:
    async with page_server() as origin, page_server() as stranger:
        environment = {"VOX_ALLOWED_ORIGINS": origin, "VOX_SIGNED_MEDIA_URLS": "true"}
        async with chat_server(tmp_path, environment=environment) as chat:
            async with open_page(tmp_path / "named", origin) as page:
                told = await run(page, STORY, base=chat.http, gateway=chat.gateway, password=PASSWORD)
            async with open_page(tmp_path / "stranger", stranger) as page:
                tried = await run(page, STRANGER, base=chat.http, gateway=chat.gateway, password=PASSWORD)
    assert len(set(told["ids"])) == 1
    assert told["exact"]
    assert told["userId"] == "1"
    assert told["limit"] == "10"
    assert (told["refused"]["status"], told["refused"]["json"]["error"]["code"]) == (404, "SPACE_NOT_FOUND")
    assert told["size"] == [17, 11]
    assert told["again"] == told["missed"]
    assert told["seqs"] == list(range(told["lastSeq"] + 1, told["lastSeq"] + 1 + len(told["seqs"])))
    assert tried == {"rest": "TypeError", "login": "TypeError", "socket": "no socket"}


async def run(page: Page, story: str, **values: Any) -> Any:
    """What a story gives back; the values are constants to it."""
    constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
    return await page.evaluate(f"(async () => {{{constants}{CLIENT}{story}}})()")


@contextlib.asynccontextmanager
async def page_server() -> AsyncGenerator[str, None]:
    """An origin of its own with one empty page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(PAGE)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + PAGE)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
