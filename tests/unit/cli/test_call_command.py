import argparse
import ssl

import pytest

from tests.unit.clients.fake_agent import tone
from vox.cli import call
from vox.clients.audio_files import write_wav
from vox.clients.script import Press, Say, WaitForAgent
from vox.errors import UsageError

URL = "ws://localhost:1/telephony/ws"


@pytest.fixture
def wav(tmp_path):
    file = tmp_path / "question.wav"
    write_wav(file, [tone(0.2)], 8000)
    return str(file)


async def script_of(*argv):
    parser = argparse.ArgumentParser()
    call.register(parser.add_subparsers(dest="command"))
    return await call._script(parser.parse_args(["call", *argv, URL]))


async def test_speech_and_keys_happen_in_the_order_of_their_options(wav):
    script = await script_of("--audio", wav, "--digits", "1#", "--audio", wav)
    assert [type(step) for step in script] == [WaitForAgent, Say, WaitForAgent, Press, WaitForAgent, Say, WaitForAgent]
    assert script[3] == Press("1#")


async def test_a_barge_in_goes_with_the_next_speech_and_does_not_wait(wav):
    script = await script_of("--audio", wav, "--barge-in", "0.5", "--audio", wav)
    assert [type(step) for step in script] == [WaitForAgent, Say, Say, WaitForAgent]
    assert [step.into_agent_s for step in script if isinstance(step, Say)] == [None, 0.5]


async def test_a_barge_in_at_the_end_goes_with_the_last_speech(wav):
    script = await script_of("--audio", wav, "--audio", wav, "--barge-in", "0.5")
    assert [step.into_agent_s for step in script if isinstance(step, Say)] == [None, 0.5]


async def test_turns_repeat_what_is_said(wav):
    script = await script_of("--audio", wav, "--turns", "4")
    assert sum(isinstance(step, Say) for step in script) == 4


async def test_the_callers_patience_is_configurable(wav):
    script = await script_of("--audio", wav, "--greeting", "7", "--patience", "8", "--silence", "9")
    assert script[0] == WaitForAgent(silence_s=9.0, begin_timeout_s=7.0)
    assert script[-1] == WaitForAgent(silence_s=9.0, begin_timeout_s=8.0)


async def test_with_nothing_to_say_there_is_a_question():
    script = await script_of()
    assert [type(step) for step in script] == [WaitForAgent, Say, WaitForAgent]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--audio", "nowhere.wav"], "bad_audio_file"),
        (["--digits", "12x"], "bad_digits"),
        (["--barge-in", "soon"], "bad_seconds"),
        (["--barge-in", "1"], "empty_call"),
        (["--digits", "1", "--turns", "0"], "bad_turns"),
        (["--digits", "1", "--turns", "-1"], "bad_turns"),
    ],
)
async def test_what_no_caller_can_do_is_refused_by_name(argv, code):
    with pytest.raises(UsageError) as error:
        await script_of(*argv)
    assert error.value.code == code


@pytest.mark.parametrize("name", ["missing/heard.wav", "."])
def test_a_file_that_cannot_be_saved_is_told_before_the_call(wav, tmp_path, name):
    parser = argparse.ArgumentParser()
    call.register(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["call", "--audio", wav, "--save", str(tmp_path / name), URL])
    with pytest.raises(UsageError, match="cannot write") as caught:  # a connection would be refused by the tests
        call.run(args)
    assert caught.value.code == "bad_audio_file"


@pytest.mark.parametrize("flags", [("--insecure",), ()])
async def test_certificates_are_believed_as_the_flags_say(flags):
    parser = argparse.ArgumentParser()
    call.register(parser.add_subparsers(dest="command"))
    context = call._trust(parser.parse_args(["call", *flags, URL]))
    assert (context is None) is not bool(flags)
    assert context is None or context.verify_mode == ssl.CERT_NONE


def test_a_file_without_certificates_is_named(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing", encoding="utf-8")
    parser = argparse.ArgumentParser()
    call.register(parser.add_subparsers(dest="command"))
    with pytest.raises(UsageError, match=r"ca\.pem"):
        call._trust(parser.parse_args(["call", "--cafile", str(file), URL]))
