"""Smart Turn without its model, and what the model is given."""

from pathlib import Path

import numpy as np
import pytest

from vox.errors import UsageError
from vox.providers.models.store import ModelStore
from vox.providers.turns.smart_turn import Config, SmartTurn, features

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> bytes:
    return (8000 * np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 220 / rate)).astype("<i2").tobytes()


async def test_without_the_model_nothing_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with SmartTurn(Config(), ModelStore(tmp_path)) as driver:
        assert await driver.probability(tone(1), RATE) is None
    assert capsys.readouterr().out.count("vox models install smart-turn") == 1


async def test_a_broken_model_is_named_with_its_remedy(tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    driver = SmartTurn(Config(file=str(tmp_path / "model.onnx")), ModelStore(tmp_path))
    with pytest.raises(UsageError, match=r"turn model .*model\.onnx cannot be used") as refused:
        await driver.__aenter__()
    assert refused.value.code == "turn_model_unusable"


def test_a_turn_stands_at_the_end_of_eight_seconds():
    spectrum = features(tone(2), RATE)
    assert spectrum.shape == (80, 800)
    loudness = spectrum.max(axis=0)
    assert loudness[:590].max() < loudness[610:].min()


def test_of_a_long_turn_the_end_is_taken():
    assert np.allclose(features(bytes(RATE) + tone(20), RATE), features(tone(20), RATE), atol=0.05)


def test_the_level_does_not_matter_and_odd_bytes_do_no_harm():
    quiet = (np.frombuffer(tone(3), "<i2") // 8).astype("<i2").tobytes()
    assert np.abs(features(quiet, RATE) - features(tone(3), RATE)).mean() < 0.2
    assert features(tone(1)[:-1], RATE).shape == (80, 800)


def test_a_telephones_rate_is_converted():
    assert np.abs(features(tone(3, 8000), 8000) - features(tone(3), RATE)).mean() < 0.2
