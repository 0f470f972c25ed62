"""Pipecat's frames as Google's protobuf package has them, from the same schema."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import strategies as st

from vox.protocols.pipecat_frames import (
    AudioRawFrame,
    InterruptionFrame,
    MessageFrame,
    TextFrame,
    TranscriptionFrame,
)

_FIELD = descriptor_pb2.FieldDescriptorProto


_SCHEMA = {
    "TextFrame": [("id", 1, _FIELD.TYPE_UINT64), ("name", 2, _FIELD.TYPE_STRING), ("text", 3, _FIELD.TYPE_STRING)],
    "AudioRawFrame": [
        ("id", 1, _FIELD.TYPE_UINT64),
        ("name", 2, _FIELD.TYPE_STRING),
        ("audio", 3, _FIELD.TYPE_BYTES),
        ("sample_rate", 4, _FIELD.TYPE_UINT32),
        ("num_channels", 5, _FIELD.TYPE_UINT32),
        ("pts", 6, _FIELD.TYPE_UINT64),
    ],
    "TranscriptionFrame": [
        ("id", 1, _FIELD.TYPE_UINT64),
        ("name", 2, _FIELD.TYPE_STRING),
        ("text", 3, _FIELD.TYPE_STRING),
        ("user_id", 4, _FIELD.TYPE_STRING),
        ("timestamp", 5, _FIELD.TYPE_STRING),
    ],
    "MessageFrame": [("data", 1, _FIELD.TYPE_STRING)],
    "InterruptionFrame": [("id", 1, _FIELD.TYPE_UINT64), ("name", 2, _FIELD.TYPE_STRING)],
}


_ONEOF = {
    "text": (1, "TextFrame"),
    "audio": (2, "AudioRawFrame"),
    "transcription": (3, "TranscriptionFrame"),
    "message": (4, "MessageFrame"),
    "interruption": (5, "InterruptionFrame"),
}


u64 = st.integers(0, (1 << 64) - 1)


u32 = st.integers(0, (1 << 32) - 1)


text = st.text(max_size=200)


frames = st.one_of(
    st.builds(TextFrame, text, u64, text),
    st.builds(AudioRawFrame, st.binary(max_size=3000), u32, u32, u64, text, st.none() | u64),
    st.builds(TranscriptionFrame, text, text, text, u64, text),
    st.builds(MessageFrame, text),
    st.builds(InterruptionFrame, u64, text),
)


@cache
def official() -> Any:
    """The `Frame` class the protobuf package builds from the same schema."""
    file = descriptor_pb2.FileDescriptorProto(name="pipecat_frames.proto", package="pipecat", syntax="proto3")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
            if field == "pts":
                message.oneof_decl.add(name="_pts")
                added.oneof_index, added.proto3_optional = 0, True
    frame = file.message_type.add(name="Frame")
    frame.oneof_decl.add(name="frame")
    for field, (number, kind) in _ONEOF.items():
        frame.field.add(
            name=field,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".pipecat.{kind}",
            label=_FIELD.LABEL_OPTIONAL,
            oneof_index=0,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pipecat.Frame"))


def to_official(frame: Any) -> Any:
    field = next(name for name, (_, kind) in _ONEOF.items() if kind == type(frame).__name__)
    values = {
        name: value for name, _, _ in _SCHEMA[type(frame).__name__] if (value := getattr(frame, name)) is not None
    }
    message = official()()
    part = getattr(message, field)
    part.SetInParent()
    for name, value in values.items():
        setattr(part, name, value)
    return message
