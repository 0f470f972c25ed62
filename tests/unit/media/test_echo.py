"""The agent's own voice is known by its waveform, quieter, later, through a telephone's codec and in noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.media.synthetic_voice import pcm, voice
from vox.media import g711
from vox.media.echo import is_echo, likeness

RATE = 8000


def line_echo(sent: NDArray[np.float64], *, delay_s: float, level_db: float, noise: float) -> NDArray[np.float64]:
    late = np.concatenate([np.zeros(int(delay_s * RATE)), sent])[: len(sent)]
    return late * 10 ** (level_db / 20) + np.random.default_rng(7).normal(0, noise, len(sent))


@pytest.mark.parametrize("level_db", [-6, -12, -20])
@pytest.mark.parametrize("delay_s", [0.02, 0.15, 0.5])
def test_a_quieter_later_copy_is_an_echo(level_db: float, delay_s: float):
    sent = voice(1.2, 110, 1)
    heard = g711.decode(
        g711.encode(pcm(line_echo(sent, delay_s=delay_s, level_db=level_db, noise=20)), "mulaw"), "mulaw"
    )
    assert is_echo(heard, RATE, pcm(sent), RATE)


@pytest.mark.parametrize("seed", range(2, 12))
def test_another_voice_is_none_even_at_the_same_pitch(seed: int):
    assert not is_echo(pcm(voice(0.3, 110, seed)), RATE, pcm(voice(1.2, 110, 1)), RATE)


@pytest.mark.parametrize("seed", range(2, 7))
def test_the_caller_over_an_echo_is_heard(seed: int):
    sent = voice(1.2, 110, 1)
    both = line_echo(sent, delay_s=0.1, level_db=-12, noise=20) + voice(1.2, 140, seed)
    assert not is_echo(pcm(both), RATE, pcm(sent), RATE)


def test_both_sides_may_have_rates_of_their_own():
    sent = voice(1.2, 110, 1)
    heard = line_echo(sent, delay_s=0.1, level_db=-12, noise=5)
    assert is_echo(pcm(np.repeat(heard, 2)), 16_000, pcm(np.repeat(sent, 6)), 48_000)


@pytest.mark.parametrize(
    ("heard", "heard_rate", "sent"),
    [
        (b"", RATE, pcm(voice(1.2, 110, 1))),
        (bytes(9600), RATE, pcm(voice(1.2, 110, 1))),
        (pcm(voice(0.3, 110, 1)), RATE, b""),
        (pcm(voice(0.3, 110, 1)), RATE, bytes(19_200)),
        (pcm(voice(0.3, 110, 1)), 44_100, pcm(voice(1.2, 110, 1))),
        (b"\x01", RATE, b"\x01"),
    ],
)
def test_where_there_is_nothing_to_compare_it_is_none(heard: bytes, heard_rate: int, sent: bytes):
    assert likeness(heard, heard_rate, sent, RATE) < 0.5


@pytest.mark.parametrize("sent_s", [0.12, 0.2, 1.2])
def test_the_first_sound_of_an_answer_is_known_too(sent_s: float):
    sent = voice(1.2, 110, 1)[: int(sent_s * RATE)]
    heard = np.concatenate([np.zeros(int(0.3 * RATE)), sent[: int(0.1 * RATE)] / 4])
    assert is_echo(pcm(heard), RATE, pcm(sent), RATE)


@pytest.mark.parametrize("silence_s", [0.05, 0.15])
def test_so_is_its_last(silence_s: float):
    sent = voice(1.2, 110, 1)
    heard = np.concatenate([sent / 4, np.zeros(int(silence_s * RATE))])
    assert is_echo(pcm(heard), RATE, pcm(sent), RATE)
