"""The same chat routes as a plain FastAPI application on aiosqlite: tokens, one profile, messages, a socket for each reader.

Nothing is left out to make it slow and nothing added to make it fast: a token is a row, a message is an insert and a commit
in WAL mode, and an event is encoded once for each reader because its sequence number is inside.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated

import aiosqlite
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT UNIQUE, display_name TEXT, created_at INTEGER);
CREATE TABLE sessions (token TEXT PRIMARY KEY, user_id INTEGER, expires_at INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY, feed_id INTEGER, author_id INTEGER, body TEXT, timestamp INTEGER);
CREATE INDEX by_feed ON messages (feed_id, id);
"""


class Account(BaseModel):
    """Who registers."""

    username: str
    password: str


class NewMessage(BaseModel):
    """What is sent."""

    body: str
    reply_to: int | None = None
    mentions: list[int] | None = None


class Profile(BaseModel):
    """What is read."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None = None
    bio: str | None = None
    roles: list[int]
    created_at: int


class Reader:
    """A socket and its sequence number."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.seq = 1


def make_app(path: str) -> FastAPI:
    state: dict[str, aiosqlite.Connection] = {}
    readers: set[Reader] = set()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(path) as database:
            await database.execute("PRAGMA journal_mode=WAL")
            await database.execute("PRAGMA synchronous=NORMAL")
            await database.executescript(TABLES)
            await database.commit()
            state["database"] = database
            yield

    app = FastAPI(lifespan=lifespan)

    async def caller(authorization: str = Header()) -> int:
        token = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
        found = await state["database"].execute_fetchall(
            "SELECT user_id FROM sessions WHERE token = ? AND expires_at > ?", (token, time.time())
        )
        for (user_id,) in found:
            return user_id
        raise HTTPException(401)

    @app.post("/api/v1/auth/register", status_code=201)
    async def register(account: Account) -> dict[str, object]:
        token, database = secrets.token_urlsafe(48), state["database"]
        added = await database.execute(
            "INSERT INTO users (username, display_name, created_at) VALUES (?, ?, ?)",
            (account.username, account.username, int(time.time())),
        )
        await database.execute(
            "INSERT INTO sessions VALUES (?, ?, ?)",
            (hashlib.sha256(token.encode()).hexdigest(), added.lastrowid, time.time() + 86_400),
        )
        await database.commit()
        return {"user_id": added.lastrowid, "token": token}

    @app.get("/api/v1/users/{user_id}")
    async def user(user_id: int, _caller: Annotated[int, Depends(caller)]) -> Profile:
        found = await state["database"].execute_fetchall(
            "SELECT id, username, display_name, created_at FROM users WHERE id = ?", (user_id,)
        )
        for row in found:
            return Profile(user_id=row[0], username=row[1], display_name=row[2], created_at=row[3], roles=[])
        raise HTTPException(404)

    @app.post("/api/v1/feeds/{feed_id}/messages", status_code=201)
    async def send(feed_id: int, message: NewMessage, author: Annotated[int, Depends(caller)]) -> dict[str, object]:
        now_ms, database = int(time.time() * 1000), state["database"]
        added = await database.execute(
            "INSERT INTO messages (feed_id, author_id, body, timestamp) VALUES (?, ?, ?, ?)",
            (feed_id, author, message.body, now_ms),
        )
        await database.commit()
        event = {"msg_id": added.lastrowid, "feed_id": feed_id, "author_id": author, "body": message.body}
        await deliver("message_create", {**event, "timestamp": now_ms})
        return {"msg_id": added.lastrowid, "timestamp": now_ms, "interaction_id": None, "mentions": []}

    async def deliver(kind: str, payload: dict[str, object]) -> None:
        async def to(reader: Reader) -> None:
            reader.seq += 1
            with contextlib.suppress(Exception):  # a reader that has gone
                await reader.socket.send_text(json.dumps({"type": kind, "seq": reader.seq, "d": payload}))

        await asyncio.gather(*map(to, readers))

    @app.websocket("/gateway")
    async def gateway(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text('{"type":"hello","d":{"heartbeat_interval":45000}}')
        await socket.receive_text()
        reader = Reader(socket)
        await socket.send_text('{"type":"ready","seq":1,"d":{}}')
        readers.add(reader)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            readers.discard(reader)

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    args = parser.parse_args()
    uvicorn.run(
        make_app(args.database), host="127.0.0.1", port=args.port, log_level="warning", ws_per_message_deflate=False
    )
