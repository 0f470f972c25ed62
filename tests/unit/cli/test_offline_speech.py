import pytest

from vox.cli.offline_speech import OfflineSpeech
from vox.errors import UsageError


async def test_a_named_driver_speaks_and_a_text_is_spoken_once():
    async with OfflineSpeech({}) as speech:
        first = await speech.speak("hello there", "fake")
        assert first.duration_s > 0.1
        assert await speech.speak("hello there", "fake") is first
        assert await speech.speak("hello again", "fake") is not first


@pytest.mark.parametrize("voice", ["no-such-driver", "no-such-driver/anna"])
async def test_a_driver_that_there_is_not_is_named(voice: str):
    async with OfflineSpeech({}) as speech:
        with pytest.raises(UsageError, match="no-such-driver") as error:
            await speech.speak("hello", voice)
    assert error.value.code == "no_speech_driver"
