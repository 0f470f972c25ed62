"""Every vendor of speech that is played, by the name of its driver."""

from tests.fakes.vendors.elevenlabs_speech import ElevenLabsSpeech
from tests.fakes.vendors.speech_vendor import SpeechVendor

SPEECH_VENDORS: dict[str, type[SpeechVendor]] = {vendor.provider: vendor for vendor in (ElevenLabsSpeech,)}
