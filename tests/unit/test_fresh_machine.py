import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from tests import fresh_machine, readme_commands

BANNER = """\
Ready: .venv/bin/vox
2026-01-01T00:00:00Z INFO  agent ready address=http://127.0.0.1:8080 [vox.cli.up]

  Vox is up. Open http://127.0.0.1:8080/ and talk to it.
  A simulated phone call:  .venv/bin/vox call --say "what are your opening hours" ws://127.0.0.1:8080/telephony/ws
  agent      http://127.0.0.1:8080    talk page, phone calls
  Stop it with Ctrl-C; calls in progress are not cut.
"""
RATE = 8000
INDEX = "https://index.example/simple"


def test_the_mirror_is_the_one_that_apt_has_for_the_release():
    targets = "http://security.example/debian trixie-security\nhttp://mirror.example/debian trixie\n"
    assert fresh_machine.mirror(targets, "trixie") == "http://mirror.example/debian"


def test_a_release_that_apt_does_not_know_is_refused_with_the_remedy():
    with pytest.raises(fresh_machine.FreshMachineError, match=r"no source for sid.*apt-get update"):
        fresh_machine.mirror("http://mirror.example/debian trixie\n", "sid")


def test_the_package_index_of_this_machine_is_handed_on_and_nothing_else():
    config = f"global.index-url='{INDEX}'\n:env:.cert='/elsewhere.pem'\ninstall.user='true'\n"
    environment = {"https_proxy": "http://proxy.example:3128", "VOXRAY_PORT": "1", "PIP_FIND_LINKS": "/wheels"}
    assert fresh_machine.network_settings(environment, config) == {
        "PIP_INDEX_URL": INDEX,
        "https_proxy": "http://proxy.example:3128",
    }


def test_the_environments_package_index_goes_before_that_of_pips_configuration():
    config = f"global.index-url='{INDEX}'\n"
    found = fresh_machine.network_settings({"PIP_INDEX_URL": "https://other.example/simple"}, config)
    assert found == {"PIP_INDEX_URL": "https://other.example/simple"}


def test_several_package_indexes_are_handed_on_as_pip_reads_them():
    config = r"global.extra-index-url='\nhttps://one.example\nhttps://two.example'"
    found = fresh_machine.network_settings({}, config)
    assert found == {"PIP_EXTRA_INDEX_URL": "https://one.example https://two.example"}


def test_certificates_are_looked_for_where_they_are_copied_to(tmp_path: Path):
    bundle = tmp_path / "ours.pem"
    bundle.touch()
    settings = fresh_machine.network_settings({"SSL_CERT_FILE": str(tmp_path / "gone")}, f"global.cert='{bundle}'")
    assert fresh_machine.certificates(settings) == bundle
    inside = fresh_machine.with_certificates_inside(settings)
    assert inside == dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"), fresh_machine.CERTIFICATES)


def test_the_archive_is_kept_in_the_cache_unless_told_otherwise(tmp_path: Path):
    assert fresh_machine.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "vox" / "fresh-machine"
    assert fresh_machine.cache_folder({"XDG_CACHE_HOME": "/x", "VOX_FRESH_MACHINE_DIR": str(tmp_path)}) == tmp_path


def test_the_banner_is_whole_or_not_there():
    assert readme_commands.banner_of(BANNER.partition("  Stop")[0]) is None
    banner = readme_commands.banner_of(BANNER)
    assert banner is not None
    assert readme_commands.page_address(banner) == "http://127.0.0.1:8080/"
    assert readme_commands.proposed_call(banner) == [
        *(".venv/bin/vox", "call", "--say", "what are your opening hours"),
        "ws://127.0.0.1:8080/telephony/ws",
    ]


def test_a_banner_without_a_call_is_not_as_promised():
    with pytest.raises(readme_commands.NotAsPromisedError, match="no phone call"):
        readme_commands.proposed_call(["  Vox is up."])


def recording(file: Path, seconds_of: list[tuple[float, int, int]]) -> Path:
    """A stereo WAV of stretches: seconds, the caller's level, the agent's level."""
    samples = array("h")
    for seconds, caller, agent in seconds_of:
        samples.extend([caller, agent] * int(seconds * RATE))
    with wave.open(str(file), "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(samples.tobytes())
    return file


def report(response_s: float | None) -> dict[str, Any]:
    greeting = {"kind": "greeting", "began_s": 0.0, "ended_s": 0.0, "response_s": 0.3}
    return {"turns": [greeting, {"kind": "speech", "began_s": 1.0, "ended_s": 2.0, "response_s": response_s}]}


def test_an_answer_is_what_the_agent_says_after_the_caller(tmp_path: Path):
    file = recording(tmp_path / "call.wav", [(1, 0, 9000), (1, 9000, 0), (0.5, 0, 0), (1.5, 0, 9000)])
    assert readme_commands.answer_s(report(0.5), file) == (0.5, 1.5)


def test_a_greeting_alone_is_no_answer(tmp_path: Path):
    file = recording(tmp_path / "call.wav", [(1, 0, 9000), (1, 9000, 0), (2, 0, 0)])
    with pytest.raises(readme_commands.NotAsPromisedError, match="no answer"):
        readme_commands.answer_s(report(None), file)


def test_a_silent_answer_is_no_answer(tmp_path: Path):
    file = recording(tmp_path / "call.wav", [(1, 0, 9000), (1, 9000, 0), (2, 9000, 100)])
    with pytest.raises(readme_commands.NotAsPromisedError, match="silent"):
        readme_commands.answer_s(report(0.5), file)
