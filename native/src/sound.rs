//! What Python says in rooms and hears of them: voices, taps and mixes.

use std::sync::Arc;

use vox_voices::{Rate, TapReader, VoiceError, VoiceWriter};

use crate::command::Command;
use crate::engine::{Engine, Outcome, Refusal};

impl Engine {
    /// Opens a voice of ours.
    pub fn open_voice(&self, room: u64, track: u64, bitrate: u32) -> Outcome<()> {
        if !(6_000..=510_000).contains(&bitrate) {
            return Err(Refusal::Value("a bitrate is 6,000 to 510,000 bit/s".into()));
        }
        // Where numbers begin is no secret of ours; SRTP has its own.
        let first = (track as u16) & 0x7fff;
        let (writer, voice) = vox_voices::voice(bitrate, first, u32::from(first) * 960);
        let thread = self.registry().open_track(room, track, Some(writer))?;
        let voice = Box::new(voice);
        self.tell(thread, Command::OpenVoice { room, track, voice })
    }

    /// Writes to a voice, or empties it, or asks it.
    pub fn with_voice<T>(
        &self,
        track: u64,
        act: impl FnOnce(&mut VoiceWriter) -> Result<T, VoiceError>,
    ) -> Outcome<T> {
        let voice = self.registry().voice(track)?;
        let mut writer = voice.lock().unwrap_or_else(|e| e.into_inner());
        act(&mut writer).map_err(|error| match error {
            VoiceError::Full => Refusal::Full("30 s wait to be spoken".into()),
            other => Refusal::Value(other.to_string()),
        })
    }

    /// Opens a tap of one track.
    pub fn open_tap(&self, tap: u64, track: u64, rate: Rate) -> Outcome<()> {
        let registry = self.registry();
        let (room, _) = registry.track(track)?;
        let thread = registry.may_tap(room, tap)?;
        drop(registry);
        let opened = self.ask(thread, |reply| Command::OpenTap {
            room,
            tap,
            track,
            rate,
            reply,
        });
        self.note_tap(thread, room, tap, opened)
    }

    /// Opens the sum of a room.
    pub fn open_mix(&self, tap: u64, room: u64, rate: Rate, without: Vec<u64>) -> Outcome<()> {
        let thread = self.registry().may_tap(room, tap)?;
        let opened = self.ask(thread, |reply| Command::OpenMix {
            room,
            tap,
            rate,
            without,
            reply,
        });
        self.note_tap(thread, room, tap, opened)
    }

    fn note_tap(
        &self,
        thread: usize,
        room: u64,
        tap: u64,
        opened: Outcome<Option<TapReader>>,
    ) -> Outcome<()> {
        let reader = match opened {
            Ok(reader) => reader.ok_or_else(|| format!("there is no room {room}"))?,
            Err(refusal) => {
                // A thread that is only late opens it after all, and then closes it.
                self.tell(thread, Command::CloseTap { room, tap })?;
                return Err(refusal);
            }
        };
        self.registry().open_tap(room, tap, reader);
        Ok(())
    }

    /// Leaves one more track out of a mix.
    pub fn exclude(&self, tap: u64, track: u64) -> Outcome<()> {
        let registry = self.registry();
        let room = registry.tap(tap)?.room;
        let thread = registry.room(room)?;
        drop(registry);
        self.tell(thread, Command::Exclude { room, tap, track })
    }

    /// Takes what a tap heard.
    pub fn tap_read(&self, tap: u64) -> Outcome<Vec<u8>> {
        let reader = Arc::clone(&self.registry().tap(tap)?.reader);
        let mut reader = reader.lock().unwrap_or_else(|e| e.into_inner());
        Ok(reader.read())
    }

    /// Closes a tap or a mix.
    pub fn close_tap(&self, tap: u64) -> Outcome<()> {
        let (room, thread) = self.registry().close_tap(tap)?;
        self.tell(thread, Command::CloseTap { room, tap })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Inbox;
    use crate::opening::Worker;

    #[test]
    fn a_tap_that_is_opened_too_late_is_closed_again() {
        let inbox = Arc::new(Inbox::new().unwrap());
        let engine = Engine::stuck(Worker {
            inbox: Arc::clone(&inbox),
            gauges: Arc::default(),
            udp_port: 1,
            tcp_port: None,
        });
        engine.open_room(1, 0).unwrap();
        let opened = engine.open_mix(5, 1, Rate::Hz8000, Vec::new());
        assert!(matches!(opened, Err(Refusal::System(_))));
        let asked: Vec<Command> = inbox.take().into_iter().collect();
        assert!(matches!(
            asked[..],
            [
                Command::OpenRoom { .. },
                Command::OpenMix { .. },
                Command::CloseTap { room: 1, tap: 5 }
            ]
        ));
    }
}
