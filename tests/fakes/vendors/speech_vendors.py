"""Every vendor of speech that is played, by the name of its driver."""

from tests.fakes.vendors.aws_speech import AwsSpeech
from tests.fakes.vendors.azure_speech import AzureSpeech
from tests.fakes.vendors.cartesia_speech import CartesiaSpeech
from tests.fakes.vendors.deepgram_speech import DeepgramSpeech
from tests.fakes.vendors.elevenlabs_speech import ElevenLabsSpeech
from tests.fakes.vendors.google_speech import GoogleSpeech
from tests.fakes.vendors.hume_speech import HumeSpeech
from tests.fakes.vendors.inworld_speech import InworldSpeech
from tests.fakes.vendors.minimax_speech import MiniMaxSpeech
from tests.fakes.vendors.neuphonic_speech import NeuphonicSpeech
from tests.fakes.vendors.openai_speech import GroqSpeech, OpenAiSpeech
from tests.fakes.vendors.sarvam_speech import SarvamSpeech
from tests.fakes.vendors.speech_vendor import SpeechVendor
from tests.fakes.vendors.xtts_speech import XttsSpeech

VENDORS: list[type[SpeechVendor]] = [
    AwsSpeech,
    AzureSpeech,
    CartesiaSpeech,
    DeepgramSpeech,
    ElevenLabsSpeech,
    GoogleSpeech,
    GroqSpeech,
    HumeSpeech,
    InworldSpeech,
    MiniMaxSpeech,
    NeuphonicSpeech,
    OpenAiSpeech,
    SarvamSpeech,
    XttsSpeech,
]

SPEECH_VENDORS = {vendor.provider: vendor for vendor in VENDORS}
