use super::*;
use crate::frame::Picture;
use crate::testing::Dice;

/// A layer's encoder: frames of VP8 with three temporal layers.
struct Encoder {
    index: u64,
    picture: u16,
    tl0: u8,
    count: u32,
}

const PATTERN: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];

impl Encoder {
    fn new(dice: &mut Dice) -> Encoder {
        Encoder {
            index: dice.below(1 << 40),
            picture: dice.below(1 << 15) as u16,
            tl0: dice.next() as u8,
            count: 0,
        }
    }

    /// The packets of the next frame.
    fn frame(&mut self, key: bool, packets: u64) -> Vec<(u64, Frame)> {
        if key {
            self.count = 0;
        }
        let (temporal, sync) = PATTERN[(self.count % 4) as usize];
        self.count += 1;
        self.picture = (self.picture + 1) & 0x7fff;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        (0..packets)
            .map(|at| {
                self.index += 1;
                let frame = Frame {
                    starts_key: key && at == 0,
                    begins: at == 0,
                    temporal,
                    sync,
                    picture: Some(Picture {
                        id: self.picture,
                        long: true,
                    }),
                    tl0: Some(self.tl0),
                };
                (self.index, frame)
            })
            .collect()
    }
}

fn aim(layer: u8) -> Option<Choice> {
    Some(Choice {
        layer,
        temporal: u8::MAX,
    })
}

#[test]
fn a_layer_changes_only_at_its_key_frame_and_the_old_one_goes_on_until_then() {
    let mut dice = Dice::new(1);
    let mut low = Encoder::new(&mut dice);
    let mut high = Encoder::new(&mut dice);
    let mut switch = Switch::new(VideoCodec::Vp8);
    let (at, frame) = low.frame(false, 1)[0];
    assert_eq!(switch.forward(0, 0, at, &frame), Verdict::Ignore);
    assert_eq!(switch.awaits(), Some(0));
    let (at, frame) = low.frame(true, 1)[0];
    assert!(matches!(
        switch.forward(0, 0, at, &frame),
        Verdict::Forward(_)
    ));
    assert_eq!(switch.awaits(), None);
    assert_eq!(switch.aim(aim(2)), None);
    assert_eq!(switch.awaits(), Some(2));
    let (at, frame) = high.frame(false, 1)[0];
    assert_eq!(switch.forward(2, 0, at, &frame), Verdict::Ignore);
    let (at, frame) = low.frame(false, 1)[0];
    assert!(matches!(
        switch.forward(0, 0, at, &frame),
        Verdict::Forward(_)
    ));
    let (at, frame) = high.frame(true, 1)[0];
    assert!(matches!(
        switch.forward(2, 0, at, &frame),
        Verdict::Forward(_)
    ));
    let (at, frame) = low.frame(true, 1)[0];
    assert_eq!(switch.forward(0, 0, at, &frame), Verdict::Ignore);
    assert_eq!(switch.current(), Some(2));
}

#[test]
fn a_pause_is_told_once_and_ends_with_a_key_frame() {
    let mut dice = Dice::new(2);
    let mut low = Encoder::new(&mut dice);
    let mut switch = Switch::new(VideoCodec::Vp8);
    let (at, frame) = low.frame(true, 1)[0];
    switch.forward(0, 0, at, &frame);
    assert_eq!(switch.aim(None), Some(StreamState::Paused));
    assert_eq!(switch.aim(None), None);
    assert_eq!(switch.awaits(), None);
    let (at, frame) = low.frame(true, 1)[0];
    assert_eq!(switch.forward(0, 0, at, &frame), Verdict::Ignore);
    assert_eq!(switch.aim(aim(0)), Some(StreamState::Active));
    let (at, frame) = low.frame(false, 1)[0];
    assert_eq!(switch.forward(0, 0, at, &frame), Verdict::Ignore);
    let (at, frame) = low.frame(true, 1)[0];
    assert!(matches!(
        switch.forward(0, 0, at, &frame),
        Verdict::Forward(_)
    ));
}

#[test]
fn an_interrupted_source_is_gone_on_with_at_a_key_frame() {
    let mut dice = Dice::new(3);
    let mut low = Encoder::new(&mut dice);
    let mut switch = Switch::new(VideoCodec::Vp8);
    let (at, frame) = low.frame(true, 1)[0];
    switch.forward(0, 1, at, &frame);
    let (at, frame) = low.frame(false, 1)[0];
    assert_eq!(switch.forward(0, 2, at, &frame), Verdict::Ignore);
    assert_eq!(switch.awaits(), Some(0));
}

#[test]
fn other_codecs_change_layers_and_keep_their_payloads() {
    for codec in [VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1] {
        let mut switch = Switch::new(codec);
        let key = Frame {
            starts_key: true,
            begins: true,
            ..Frame::default()
        };
        let unchanged = Verdict::Forward(Shift::default());
        assert_eq!(switch.forward(0, 0, 10, &key), unchanged);
        switch.aim(Some(Choice {
            layer: 1,
            temporal: 0,
        }));
        assert_eq!(switch.forward(1, 0, 99, &key), unchanged);
        let upper = Frame {
            temporal: 1,
            begins: true,
            ..Frame::default()
        };
        assert_eq!(switch.forward(1, 0, 100, &upper), Verdict::Skip);
    }
}

/// Any sequence of switches, temporal choices, pauses, loss and reordering: what the listener gets
/// begins with a key frame after each change, its picture ids and TL0 indices are continuous in
/// the order of the source, and no frame is forwarded in part.
#[test]
fn any_sequence_of_switches_is_continuous() {
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let reorders = seed % 2 == 1;
        let mut encoders: Vec<Encoder> = (0..3).map(|_| Encoder::new(&mut dice)).collect();
        let mut switch = Switch::new(VideoCodec::Vp8);
        let mut newest: Option<u16> = None;
        let mut newest_tl0: Option<u8> = None;
        let mut layer_before = None;
        for _ in 0..600 {
            if dice.below(15) == 0 {
                let choice = (dice.below(6) != 0).then(|| Choice {
                    layer: dice.below(3) as u8,
                    temporal: dice.below(3) as u8,
                });
                switch.aim(choice);
            }
            for layer in 0..3u8 {
                let key = dice.below(12) == 0;
                let packets = 1 + dice.below(4);
                let mut frame = encoders[usize::from(layer)].frame(key, packets);
                if reorders && packets > 2 {
                    frame.swap(1, 2);
                }
                let mut forwarded = 0;
                let mut seen = None;
                for (index, part) in &frame {
                    match switch.forward(layer, 0, *index, part) {
                        Verdict::Forward(shift) => {
                            forwarded += 1;
                            let id = part.picture.unwrap().id;
                            seen = Some((
                                id.wrapping_add(shift.picture) & 0x7fff,
                                part.tl0.unwrap().wrapping_add(shift.tl0),
                            ));
                        }
                        Verdict::Skip | Verdict::Ignore => {}
                    }
                }
                assert!(
                    forwarded == 0 || forwarded == packets,
                    "seed {seed}: half a frame"
                );
                let Some((picture, tl0)) = seen else {
                    continue;
                };
                if layer_before != Some(layer) {
                    assert!(key, "seed {seed}: a switch without a key frame");
                    layer_before = Some(layer);
                }
                if let Some(newest) = newest {
                    assert_eq!(picture, (newest + 1) & 0x7fff, "seed {seed}");
                }
                newest = Some(picture);
                if let Some(newest) = newest_tl0 {
                    let step = tl0.wrapping_sub(newest);
                    let own = u8::from(frame[0].1.temporal == 0);
                    assert_eq!(step, own, "seed {seed}");
                }
                newest_tl0 = Some(tl0);
            }
        }
    }
}
