"""The messages of Google's Speech-to-Text v2 that streaming needs, in Google's own message library, from the published field numbers."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "bool": _FIELD.TYPE_BOOL,
    "int32": _FIELD.TYPE_INT32,
    "float": _FIELD.TYPE_FLOAT,
}
# name: (number, type, whether repeated); a type that is no scalar is a message
_MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    "ExplicitDecodingConfig": {
        "encoding": (1, "int32", False),
        "sample_rate_hertz": (2, "int32", False),
        "audio_channel_count": (3, "int32", False),
    },
    "RecognitionFeatures": {
        "enable_word_time_offsets": (2, "bool", False),
        "enable_word_confidence": (3, "bool", False),
        "enable_automatic_punctuation": (4, "bool", False),
    },
    "Phrase": {"value": (1, "string", False), "boost": (2, "float", False)},
    "PhraseSet": {"phrases": (2, "Phrase", True)},
    "AdaptationPhraseSet": {"phrase_set": (1, "string", False), "inline_phrase_set": (2, "PhraseSet", False)},
    "SpeechAdaptation": {"phrase_sets": (1, "AdaptationPhraseSet", True)},
    "RecognitionConfig": {
        "features": (2, "RecognitionFeatures", False),
        "adaptation": (6, "SpeechAdaptation", False),
        "explicit_decoding_config": (8, "ExplicitDecodingConfig", False),
        "model": (9, "string", False),
        "language_codes": (10, "string", True),
    },
    "StreamingRecognitionFeatures": {"interim_results": (2, "bool", False)},
    "StreamingRecognitionConfig": {
        "config": (1, "RecognitionConfig", False),
        "streaming_features": (2, "StreamingRecognitionFeatures", False),
    },
    "StreamingRecognizeRequest": {
        "recognizer": (3, "string", False),
        "audio": (5, "bytes", False),
        "streaming_config": (6, "StreamingRecognitionConfig", False),
    },
    "WordInfo": {
        "start_offset": (1, "Duration", False),
        "end_offset": (2, "Duration", False),
        "word": (3, "string", False),
        "confidence": (4, "float", False),
    },
    "SpeechRecognitionAlternative": {
        "transcript": (1, "string", False),
        "confidence": (2, "float", False),
        "words": (3, "WordInfo", True),
    },
    "StreamingRecognitionResult": {
        "alternatives": (1, "SpeechRecognitionAlternative", True),
        "is_final": (2, "bool", False),
        "stability": (3, "float", False),
        "language_code": (6, "string", False),
    },
    "StreamingRecognizeResponse": {"results": (6, "StreamingRecognitionResult", True)},
}
_PACKAGE = "vox.tests.google"


def _messages() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(duration_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="speech.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append("google/protobuf/duration.proto")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind, is_repeated) in fields.items():
            label = _FIELD.LABEL_REPEATED if is_repeated else _FIELD.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if kind in _KINDS:
                field.type = _KINDS[kind]
            else:
                field.type = _FIELD.TYPE_MESSAGE
                field.type_name = ".google.protobuf.Duration" if kind == "Duration" else f".{_PACKAGE}.{kind}"
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


MESSAGES = _messages()


def decode_request(data: bytes) -> dict[str, Any]:
    """A request's audio, or its configuration as the tests look at it."""
    request = MESSAGES["StreamingRecognizeRequest"].FromString(data)
    config = request.streaming_config.config
    sets = config.adaptation.phrase_sets
    return {
        "audio": request.audio,
        "recognizer": request.recognizer,
        "model": config.model,
        "languages": list(config.language_codes),
        "sample_rate": config.explicit_decoding_config.sample_rate_hertz,
        "interim": request.streaming_config.streaming_features.interim_results,
        "phrases": [phrase.value for each in sets for phrase in each.inline_phrase_set.phrases],
        "boosts": [phrase.boost for each in sets for phrase in each.inline_phrase_set.phrases],
    }


def encode_response(text: str, *, is_final: bool) -> bytes:
    """A response with one result."""
    response = MESSAGES["StreamingRecognizeResponse"]()
    result = response.results.add(is_final=is_final, language_code="en-us")
    best = result.alternatives.add(transcript=text)
    if is_final:
        best.confidence = 0.75
        for n, word in enumerate(text.split()):
            spoken = best.words.add(word=word, confidence=0.75)
            spoken.start_offset.FromMilliseconds(n * 200)
            spoken.end_offset.FromMilliseconds(n * 200 + 200)
    else:
        result.stability = 0.5
    return response.SerializeToString()
