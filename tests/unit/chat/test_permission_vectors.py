"""Keeps the masks that the web client's tests compute equal to those of the server: `web/tests/fixtures/permissions.json`."""

import json
import random
from typing import Any

from tests.reference import ROOT
from vox.chat.events.permissions import EVERYONE, AllowDeny, P, base, resolve

FILE = ROOT / "web" / "tests" / "fixtures" / "permissions.json"
CASES = 150
BITS = [int(permission) for permission in P]
USER = 7


def _mask(chance: random.Random, density: float) -> int:
    return sum(bit for bit in BITS if chance.random() < density and bit != P.ADMINISTRATOR)


def _case(chance: random.Random) -> dict[str, Any]:
    """Roles, what a user holds, overrides of a space, and the masks that the server makes of them."""
    density = chance.choice([0.1, 0.5, 0.9])
    ids = range(1, chance.randint(2, 5))
    masks = {role_id: _mask(chance, density) for role_id in ids}
    if chance.random() < 0.15:
        masks[chance.choice(list(ids))] |= int(P.ADMINISTRATOR)
    positions = {role_id: 0 if role_id == 1 else chance.randint(0, 4) for role_id in ids}
    held = [role_id for role_id in ids if role_id != 1 and chance.random() < 0.6]
    targets = [("role", role_id) for role_id in ids] + [("user", USER), ("user", USER + 1)]
    overrides = {
        target: AllowDeny(_mask(chance, density / 2), _mask(chance, density / 2))
        for target in targets
        if chance.random() < 0.6
    }
    own = base(masks[1], (masks[role_id] for role_id in held))
    none = AllowDeny()
    here = resolve(
        own,
        overrides.get(("role", 1), none),
        [overrides[("role", role_id)] for role_id in held if ("role", role_id) in overrides],
        overrides.get(("user", USER), none),
    )
    return {
        "roles": [
            {
                "role_id": str(role_id),
                "name": EVERYONE if role_id == 1 else f"role {role_id}",
                "permissions": str(mask),
                "position": positions[role_id],
            }
            for role_id, mask in masks.items()
        ],
        "user": str(USER),
        "held": [str(role_id) for role_id in held],
        "overrides": [
            {
                "target_type": kind,
                "target_id": str(target_id),
                "allow": str(given.allow),
                "deny": str(given.deny),
            }
            for (kind, target_id), given in overrides.items()
        ],
        "community": str(own),
        "space": str(here),
    }


def vectors() -> str:
    """The text of the fixture."""
    chance = random.Random(20)
    lines = [json.dumps(_case(chance), separators=(",", ":")) for _ in range(CASES)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def test_the_web_client_is_tested_against_masks_of_this_server() -> None:
    assert FILE.read_text() == vectors(), "write tests.unit.chat.test_permission_vectors.vectors() into the fixture"
