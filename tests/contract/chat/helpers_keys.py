"""What tests of keys do again and again: a device with keys, a conversation, a relay over the gateway."""

import base64
from typing import Any

from tests.contract.chat.harness import PASSWORD, Gateway, Person, Rig
from tests.contract.chat.helpers_people import log_in


def key(name: str) -> str:
    """A key that nobody could use, in base64."""
    return base64.b64encode(name.encode()).decode()


async def device(person: Person, device_id: str, name: str = "laptop") -> str:
    """A device of somebody."""
    await person.ok("POST", "/keys/devices", {"device_id": device_id, "device_name": name})
    return device_id


async def prekeys(person: Person, device_id: str, count: int = 0, identity: str = "") -> None:
    """Keys of a device, with some one-time keys."""
    body = {
        "identity_key": key(identity or f"identity {device_id}"),
        "signed_prekey": key(f"signed {device_id}"),
        "one_time_prekeys": [key(f"{device_id} {number}") for number in range(count)],
    }
    await person.ok("PUT", f"/keys/prekeys/{device_id}", body)


async def packages(person: Person, device_id: str, count: int, last_resort: str | None = None) -> None:
    """Key packages of a device."""
    body: dict[str, Any] = {"key_packages": [key(f"{device_id} package {number}") for number in range(count)]}
    if last_resort is not None:
        body["last_resort"] = key(last_resort)
    await person.ok("POST", f"/keys/mls/{device_id}/key-packages", body)


async def again(rig: Rig, person: Person) -> Person:
    """The same person with another login."""
    reply = await log_in(rig, person.name, PASSWORD)
    return Person(rig, person.name, person.user_id, reply.json()["token"])


async def conversation(one: Person, other: Person) -> int:
    """The conversation of two."""
    return (await one.ok("POST", "/dms", {"recipient_id": other.user_id}))["dm_id"]


async def relayed(gateway: Gateway, mls_type: str, data: str, **more: Any) -> dict[str, Any]:
    """Sends an MLS message and gives the sender's own copy, or the refusal."""
    await gateway.send("mls_relay", {"mls_type": mls_type, "data": data, **more})
    while True:
        frame = await gateway.next()
        if frame["type"] == "error" or (frame["type"] == f"mls_{mls_type}" and frame["d"]["data"] == data):
            return frame


async def waiting(person: Person, device_id: str) -> list[str]:
    """The data of what waits for a device."""
    found = await person.ok("GET", f"/keys/mls/{device_id}/messages")
    return [message["data"] for message in found["messages"]]
