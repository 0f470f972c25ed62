"""Camb: each utterance is uploaded as a file."""

import msgspec

from vox.providers import _failures
from vox.providers.contract import Deps
from vox.providers.stt._dialect import reader
from vox.providers.stt._file_stream import wav
from vox.providers.stt._file_upload import FileOptions, FileRecogniser, Uploader, http_address
from vox.providers.stt.contract import Transcript

KEY = _failures.Key("camb", ("CAMB_API_KEY",))


class Config(FileOptions):
    """Options of Camb."""


class _Answer(msgspec.Struct):
    text: str | None = None
    transcript: str | None = None
    language: str | None = None


_read = reader(_Answer)


class Camb:
    """Uploads to Camb."""

    def __init__(self, config: Config, uploader: Uploader, key: str, base_url: str) -> None:
        self._config = config
        self._uploader = uploader
        self._key = key
        self._base_url = base_url

    async def __call__(self, pcm: bytes, *, language: str, phrases: tuple[str, ...]) -> Transcript:
        """The transcript of one utterance."""
        fields = {"language": language, "model": self._config.model}
        body = await self._uploader.post(
            f"{self._base_url}/v1/transcribe",
            headers={"x-api-key": self._key},
            files={"audio": ("audio.wav", wav(pcm, self._config.sample_rate), "audio/wav")},
            data={name: value for name, value in fields.items() if value},
        )
        try:
            answer = _read(body)
        except ValueError as error:
            raise self._uploader.unreadable() from error
        text = answer.text if answer.text is not None else answer.transcript
        if text is None:
            raise self._uploader.unreadable()
        return Transcript(text.strip(), language=answer.language or language or None)


def create(config: Config, deps: Deps) -> FileRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    key = KEY.required(deps, "camb")
    uploader = Uploader(deps.http, "Camb", KEY, timeout_s=config.timeout_s, max_retries=config.max_retries)
    url = http_address(config.base_url, deps, "CAMB_BASE_URL", "https://api.camb.ai")
    return FileRecogniser(Camb(config, uploader, key, url), config)
