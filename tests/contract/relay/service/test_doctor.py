import socket
from typing import Any

from vox.cli import relay_doctor
from vox.relay.settings import RelaySettings, load

SECRET = "0123456789abcdef0123456789abcdef"


def settings(**overrides: Any) -> RelaySettings:
    return load(None, {"VOX_RELAY_API_KEY": "k", "VOX_RELAY_API_SECRET": SECRET}, overrides).settings


def test_a_media_port_that_is_taken_is_named():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        given = settings(**{"media.host": "127.0.0.1", "media.udp_port": port, "media.threads": 1})
        found = next(iter(relay_doctor.check_media_ports(given, runs=False)))
    assert found.status == "fail"
    assert f"127.0.0.1:{port}/udp" in found.detail
    assert "media.udp_port" in found.remedy


def test_a_packet_to_the_told_address_arrives():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = settings(**{"media.host": "127.0.0.1", "media.udp_port": port})
    found = {one.check: one for one in relay_doctor.check_public_addresses(given, runs=False)}
    assert found["UDP to this machine"].status == "ok"
    assert found["public address"].status == "warn"
    assert "media.public_addresses" in found["public address"].remedy
