//! Offers and answers: which track each section of ours carries.
//!
//! A section that was once agreed on is never taken away. When its track ends it carries nothing, and the next track of
//! its kind takes it over, with an SSRC of its own.

use std::time::{Duration, Instant};

use str0m::IceCreds;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::CodecSpec;
use str0m::media::{Direction, MediaKind, Mid};

use crate::codecs;
use crate::peer::Peer;
use crate::sdp::{self, Carries, Kind};

/// Sections that stood inactive in an offer: that many are left lying before they are used again. LiveKit's Python client
/// does not notice a track on a section that it has seen inactive, and pion's receivers hear nothing more on some.
const MAX_IDLE: usize = 64;
/// How long a connected client gets to make ready for what was just agreed on.
const READY: Duration = Duration::from_millis(150);
/// Tracks that one peer may be subscribed to.
pub const MAX_SUBSCRIPTIONS: usize = sdp::MAX_SECTIONS;

/// A track that a peer wants.
pub struct Subscription {
    /// The track's handle.
    pub track: u64,
    /// Its kind.
    pub kind: Kind,
    /// What its section is called at the client.
    pub stream_id: String,
    /// What its track is called at the client.
    pub track_id: String,
    /// Whether this peer wants nothing of it now.
    pub paused: bool,
    /// The most that is sent of a video, and its frames a second (0: any).
    pub layer: (u8, u8),
    /// The section that carries it, by its index.
    pub section: Option<usize>,
    refused: bool,
}

/// A section on which we send.
pub struct Section {
    /// Its name.
    pub mid: Mid,
    /// What it carries: audio or video.
    pub kind: Kind,
    /// The track that it carries.
    pub track: Option<u64>,
    /// Whether an answer agreed that it carries this track.
    pub agreed: bool,
    /// From when on it carries it: what comes before the client has made ready is lost on it, with some for good.
    pub from: Option<Instant>,
    /// Its stream among those of the outlet, once it is known.
    pub stream: Option<usize>,
    used: bool,
    idle: bool,
}

impl Section {
    /// It carries its track, in a moment where the client is connected and has yet to make ready for it.
    fn agree(&mut self, connected: bool) {
        let agreed = self.track.is_some();
        if agreed && !self.agreed && connected {
            self.from = Some(Instant::now() + READY);
        }
        self.agreed = agreed;
    }

    /// Whether it carries its track by now.
    pub fn carries(&self, now: Instant) -> bool {
        self.agreed && self.from.is_none_or(|from| from <= now)
    }
}

struct Pending {
    offer: SdpPendingOffer,
    text: String,
    new: Vec<(Mid, Kind, u64)>,
    restart: Option<IceCreds>,
}

/// What a peer and we agreed on, and what waits to be.
#[derive(Default)]
pub struct Negotiation {
    /// What it wants.
    pub subscriptions: Vec<Subscription>,
    /// What we send on.
    pub sections: Vec<Section>,
    pending: Option<Pending>,
}

/// The answer to an offer.
#[derive(Debug)]
pub struct Answer {
    /// The description.
    pub sdp: String,
    /// Sections and the tracks that they carry.
    pub mids: Vec<(String, u64)>,
    /// Subscriptions to audio and to video without a section.
    pub missing: (u32, u32),
}

impl Negotiation {
    fn waiting(&self, kind: Kind) -> usize {
        self.subscriptions
            .iter()
            .filter(|s| s.kind == kind && s.section.is_none() && !s.refused)
            .count()
    }

    fn section_of(&self, mid: Mid) -> Option<usize> {
        self.sections.iter().position(|section| section.mid == mid)
    }

    fn release(&mut self, index: usize) {
        let section = &mut self.sections[index];
        section.used |= section.track.is_some();
        section.track = None;
        section.agreed = false;
        section.from = None;
        for subscription in &mut self.subscriptions {
            if subscription.section == Some(index) {
                subscription.section = None;
            }
        }
    }

    fn carries(&self, mid: &str) -> Carries<'_> {
        let found = self.sections.iter().find(|s| *s.mid == *mid);
        let Some(section) = found else {
            return Carries::AsWritten;
        };
        let named = self
            .subscriptions
            .iter()
            .find(|s| Some(s.track) == section.track);
        match named {
            Some(s) => Carries::Track(&s.stream_id, &s.track_id),
            None => Carries::Nothing,
        }
    }

    /// Ends a subscription; its section carries nothing from now on.
    pub fn unsubscribe(&mut self, track: u64) {
        let Some(at) = self.subscriptions.iter().position(|s| s.track == track) else {
            return;
        };
        if let Some(section) = self.subscriptions[at].section {
            self.release(section);
        }
        self.subscriptions.remove(at);
    }
}

impl Peer {
    /// The user fragment that an offer of ours names and the client may use before we see its answer.
    pub fn next_ufrag(&self) -> Option<String> {
        let pending = self.negotiation.pending.as_ref()?;
        credentials(&pending.text).map(|creds| creds.ufrag)
    }

    /// Wants a track; `Err` says why not.
    pub fn subscribe(
        &mut self,
        track: u64,
        kind: Kind,
        stream_id: String,
        track_id: String,
    ) -> Result<(), &'static str> {
        let subscriptions = &mut self.negotiation.subscriptions;
        if let Some(known) = subscriptions.iter_mut().find(|s| s.track == track) {
            (known.stream_id, known.track_id) = (stream_id, track_id);
            return Ok(());
        }
        if subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err("too many subscriptions");
        }
        subscriptions.push(Subscription {
            track,
            kind,
            stream_id,
            track_id,
            paused: false,
            layer: (2, 0),
            section: None,
            refused: false,
        });
        Ok(())
    }

    /// Answers a client's offer and places subscriptions on the sections where it receives.
    pub fn accept_offer(
        &mut self,
        offer: SdpOffer,
        asked: &[sdp::Section],
    ) -> Result<Answer, String> {
        self.negotiation.pending = None;
        self.renumber_free_sections();
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|e| e.to_string())?;
        if asked.iter().any(|s| s.kind == Kind::Other) && self.wants_channels() {
            self.open_channels_now();
        }
        self.place(asked);
        let mut sending = asked.iter().filter(|s| s.kind == Kind::Audio && s.sends);
        self.nameless = match (sending.next(), sending.next()) {
            (Some(only), None) if !only.named => Some(Mid::from(only.mid.as_str())),
            _ => None,
        };
        let negotiation = &self.negotiation;
        let sdp = sdp::describe(&answer.to_sdp_string(), |mid| negotiation.carries(mid));
        let mids = negotiation
            .sections
            .iter()
            .filter_map(|section| Some((section.mid.to_string(), section.track?)))
            .collect();
        Ok(Answer {
            sdp,
            mids,
            missing: (
                negotiation.waiting(Kind::Audio) as u32,
                negotiation.waiting(Kind::Video) as u32,
            ),
        })
    }

    fn open_channels_now(&mut self) {
        for (index, config) in self.wanted_channel_configs() {
            let mut api = self.rtc.sdp_api();
            let id = api.add_channel_with_config(config);
            // Channels are agreed on, so there is nothing left to offer.
            let _ = api.apply();
            self.channel_offered(index, id);
        }
    }

    /// The next track of a section that carried one gets an SSRC of its own, by which clients see that it is another.
    fn renumber_free_sections(&mut self) {
        let sections = &mut self.negotiation.sections;
        for section in sections.iter_mut().filter(|s| s.used && s.track.is_none()) {
            section.used = false;
            let mut api = self.rtc.direct_api();
            let (ssrc, repair) = (api.new_ssrc(), api.new_ssrc());
            let repairs = api
                .stream_tx_by_mid(section.mid, None)
                .is_some_and(|s| s.rtx().is_some());
            api.reset_stream_tx(section.mid, None, ssrc, repairs.then_some(repair));
        }
    }

    fn place(&mut self, asked: &[sdp::Section]) {
        let mut free = Vec::new();
        for wanted in asked.iter().filter(|s| s.kind != Kind::Other) {
            let mid = Mid::from(wanted.mid.as_str());
            let open = self
                .rtc
                .media(mid)
                .is_some_and(|media| !media.disabled() && media.direction().is_sending());
            let index = self.negotiation.section_of(mid);
            if !(open && wanted.receives) {
                if let Some(index) = index {
                    self.negotiation.release(index);
                }
                continue;
            }
            let index = index.unwrap_or_else(|| {
                self.negotiation.sections.push(Section {
                    mid,
                    kind: wanted.kind,
                    track: None,
                    agreed: false,
                    from: None,
                    stream: None,
                    used: false,
                    idle: false,
                });
                self.negotiation.sections.len() - 1
            });
            if self.negotiation.sections[index].track.is_none() {
                free.push(index);
            }
        }
        for index in free {
            let kind = self.negotiation.sections[index].kind;
            let waiting = self
                .negotiation
                .subscriptions
                .iter_mut()
                .find(|s| s.kind == kind && s.section.is_none() && !s.refused);
            if let Some(subscription) = waiting {
                subscription.section = Some(index);
                self.negotiation.sections[index].track = Some(subscription.track);
            }
        }
        for section in &mut self.negotiation.sections {
            section.agree(self.connected);
        }
    }

    /// Offers what changed; `None` where nothing did, or an offer waits for its answer.
    ///
    /// A restart while an offer waits offers the same again with new credentials: the client may have taken it or not,
    /// and either way its sections keep their names.
    pub fn make_offer(&mut self, restart: bool) -> Option<String> {
        if let Some(pending) = &mut self.negotiation.pending {
            if !restart {
                return None;
            }
            let creds = IceCreds::new();
            pending.text = with_credentials(&pending.text, &creds);
            pending.restart = Some(creds);
            return Some(pending.text.clone());
        }
        self.renumber_free_sections();
        let wanted = self.wanted_channel_configs();
        let negotiation = &mut self.negotiation;
        let mut api = self.rtc.sdp_api();
        for section in negotiation.sections.iter().filter(|s| s.track.is_none()) {
            api.set_direction(section.mid, Direction::Inactive);
        }
        let mut new: Vec<(Mid, Kind, u64)> = Vec::new();
        let are_reused = negotiation.sections.iter().filter(|s| s.idle).count() >= MAX_IDLE;
        for subscription in &mut negotiation.subscriptions {
            if subscription.section.is_some() || subscription.refused {
                continue;
            }
            let reused = negotiation.sections.iter().position(|s| {
                s.track.is_none() && s.kind == subscription.kind && (!s.idle || are_reused)
            });
            if let Some(index) = reused {
                let section = &mut negotiation.sections[index];
                section.track = Some(subscription.track);
                section.agreed = false;
                subscription.section = Some(index);
                // Off and on again, so that it counts as a change even where str0m was not told of the end yet.
                api.set_direction(section.mid, Direction::Inactive);
                api.set_direction(section.mid, Direction::SendOnly);
                continue;
            }
            let kind = match subscription.kind {
                Kind::Video => MediaKind::Video,
                _ => MediaKind::Audio,
            };
            let stream = Some(subscription.stream_id.clone());
            let track = Some(subscription.track_id.clone());
            let mid = api.add_media(kind, Direction::SendOnly, stream, track, None);
            new.push((mid, subscription.kind, subscription.track));
        }
        let mut opened = Vec::new();
        for (index, config) in wanted {
            opened.push((index, api.add_channel_with_config(config)));
        }
        if restart {
            api.ice_restart(true);
        }
        let offered = api.apply();
        for (index, id) in opened {
            self.channel_offered(index, id);
        }
        let (offer, pending) = offered?;
        let negotiation = &mut self.negotiation;
        for section in &mut negotiation.sections {
            section.idle = section.track.is_none();
        }
        let names = |mid: &str| match new.iter().find(|(name, _, _)| **name == *mid) {
            Some((_, _, track)) => {
                let named = negotiation.subscriptions.iter().find(|s| s.track == *track);
                named.map_or(Carries::AsWritten, |s| {
                    Carries::Track(&s.stream_id, &s.track_id)
                })
            }
            None => negotiation.carries(mid),
        };
        let text = sdp::describe(&offer.to_sdp_string(), names);
        negotiation.pending = Some(Pending {
            offer: pending,
            text: text.clone(),
            new,
            restart: None,
        });
        Some(text)
    }

    /// Takes the answer to our offer.
    pub fn accept_answer(
        &mut self,
        answer: SdpAnswer,
        credentials: Option<IceCreds>,
    ) -> Result<(), String> {
        let Some(pending) = self.negotiation.pending.take() else {
            return Err("no offer waits for an answer".into());
        };
        if let (Some(ours), Some(theirs)) = (pending.restart, credentials) {
            // The offer did not say to str0m that it restarts; a lite agent only needs to know both passwords.
            let mut api = self.rtc.direct_api();
            api.set_local_ice_credentials(ours);
            api.set_remote_ice_credentials(theirs);
        }
        self.rtc
            .sdp_api()
            .accept_answer(pending.offer, answer)
            .map_err(|e| e.to_string())?;
        for (mid, kind, track) in pending.new {
            let index = self.negotiation.sections.len();
            let wanted = self
                .negotiation
                .subscriptions
                .iter_mut()
                .find(|s| s.track == track && s.section.is_none());
            let track = wanted.map(|subscription| {
                subscription.section = Some(index);
                subscription.track
            });
            self.negotiation.sections.push(Section {
                mid,
                kind,
                track,
                agreed: false,
                from: None,
                stream: None,
                used: false,
                idle: false,
            });
        }
        for index in 0..self.negotiation.sections.len() {
            let section = &self.negotiation.sections[index];
            let Some(track) = section.track else {
                continue;
            };
            let open = self
                .rtc
                .media(section.mid)
                .is_some_and(|media| !media.disabled() && media.direction().is_sending());
            if open {
                self.negotiation.sections[index].agree(self.connected);
                continue;
            }
            // Refused: not offered again, or the two would go round for ever.
            self.negotiation.release(index);
            let refused = self
                .negotiation
                .subscriptions
                .iter_mut()
                .find(|s| s.track == track);
            if let Some(subscription) = refused {
                subscription.refused = true;
            }
        }
        Ok(())
    }

    /// The SSRC, payload type, repair SSRC and type, by which a section sends a codec; `None` where it cannot.
    pub fn outgoing(&mut self, index: usize, codec: &CodecSpec) -> Option<Outgoing> {
        let mid = self.negotiation.sections.get(index)?.mid;
        let media = self.rtc.media(mid)?;
        let exts = media.remote_extmap().clone();
        let offered = media.remote_pts().to_vec();
        let config = self.rtc.codec_config();
        let params = config
            .params()
            .iter()
            .filter(|p| offered.contains(&p.pt()))
            .find(|p| codecs::compatible(&p.spec(), codec))?;
        let (payload_type, repair_type) = (*params.pt(), params.resend().map(|pt| *pt));
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        Some(Outgoing {
            mid,
            ssrc: *stream.ssrc(),
            payload_type,
            repair: stream.rtx().map(|ssrc| *ssrc).zip(repair_type),
            exts,
        })
    }
}

/// How a section sends.
pub struct Outgoing {
    /// Its name.
    pub mid: Mid,
    /// Its source.
    pub ssrc: u32,
    /// The payload type of the codec there.
    pub payload_type: u8,
    /// The source and payload type of its repairs.
    pub repair: Option<(u32, u8)>,
    /// The header extensions there.
    pub exts: str0m::rtp::ExtensionMap,
}

fn with_credentials(text: &str, creds: &IceCreds) -> String {
    let mut written = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with("a=ice-ufrag:") {
            written.push_str("a=ice-ufrag:");
            written.push_str(&creds.ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            written.push_str("a=ice-pwd:");
            written.push_str(&creds.pass);
        } else {
            written.push_str(line);
        }
        written.push_str("\r\n");
    }
    written
}

/// The ICE credentials of a description.
pub fn credentials(text: &str) -> Option<IceCreds> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Some(IceCreds {
        ufrag: value("a=ice-ufrag:")?.trim().to_owned(),
        pass: value("a=ice-pwd:")?.trim().to_owned(),
    })
}
