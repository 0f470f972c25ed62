"""Which text is spoken next."""

from vox.providers.tts._kokoro_frames import Say
from vox.providers.tts._kokoro_queue import SpeechQueue
from vox.providers.tts._kokoro_text import Run


def say(number: int, *, is_background: bool = False) -> Say:
    return Say(number, "text", "af_heart", 1.0, is_background)


def next_number(queue: SpeechQueue) -> int | None:
    job = queue.next()
    return job.order.number if job else None


def test_the_text_whose_listener_runs_out_first_goes_on():
    queue = SpeechQueue()
    assert next_number(queue) is None
    queue.add(say(1), now=10.0)
    queue.jobs[1].audio_s = 3.0
    queue.add(say(2), now=12.0)
    assert next_number(queue) == 2, "it has no audio yet, the other has until 13"
    queue.jobs[2].audio_s = 2.0
    assert next_number(queue) == 1


def test_what_is_prepared_waits_for_all_listeners():
    queue = SpeechQueue()
    queue.add(say(1, is_background=True), now=0.0)
    queue.add(say(2), now=100.0)
    queue.jobs[2].audio_s = 50.0
    assert next_number(queue) == 2
    queue.remove(2)
    queue.remove(2)
    assert next_number(queue) == 1


def test_a_text_is_over_when_its_last_run_is_spoken():
    queue = SpeechQueue()
    queue.add(say(1), now=0.0)
    job = queue.jobs[1]
    assert not job.is_over, "it is not even planned"
    job.runs = [Run("a", ".", ())]
    assert not job.is_over
    job.next_run = 1
    assert job.is_over
