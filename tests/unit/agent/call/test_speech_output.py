"""The agent's voice on the line: what was heard, told from marks and time, through holds, releases and cuts."""

import asyncio

import pytest

from tests.unit.agent.call_harness import RATE, Line, Voice, World
from vox.agent.call.speakable import Speakable
from vox.agent.call.speech_output import LAST_MARK_TIMEOUT_S, SpeechOutput
from vox.media.dtmf import tone
from vox.media.pacer import Pacer
from vox.media.ticker import Ticker

pytestmark = pytest.mark.usefixtures("virtual_loop")
TEXT = "one two three four."  # two seconds


class Marks(Line):
    """A line whose marks come back when the test says so."""

    def __init__(self, *, has_marks: bool = True) -> None:
        super().__init__(has_marks=has_marks)
        self.sent_marks: list[str] = []

    def send_mark(self, name: str) -> None:
        self.sent_marks.append(name)


class Stage:
    def __init__(self, line: Marks | None = None, *, lead_s: float = 0.0) -> None:
        clock = World().resources.clock
        metrics = World().metrics
        self.line = line or Marks()
        self.voice = Voice()
        self.told: list[str] = []
        self.progress: list[int] = []
        self.output = SpeechOutput(
            self.line,
            Pacer(Ticker(clock, metrics=metrics), clock, metrics, lead_s=lead_s),
            clock,
            on_audible=lambda: self.told.append("audible"),
            on_played=lambda: self.told.append("played"),
            on_progress=self.progress.append,
            on_broken=lambda: self.told.append("broken"),
            lead_s=lead_s,
        )

    async def speak(self, text: str = TEXT, *, ends: bool = True) -> int:
        answer = self.output.begin()
        assert await self.output.speak(answer, self.voice, Speakable.plain(text), voice=None, language=None)
        if ends:
            self.output.end(answer)
        return answer

    def heard(self) -> str:
        return " ".join(part.spoken for part in self.output.parts() if part.spoken)

    @property
    def seconds(self) -> float:
        return len(self.line.frames) * 0.02


async def test_positions_follow_real_time_until_a_mark_corrects_them():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(1.5)
    assert stage.output.position() == pytest.approx(1.5 * RATE, abs=200)
    stage.output.mark_reached("1:8000")  # the carrier is half a second behind
    assert stage.output.position() == 8000
    await asyncio.sleep(0.25)
    assert stage.output.position() == pytest.approx(1.25 * RATE, abs=20)


async def test_nothing_is_heard_beyond_what_was_sent():
    stage = Stage()
    stage.voice.word_delay_s = 1.0  # half a second of audio every second
    task = asyncio.create_task(stage.speak())
    await asyncio.sleep(2.9)
    assert stage.output.position() == RATE
    assert stage.heard() == "one"
    await task


async def test_marks_stand_at_every_second_and_behind_every_sentence():
    stage = Stage()
    answer = await stage.speak("one two three.", ends=False)
    await stage.output.speak(answer, stage.voice, Speakable.plain("four."), voice=None, language=None)
    stage.output.end(answer)
    await asyncio.sleep(3)
    assert stage.line.sent_marks == ["1:8000", "1:12000", "1:16000"]


async def test_a_sentence_that_ends_on_a_full_second_has_one_mark_there():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(3)
    assert stage.line.sent_marks == ["1:8000", "1:16000"]


@pytest.mark.parametrize(
    "name", ["", "1", "1:", ":16000", "0:16000", "2:16000", "1:-5", "1:²", "1:१२", "1:" + "9" * 5000, "x:y", "1:8000:1"]
)
async def test_foreign_and_senseless_marks_change_nothing(name: str):
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(1.0)
    before = stage.output.position()
    stage.output.mark_reached(name)
    assert stage.output.position() == before
    assert stage.told == ["audible"]


async def test_the_last_mark_ends_the_answer_and_later_echoes_of_it_do_not_end_the_next():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.5)
    assert stage.told == ["audible"]
    stage.output.mark_reached("1:16000")
    assert stage.told == ["audible", "played"]
    await stage.speak("five six.")
    stage.output.mark_reached("1:16000")
    await asyncio.sleep(0.5)
    assert stage.told == ["audible", "played", "audible"]


async def test_a_carrier_that_echoes_nothing_is_believed_after_a_while():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.0 + LAST_MARK_TIMEOUT_S - 0.05)
    assert stage.told == ["audible"]
    await asyncio.sleep(0.1)
    assert stage.told == ["audible", "played"]


async def test_a_mark_that_comes_twice_does_not_take_back_what_was_heard_since():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(1.0)
    stage.output.mark_reached("1:8000")
    await asyncio.sleep(0.5)
    stage.output.mark_reached("1:8000")
    assert stage.output.position() == pytest.approx(1.5 * RATE, abs=200)


async def test_a_mark_behind_what_was_sent_does_not_end_the_answer():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(0.5)
    stage.output.mark_reached("1:16000")
    await asyncio.sleep(0.5)
    assert (stage.told, stage.output.position()) == (["audible"], pytest.approx(RATE, abs=200))


async def test_an_answer_that_ends_behind_its_last_mark_waits_for_no_other():
    stage = Stage()
    answer = await stage.speak(ends=False)  # a tool runs, and then there is nothing more to say
    await asyncio.sleep(2.1)
    stage.output.mark_reached("1:16000")
    await asyncio.sleep(1.0)
    stage.output.end(answer)
    await asyncio.sleep(0.1)
    assert stage.told == ["audible", "played"]


async def test_keys_at_the_end_of_an_answer_have_a_mark_too():
    stage = Stage()
    answer = await stage.speak("one.", ends=False)
    await stage.output.play(answer, tone("4", RATE), RATE)
    stage.output.end(answer)
    await asyncio.sleep(1.0)
    stage.output.mark_reached(stage.line.sent_marks[-1])
    assert stage.told == ["audible", "played"]


async def test_a_line_without_marks_has_played_when_its_lead_has_run_out():
    stage = Stage(Marks(has_marks=False), lead_s=0.1)
    await stage.speak()
    await asyncio.sleep(2.05)
    assert stage.told == ["audible"]
    await asyncio.sleep(0.1)
    assert stage.told == ["audible", "played"]
    assert stage.line.sent_marks == []


async def test_a_hold_before_the_first_sound_keeps_everything():
    stage = Stage()
    answer = stage.output.begin()
    stage.output.hold()
    await stage.output.speak(answer, stage.voice, Speakable.plain(TEXT), voice=None, language=None)
    stage.output.end(answer)
    await asyncio.sleep(5)
    assert (stage.seconds, stage.told) == (0, [])
    stage.output.release()
    await asyncio.sleep(2.1)
    assert stage.seconds == pytest.approx(2.0)
    assert stage.heard() == TEXT


async def test_a_hold_in_the_middle_stops_the_count_and_a_release_takes_it_up():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(0.7)
    stage.output.hold()
    stage.output.hold()
    assert stage.line.clears == 1
    held = stage.output.position()
    stage.output.mark_reached("1:8000")  # a carrier echoes what a clear threw away
    await asyncio.sleep(3)
    assert stage.output.position() == held
    assert stage.heard() == "one"
    stage.output.release()
    await asyncio.sleep(0.5)
    assert stage.output.position() == pytest.approx(held + 0.5 * RATE, abs=200)
    await asyncio.sleep(1)
    assert stage.seconds == pytest.approx(2.0, abs=0.03)  # the frame that was under way is sent again


async def test_a_hold_while_the_last_mark_is_awaited_does_not_lose_the_end():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.1)
    stage.output.hold()
    await asyncio.sleep(0.3)
    stage.output.release()
    await asyncio.sleep(LAST_MARK_TIMEOUT_S)
    assert stage.told == ["audible", "played"]
    assert stage.heard() == TEXT


async def test_an_answer_that_ends_while_held_is_over_and_the_next_one_is_not_held():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.1)
    stage.output.hold()
    await asyncio.sleep(LAST_MARK_TIMEOUT_S)
    assert stage.told == ["audible", "played"]
    await stage.speak("five six.")
    await asyncio.sleep(1.1)
    assert stage.seconds == pytest.approx(3.0)


async def test_a_release_without_a_hold_is_nothing():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(0.5)
    stage.output.release()
    assert stage.output.position() == pytest.approx(0.5 * RATE, abs=200)


async def test_a_cut_tells_the_position_clears_once_and_nothing_follows():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(0.7)
    stage.output.hold()
    position = stage.output.cut()
    assert position == pytest.approx(0.7 * RATE, abs=200)
    assert [part.spoken for part in stage.output.parts(position)] == ["one"]
    assert stage.line.clears == 1
    await asyncio.sleep(5)
    assert stage.told == ["audible"]


async def test_a_cut_while_the_last_mark_is_awaited_keeps_the_answer_from_being_played():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.1)
    stage.output.cut()
    stage.output.mark_reached("1:16000")
    await asyncio.sleep(5)
    assert stage.told == ["audible"]


async def test_what_is_made_for_an_answer_that_was_cut_is_thrown_away():
    stage = Stage()
    stage.voice.word_delay_s = 0.5
    old = stage.output.begin()
    speaking = asyncio.create_task(
        stage.output.speak(old, stage.voice, Speakable.plain(TEXT), voice=None, language=None)
    )
    await asyncio.sleep(0.8)
    stage.output.cut()
    new = stage.output.begin()
    assert not await speaking
    assert not await stage.output.speak(old, stage.voice, Speakable.plain(TEXT), voice=None, language=None)
    assert not await stage.output.play(old, tone("1", RATE), RATE)
    stage.output.end(old)
    stage.voice.word_delay_s = 0.0
    assert await stage.output.speak(new, stage.voice, Speakable.plain("five."), voice=None, language=None)
    stage.output.end(new)
    await asyncio.sleep(1)
    assert [part.text for part in stage.output.parts()] == ["five."]
    assert stage.told == ["audible", "audible"]


async def test_an_answer_without_audio_is_played_at_once():
    stage = Stage()
    stage.output.end(stage.output.begin())
    await asyncio.sleep(0.1)
    assert stage.told == ["played"]
    assert stage.output.is_idle


async def test_tones_are_played_behind_what_was_said_and_have_no_text():
    stage = Stage()
    answer = await stage.speak("one.", ends=False)
    pcm = tone("42", RATE)
    assert await stage.output.play(answer, pcm, RATE)
    await stage.output.speak(answer, stage.voice, Speakable.plain("two."), voice=None, language=None)
    stage.output.end(answer)
    await asyncio.sleep(5)
    assert stage.seconds == pytest.approx(1.0 + len(pcm) / 2 / RATE, abs=0.03)
    assert [part.spoken for part in stage.output.all_parts()] == ["one.", "", "two."]


async def test_a_line_at_another_rate_and_encoding_plays_for_the_same_time():
    line = Marks()
    line.encoding, line.sample_rate = "s16le", 24_000
    stage = Stage(line)
    await stage.speak()
    await asyncio.sleep(2.2)
    assert stage.seconds == pytest.approx(2.0)
    assert {len(frame) for _, frame in line.frames} == {960}
    assert stage.output.position() == 2 * 48_000


async def test_more_than_the_queue_holds_waits_for_room_and_loses_nothing():
    stage = Stage()
    text = " ".join(["word"] * 60)  # half a minute
    task = asyncio.create_task(stage.speak(text))
    await asyncio.sleep(1)
    assert not task.done()
    await asyncio.sleep(40)
    await task
    assert stage.seconds == pytest.approx(30.0)
    assert stage.told == ["audible", "played"]


async def test_a_transport_that_fails_is_reported_once_and_ends_the_synthesis():
    stage = Stage()
    stage.line.audio_error = RuntimeError("bug")
    answer = stage.output.begin()
    assert not await stage.output.speak(answer, stage.voice, Speakable.plain(TEXT), voice=None, language=None)
    assert stage.told.count("broken") == 1


async def test_closing_twice_is_closing_once_and_leaves_no_timer():
    stage = Stage()
    await stage.speak()
    await asyncio.sleep(2.1)
    stage.output.close()
    stage.output.close()
    await asyncio.sleep(10)
    assert stage.told == ["audible"]


async def test_progress_is_told_where_somebody_looks():
    looked_at, unseen = Stage(), Stage()
    unseen.line.shows_progress = False
    for stage in (looked_at, unseen):
        await stage.speak()
    await asyncio.sleep(2.5)
    assert len(looked_at.progress) >= 5  # the sentence's two ends and its words
    assert len(unseen.progress) == 2
