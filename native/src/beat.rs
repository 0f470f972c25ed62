//! The 20 ms beat of a media thread: voices speak, taps fill, speakers are told.

use std::time::Instant;

use vox_egress::{Level, Packet, Span};
use vox_video::Frame;

use crate::event::Event;
use crate::reports::SILENCE;
use crate::room::{News, Source};
use crate::thread::MediaThread;

impl MediaThread {
    /// One beat.
    pub(crate) fn beat(&mut self, now: Instant) {
        self.beats += 1;
        let arrived_us = self.now_us(now);
        for index in 0..self.voices.len() {
            self.speak(self.voices[index], arrived_us, now);
        }
        let mut full: Vec<u64> = Vec::new();
        for (&id, room) in &mut self.rooms {
            if room.taps > 0 {
                full.extend_from_slice(room.ears.tick(now));
            }
            if let Some(speakers) = room.speakers.update(now) {
                let told = speakers
                    .iter()
                    .map(|s| (s.track, s.level, s.is_active))
                    .collect();
                self.events.push(Event::Speakers(id, told));
            }
        }
        if !full.is_empty() {
            self.events.push(Event::Taps(full));
        }
        if !self.unready.is_empty() {
            self.connect_ready(now);
        }
        self.watch_videos(now);
    }

    /// A voice's frame of this beat: encoded once, and only where somebody gets it.
    fn speak(&mut self, slot: u32, arrived_us: u64, now: Instant) {
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&track.room) else {
            return;
        };
        let Source::Voice(voice) = &mut track.source else {
            return;
        };
        let tick = voice.tick();
        if tick.has_run_dry {
            self.events.push(Event::VoiceIdle(track.id));
        }
        let Some(level) = tick.speaks else {
            if track.flowing && now.saturating_duration_since(track.last) > SILENCE {
                track.flowing = false;
                self.events.push(Event::Silent(track.id));
            }
            return;
        };
        track.last = now;
        if track.muted {
            track.held = true;
            return;
        }
        if !track.flowing {
            track.flowing = true;
            self.events.push(Event::Flowing(track.id));
        }
        if room.ears.wants(track.id)
            && let Some(spoken) = voice.spoken()
        {
            room.ears.voice_frame(track.id, spoken);
        }
        let layer = &mut track.layers[0];
        if !room.speakers.level(now, track.id, level) || track.listeners.is_empty() {
            track.held = true;
            return;
        }
        if std::mem::take(&mut track.held) {
            layer.ring.resume();
        }
        let Some(packet) = voice.packet() else {
            return;
        };
        let newest = layer.ring.newest();
        let index = newest.map_or(u64::from(packet.sequence), |newest| newest + 1);
        layer.clock.observe(packet.timestamp, arrived_us);
        let kept = layer.ring.push(&Packet {
            index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
            level: Some(Level {
                dbov: level.level,
                voice: level.is_voice,
            }),
            orientation: None,
            arrived_us,
            span: Span::default(),
        });
        if kept {
            self.news.push(News {
                track: slot,
                layer: 0,
                index,
                frame: Frame::default(),
            });
        }
    }
}
