//! Sharing what a listener can take among its videos: first the frame rate of shared screens goes,
//! then the layers of cameras, then whole videos are paused, cameras first.

use crate::source::{LAYERS, LayerRate, TEMPORAL};

/// A layer, and the highest temporal layer of it that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    pub layer: u8,
    pub temporal: u8,
}

/// A video that a listener wants, and what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// A shared screen: keeps its sharpness before its frame rate.
    pub screen: bool,
    /// The highest layer that the listener asked for: 0 to 2.
    pub quality: u8,
    /// Frames a second that are enough for it, 0 for all.
    pub fps: u8,
    pub layers: [LayerRate; LAYERS],
    /// What it gets now.
    pub now: Option<Choice>,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In bit/s for all videos together; `None` where nothing bounds it.
    pub bitrate: Option<u64>,
    /// One video may go up by a step beyond the bitrate, to find out whether there is more.
    pub may_try: bool,
}

/// To go up, a choice must fit into 100/115 of the budget: else it would swing.
const UP_MARGIN: (u64, u64) = (100, 115);

/// Chooses for all videos of a listener: one entry each in `chosen`, `None` to pause.
pub fn allocate(budget: Budget, wanted: &[Wanted], chosen: &mut Vec<Option<Choice>>) {
    chosen.clear();
    chosen.extend(wanted.iter().map(most));
    let Some(bitrate) = budget.bitrate else {
        return;
    };
    fit(bitrate, wanted, chosen);
    let mut careful: Vec<Option<Choice>> = wanted.iter().map(most).collect();
    fit(bitrate * UP_MARGIN.0 / UP_MARGIN.1, wanted, &mut careful);
    for ((video, careful), most) in wanted.iter().zip(&mut careful).zip(&*chosen) {
        let now = video.now.filter(|now| alive(video, now.layer));
        *careful = (*careful).max(now).min(*most);
    }
    // A lower layer need not be the cheaper one: then what fits best is taken at once.
    if spent(wanted, &careful) <= bitrate {
        chosen.copy_from_slice(&careful);
    }
    if budget.may_try {
        let higher = |(video, choice): (&Wanted, &mut Option<Choice>)| {
            step_up(video, *choice).map(|higher| *choice = Some(higher))
        };
        wanted.iter().zip(chosen.iter_mut()).find_map(higher);
    }
}

fn spent(wanted: &[Wanted], chosen: &[Option<Choice>]) -> u64 {
    wanted
        .iter()
        .zip(chosen)
        .map(|(video, choice)| cost(video, *choice))
        .sum()
}

/// The best that the listener asked for, of what comes in.
fn most(video: &Wanted) -> Option<Choice> {
    let wished = usize::from(video.quality).min(LAYERS - 1);
    let below = (0..=wished).rev().find(|layer| video.layers[*layer].alive);
    let layer = below.or_else(|| (wished..LAYERS).find(|layer| video.layers[*layer].alive));
    // Where nothing comes, the lowest is waited for.
    let layer = layer.unwrap_or(0);
    Some(Choice {
        layer: layer as u8,
        temporal: enough(&video.layers[layer], video.fps),
    })
}

/// The lowest temporal layer that gives so many frames.
fn enough(rate: &LayerRate, fps: u8) -> u8 {
    let most = TEMPORAL - 1;
    if fps == 0 {
        return u8::MAX;
    }
    // A tenth less than asked for is what a measurement may be wrong by.
    let fits = |at: &usize| rate.fps[*at] >= 0.9 * f32::from(fps);
    (0..most).find(fits).map_or(u8::MAX, |at| at as u8)
}

fn alive(video: &Wanted, layer: u8) -> bool {
    video
        .layers
        .get(usize::from(layer))
        .is_some_and(|layer| layer.alive)
}

fn cost(video: &Wanted, choice: Option<Choice>) -> u64 {
    choice.map_or(0, |choice| {
        let layer = &video.layers[usize::from(choice.layer).min(LAYERS - 1)];
        layer.bitrate[usize::from(choice.temporal).min(TEMPORAL - 1)]
    })
}

/// Gives up one thing after the other until the rest fits.
fn fit(bitrate: u64, wanted: &[Wanted], chosen: &mut [Option<Choice>]) {
    let mut total = spent(wanted, chosen);
    type Step = fn(&Wanted, Option<Choice>) -> Option<Option<Choice>>;
    let order: [(bool, Step); 6] = [
        (true, fewer_frames),
        (false, lower_layer),
        (false, fewer_frames),
        (true, lower_layer),
        (false, pause),
        (true, pause),
    ];
    for (screen, step) in order {
        while total > bitrate {
            let dearest = wanted
                .iter()
                .zip(&*chosen)
                .enumerate()
                .filter(|(_, (video, _))| video.screen == screen)
                .filter_map(|(at, (video, choice))| {
                    let next = step(video, *choice)?;
                    Some((cost(video, *choice), at, next))
                })
                // Of equals the one that was subscribed to last.
                .max_by_key(|(cost, at, _)| (*cost, *at));
            let Some((before, at, next)) = dearest else {
                break;
            };
            chosen[at] = next;
            total = total - before + cost(&wanted[at], next);
        }
    }
}

fn fewer_frames(video: &Wanted, choice: Option<Choice>) -> Option<Option<Choice>> {
    let choice = choice?;
    let rate = &video.layers[usize::from(choice.layer).min(LAYERS - 1)].bitrate;
    let temporal = usize::from(choice.temporal).min(TEMPORAL - 1);
    let cheaper = (0..temporal)
        .rev()
        .find(|at| rate[*at] < rate[temporal] && rate[*at] > 0)?;
    Some(Some(Choice {
        temporal: cheaper as u8,
        ..choice
    }))
}

fn lower_layer(video: &Wanted, choice: Option<Choice>) -> Option<Option<Choice>> {
    let choice = choice?;
    let lower = (0..choice.layer).rev().find(|layer| alive(video, *layer))?;
    Some(Some(Choice {
        layer: lower,
        ..choice
    }))
}

fn pause(_: &Wanted, choice: Option<Choice>) -> Option<Option<Choice>> {
    choice.map(|_| None)
}

/// The next better choice within what the listener asked for.
fn step_up(video: &Wanted, choice: Option<Choice>) -> Option<Choice> {
    let most = most(video)?;
    let Some(choice) = choice else {
        let lowest = (0..LAYERS).find(|layer| video.layers[*layer].alive)?;
        return Some(Choice {
            layer: lowest as u8,
            temporal: most.temporal,
        });
    };
    if choice.layer < most.layer {
        let next = (choice.layer + 1..=most.layer).find(|layer| alive(video, *layer))?;
        return Some(Choice {
            layer: next,
            temporal: most.temporal,
        });
    }
    (choice.layer == most.layer && choice.temporal < most.temporal).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    fn layers(rates: [u64; LAYERS]) -> [LayerRate; LAYERS] {
        rates.map(|rate| LayerRate {
            alive: rate > 0,
            bitrate: [rate / 2, rate * 3 / 4, rate],
            fps: [7.5, 15.0, 30.0],
        })
    }

    fn camera() -> Wanted {
        Wanted {
            screen: false,
            quality: 2,
            fps: 0,
            layers: layers([150_000, 500_000, 1_700_000]),
            now: None,
        }
    }

    fn screen() -> Wanted {
        Wanted {
            screen: true,
            layers: layers([2_000_000, 0, 0]),
            ..camera()
        }
    }

    fn chosen(bitrate: Option<u64>, wanted: &[Wanted]) -> Vec<Option<(u8, u8)>> {
        let mut chosen = Vec::new();
        allocate(
            Budget {
                bitrate,
                may_try: false,
            },
            wanted,
            &mut chosen,
        );
        chosen
            .iter()
            .map(|choice| choice.map(|choice| (choice.layer, choice.temporal)))
            .collect()
    }

    #[test]
    fn settings_bound_what_is_sent_where_nothing_else_does() {
        let low = Wanted {
            quality: 0,
            ..camera()
        };
        let slow = Wanted {
            fps: 15,
            ..camera()
        };
        let gone = Wanted {
            layers: layers([150_000, 500_000, 0]),
            ..camera()
        };
        let only_high = Wanted {
            quality: 0,
            layers: layers([0, 0, 1_700_000]),
            ..camera()
        };
        assert_eq!(
            chosen(None, &[camera(), low, slow, gone, only_high]),
            [
                Some((2, 255)),
                Some((0, 255)),
                Some((2, 1)),
                Some((1, 255)),
                Some((2, 255))
            ]
        );
    }

    #[test]
    fn screens_lose_frames_first_then_cameras_layers_then_all_pause() {
        let wanted = [screen(), camera(), camera()];
        assert_eq!(
            chosen(Some(6_500_000), &wanted),
            [Some((0, 255)), Some((2, 255)), Some((2, 255))]
        );
        assert_eq!(
            chosen(Some(5_200_000), &wanted),
            [Some((0, 0)), Some((2, 255)), Some((2, 255))]
        );
        assert_eq!(
            chosen(Some(3_800_000), &wanted),
            [Some((0, 0)), Some((2, 255)), Some((1, 255))]
        );
        assert_eq!(
            chosen(Some(1_600_000), &wanted),
            [Some((0, 0)), Some((0, 255)), Some((0, 255))]
        );
        assert_eq!(
            chosen(Some(1_330_000), &wanted),
            [Some((0, 0)), Some((0, 0)), Some((0, 0))]
        );
        assert_eq!(chosen(Some(1_150_000), &wanted)[0], Some((0, 0)));
        assert_eq!(chosen(Some(500_000), &wanted), [None, None, None]);
    }

    #[test]
    fn what_hardly_fits_is_kept_and_not_begun() {
        let now = Some(Choice {
            layer: 1,
            temporal: 255,
        });
        assert_eq!(
            chosen(Some(510_000), &[Wanted { now, ..camera() }]),
            [Some((1, 255))]
        );
        let now = Some(Choice {
            layer: 0,
            temporal: 255,
        });
        assert_eq!(
            chosen(Some(510_000), &[Wanted { now, ..camera() }]),
            [Some((0, 255))]
        );
        assert_eq!(
            chosen(Some(600_000), &[Wanted { now, ..camera() }]),
            [Some((1, 255))]
        );
    }

    #[test]
    fn one_video_may_try_a_step() {
        let now = Some(Choice {
            layer: 0,
            temporal: 255,
        });
        let wanted = [Wanted { now, ..camera() }, Wanted { now, ..camera() }];
        let mut chosen = Vec::new();
        allocate(
            Budget {
                bitrate: Some(320_000),
                may_try: true,
            },
            &wanted,
            &mut chosen,
        );
        let layers: Vec<u8> = chosen.iter().map(|choice| choice.unwrap().layer).collect();
        assert_eq!(layers, [1, 0]);
    }

    /// Whatever is wanted: the sum fits, or all are paused, and nothing exceeds the settings.
    #[test]
    fn the_sum_fits_for_any_videos_and_budgets() {
        let mut dice = Dice::new(5);
        let mut chosen = Vec::new();
        for _ in 0..20_000 {
            let wanted: Vec<Wanted> = (0..dice.below(8))
                .map(|_| {
                    let rates = [0, 1, 2].map(|_| dice.below(4) * dice.below(700_000));
                    let now = (dice.below(2) == 0).then(|| Choice {
                        layer: dice.below(3) as u8,
                        temporal: [0, 1, 255][dice.below(3) as usize],
                    });
                    Wanted {
                        screen: dice.below(3) == 0,
                        quality: dice.below(4) as u8,
                        fps: [0, 5, 15][dice.below(3) as usize],
                        layers: layers(rates),
                        now,
                    }
                })
                .collect();
            let bitrate = dice.below(6_000_000);
            allocate(
                Budget {
                    bitrate: Some(bitrate),
                    may_try: false,
                },
                &wanted,
                &mut chosen,
            );
            let total = spent(&wanted, &chosen);
            assert!(
                total <= bitrate,
                "{total} of {bitrate}: {wanted:?} {chosen:?}"
            );
            for (video, choice) in wanted.iter().zip(&chosen) {
                assert!(*choice <= most(video));
            }
        }
    }
}
