"""Derived secrets: each thing and each version has its own, and for a day after a rotation both sign."""

from vox.chat.integrations.signing import OVERLAP_S, secret_of, valid_secrets

KEY = bytes(range(32))


def test_every_thing_version_and_community_has_its_own_secret():
    secrets = [
        secret_of(KEY, "bot", 1, 1),
        secret_of(KEY, "bot", 1, 2),
        secret_of(KEY, "bot", 11, 1),
        secret_of(KEY, "subscription", 1, 1),
        secret_of(bytes(32), "bot", 1, 1),
    ]
    assert len(set(secrets)) == len(secrets)
    assert all(secret.startswith("vox_sign_") and len(secret) == len("vox_sign_") + 43 for secret in secrets)
    assert secrets[0] == secret_of(KEY, "bot", 1, 1)


def test_the_old_secret_is_valid_for_a_day():
    def valid(version: int, rotated_at: int | None, now_s: int) -> tuple[str, ...]:
        return valid_secrets(KEY, "bot", 1, version=version, rotated_at=rotated_at, now_s=now_s)

    first, second = secret_of(KEY, "bot", 1, 1), secret_of(KEY, "bot", 1, 2)
    assert valid(1, None, 0) == (first,)
    assert valid(2, 100, 100) == (second, first)
    assert valid(2, 100, 100 + OVERLAP_S - 1) == (second, first)
    assert valid(2, 100, 100 + OVERLAP_S) == (second,)
