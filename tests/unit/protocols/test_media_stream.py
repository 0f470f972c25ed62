"""Every carrier has both sides that the contracts of a media stream ask for."""

import inspect

import pytest

from vox.protocols.carriers.detect import CARRIERS, carrier_for, codec_for
from vox.protocols.media_stream import CarrierCodec, ServerCodec, StreamStarted


def methods(contract: type) -> set[str]:
    return {name for name, value in vars(contract).items() if inspect.isfunction(value) and not name.startswith("_")}


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize(("make", "contract"), [(codec_for, ServerCodec), (carrier_for, CarrierCodec)])
def test_both_sides_keep_their_contract(name: str, make, contract: type):
    made = make(name)()
    assert made.carrier == name
    for method in methods(contract):
        ours, theirs = inspect.signature(getattr(made, method)), inspect.signature(getattr(contract, method))
        assert list(ours.parameters) == list(theirs.parameters)[1:], method
    fields = {"reply_encoding", "reply_sample_rate"} if contract is ServerCodec else {"encoding", "sample_rate"}
    assert all(hasattr(made, field) for field in fields)


def test_a_call_without_parameters_has_an_empty_table_of_its_own():
    one, other = (StreamStarted("twilio", "s", "c", "mulaw", 8000) for _ in range(2))
    assert one.parameters == {}
    assert one.parameters is not other.parameters
