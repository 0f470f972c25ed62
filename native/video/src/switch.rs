//! One video at one listener: which layer's packets it gets, changing only at key frames.

use crate::choice::Choice;
use crate::frame::{Frame, VideoCodec};
use crate::picture::Pictures;

/// What to add to the counters inside a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// To the picture id.
    pub picture: u16,
    /// To TL0PICIDX.
    pub tl0: u8,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it with its counters moved.
    Forward(Shift),
    /// Of the layer that is sent, but a frame that is left out: close the gap in the numbers.
    Skip,
    /// Of another layer, or from before the switch: as if it had not come.
    Ignore,
}

/// What a listener is told about its video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    Active,
    /// Not sent for want of bandwidth.
    Paused,
}

/// The state of one video at one listener.
#[derive(Clone, Debug)]
pub struct Switch {
    codec: VideoCodec,
    target: Option<Choice>,
    state: StreamState,
    current: Option<Current>,
    pictures: Pictures,
    tl0_sent: Option<u8>,
}

/// The layer that is sent.
#[derive(Clone, Copy, Debug)]
struct Current {
    layer: u8,
    era: u64,
    /// Index of the packet with which it began.
    from: u64,
    temporal: u8,
    tl0_shift: u8,
}

impl Switch {
    /// Begins with the lowest layer, until a choice was made.
    pub fn new(codec: VideoCodec) -> Switch {
        Switch {
            codec,
            target: Some(Choice::default()),
            state: StreamState::Active,
            current: None,
            pictures: Pictures::default(),
            tl0_sent: None,
        }
    }

    /// The layer to send from its next key frame on; `None` to pause for want of bandwidth. Tells
    /// a change of state.
    pub fn aim(&mut self, choice: Option<Choice>) -> Option<StreamState> {
        self.target = choice;
        if choice.is_none() {
            self.current = None;
        }
        let state = if choice.is_some() {
            StreamState::Active
        } else {
            StreamState::Paused
        };
        (state != self.state).then(|| {
            self.state = state;
            state
        })
    }

    /// What was chosen last.
    pub fn target(&self) -> Option<Choice> {
        self.target
    }

    /// The layer that is sent now.
    pub fn current(&self) -> Option<u8> {
        self.current.map(|current| current.layer)
    }

    /// Nothing was forwarded for a while (the listener paused it): go on with a key frame.
    pub fn restart(&mut self) {
        self.current = None;
    }

    /// The layer whose key frame is waited for. Ask for it on each [`crate::Source::request`] that
    /// the clock allows, since key frames get lost.
    pub fn awaits(&self) -> Option<u8> {
        let target = self.target?.layer;
        (self.current() != Some(target)).then_some(target)
    }

    /// Decides about a packet of a layer. `era` is another value after each interruption of the
    /// layer (mute, another source), `index` its extended sequence number.
    pub fn forward(&mut self, layer: u8, era: u64, index: u64, frame: &Frame) -> Verdict {
        let Some(target) = self.target else {
            return Verdict::Ignore;
        };
        if let Some(current) = self.current
            && current.layer == layer
            && current.era != era
        {
            self.current = None;
        }
        if layer == target.layer && self.current() != Some(layer) && frame.starts_key {
            self.begin(layer, era, index, frame);
        }
        match self.current {
            Some(current) if current.layer == layer && index >= current.from => {
                self.send(current, target, frame)
            }
            _ => Verdict::Ignore,
        }
    }

    fn begin(&mut self, layer: u8, era: u64, index: u64, frame: &Frame) {
        let tl0_shift = match (self.tl0_sent, frame.tl0) {
            (Some(sent), Some(tl0)) => sent.wrapping_add(1).wrapping_sub(tl0),
            _ => 0,
        };
        if let Some(picture) = frame.picture {
            self.pictures.start(picture);
        }
        // A key frame has no temporal references: all layers can be taken from here on.
        self.current = Some(Current {
            layer,
            era,
            from: index,
            temporal: u8::MAX,
            tl0_shift,
        });
    }

    fn send(&mut self, mut current: Current, target: Choice, frame: &Frame) -> Verdict {
        if frame.begins && frame.sync && frame.temporal <= target.temporal {
            current.temporal = current.temporal.max(frame.temporal);
        }
        current.temporal = current.temporal.min(target.temporal);
        self.current = Some(current);
        let unwanted = frame.temporal > current.temporal;
        let mut shift = Shift {
            picture: 0,
            tl0: current.tl0_shift,
        };
        match frame.picture {
            Some(picture) => match self.pictures.place(picture, unwanted) {
                Some(moved) => shift.picture = moved,
                None => return Verdict::Skip,
            },
            None if unwanted => return Verdict::Skip,
            None => {}
        }
        if self.codec != VideoCodec::Vp8 {
            return Verdict::Forward(Shift::default());
        }
        if let Some(tl0) = frame.tl0 {
            let sent = tl0.wrapping_add(shift.tl0);
            let is_newer = |before: u8| (sent.wrapping_sub(before) as i8) > 0;
            if self.tl0_sent.is_none_or(is_newer) {
                self.tl0_sent = Some(sent);
            }
        }
        Verdict::Forward(shift)
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
