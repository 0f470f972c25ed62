"""Every vendor of speech that is played, by the name of its driver."""

from tests.fakes.vendors.cartesia_speech import CartesiaSpeech
from tests.fakes.vendors.elevenlabs_speech import ElevenLabsSpeech
from tests.fakes.vendors.speech_vendor import SpeechVendor

VENDORS: list[type[SpeechVendor]] = [
    CartesiaSpeech,
    ElevenLabsSpeech,
]

SPEECH_VENDORS = {vendor.provider: vendor for vendor in VENDORS}
