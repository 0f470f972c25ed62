import numpy as np
import pytest

from vox.clients.audio_files import Recording, write_wav
from vox.clients.carrier_simulator.behaviour import (
    Beep,
    Behaviour,
    EndCall,
    Listen,
    PlayFile,
    PressKeys,
    SayText,
    Silence,
)
from vox.clients.carrier_simulator.voices import Voices, beep
from vox.clients.script import HangUp, Press, Say, Wait, WaitForAgent
from vox.errors import UsageError


async def speaker(text: str) -> Recording:
    return Recording(bytes(2 * 800 * len(text.split())), 8000)


async def test_steps_become_a_script_and_each_text_is_spoken_once(tmp_path):
    spoken = []

    async def counted(text: str) -> Recording:
        spoken.append(text)
        return await speaker(text)

    file = tmp_path / "bye.wav"
    write_wav(file, [bytes(1600)], 8000)
    steps = [
        SayText("one two"),
        SayText("one two"),
        PlayFile(file),
        Silence(1.0),
        Listen(2.0, 9.0),
        PressKeys("1"),
        EndCall(),
    ]
    behaviour = Behaviour(callee=steps)
    voices = Voices(counted)
    await voices.prepare([behaviour, behaviour])
    assert spoken == ["one two"]
    said = Say(Recording(bytes(3200), 8000))
    assert voices.script(behaviour) == [
        said,
        said,
        Say(Recording(bytes(1600), 8000)),
        Wait(1.0),
        WaitForAgent(2.0, begin_timeout_s=9.0, timeout_s=9.0),
        Press("1"),
        HangUp(),
    ]


async def test_the_length_of_a_greeting_is_that_of_its_steps_up_to_the_beep():
    voices = Voices(speaker)
    behaviour = Behaviour(callee=[Silence(0.5), SayText("one two three"), Beep(0.2), SayText("four")])
    await voices.prepare([behaviour])
    assert voices.completed(behaviour).greeting_s == pytest.approx(1.0)
    for same in (Behaviour(callee=[SayText("four")]), Behaviour(greeting_s=9.0, callee=[Beep()])):
        assert voices.completed(same) is same


async def test_without_a_speaker_a_text_is_refused_and_names_the_remedy():
    with pytest.raises(UsageError, match="give the simulator a speaker") as caught:
        await Voices().prepare([Behaviour(callee=[SayText("hello")])])
    assert caught.value.code == "no_speech_driver"


def test_a_beep_is_a_tone_of_one_kilohertz():
    samples = np.frombuffer(beep(0.5).pcm, "<i2").astype(float)
    assert beep(0.5).duration_s == 0.5
    assert np.argmax(np.abs(np.fft.rfft(samples))) / 0.5 == 1000.0
