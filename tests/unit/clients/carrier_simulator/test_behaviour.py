from vox.clients.carrier_simulator.behaviour import AfterStream, ApiFault, Behaviour, Outcome


def test_the_plain_case_is_a_person_who_answers_and_listens_and_a_carrier_without_faults():
    plain = Behaviour()
    assert plain.outcome is Outcome.ANSWER
    assert not plain.callee
    assert plain.api is ApiFault.NONE
    assert (plain.callbacks.copies, plain.callbacks.delay_s, plain.callbacks.is_reversed) == (1, 0.0, False)
    assert plain.stream.cut_after_s is None
    assert plain.stream.after_lost is plain.stream.after_refused is AfterStream.CONTINUE
