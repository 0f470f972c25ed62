"""Makes one driver of several, for a configuration that lists them: `stt_provider: ["deepgram", "openai"]`."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from vox.errors import UsageError
from vox.providers.failover.llm import FailOverModel
from vox.providers.failover.members import FailOverPolicy, Members, StageKind
from vox.providers.failover.stt import FailOverRecognition
from vox.providers.failover.tts import FailOverSpeech
from vox.providers.llm.contract import LanguageModel
from vox.providers.stt.contract import SpeechToText
from vox.providers.tts.contract import TextToSpeech
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics, NullMetrics


def wrap(
    kind: StageKind,
    drivers: Sequence[tuple[str, object]],
    policy: FailOverPolicy,
    clock: Clock,
    metrics: Metrics | NullMetrics,
) -> FailOverRecognition | FailOverModel | FailOverSpeech:
    """One driver for these opened ones, the preferred first."""
    if kind == "stt":
        recognisers = cast("Sequence[tuple[str, SpeechToText]]", drivers)
        return FailOverRecognition(Members(kind, recognisers, policy, clock, metrics))
    if kind == "llm":
        models = cast("Sequence[tuple[str, LanguageModel]]", drivers)
        return FailOverModel(Members(kind, models, policy, clock, metrics))
    voices = cast("Sequence[tuple[str, TextToSpeech]]", drivers)
    return FailOverSpeech(Members(kind, voices, policy, clock, metrics))


def options_of(
    kind: StageKind, names: Sequence[str], options: Mapping[str, Any], model: str
) -> list[tuple[str, dict[str, Any]]]:
    """Each provider with its options, which stand under its name where there are several; the model is the first one's.

    Raises:
        UsageError: `invalid_provider_option` for options that stand under no provider's name.
    """
    if len(names) == 1:
        own = {names[0]: dict(options)}
    else:
        strays = sorted(name for name in options if name not in names or not isinstance(options[name], Mapping))
        if strays:
            raise UsageError(
                f"{kind}_options has {strays[0]!r}, but {kind}_provider lists {', '.join(names)}",
                code="invalid_provider_option",
                hint=f'write each provider\'s options under its name: {{"{names[0]}": {{"{strays[0]}": …}}}}',
            )
        own = {name: dict(options.get(name, {})) for name in names}
    if model:
        own[names[0]].setdefault("model", model)
    return [(name, own[name]) for name in names]
