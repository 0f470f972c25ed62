//! Which handles exist and on which thread they live: what Python gets wrong is found here, before any thread is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use vox_voices::{TapReader, VoiceWriter};

use crate::negotiation::MAX_SUBSCRIPTIONS;
use crate::peer::Traffic;

/// Peers of one room, tracks of one room: bounds that a caller of ours does not come near.
const MAX_IN_ROOM: usize = 20_000;
/// Rooms of one engine.
const MAX_ROOMS: usize = 100_000;

/// A track, as the border needs it.
pub struct TrackEntry {
    pub room: u64,
    /// The writing half of a voice of ours.
    pub voice: Option<Arc<Mutex<VoiceWriter>>>,
}

/// A tap, as the border needs it.
pub struct TapEntry {
    pub room: u64,
    pub reader: Arc<Mutex<TapReader>>,
}

/// A room, as the border needs it.
#[derive(Default)]
pub struct RoomEntry {
    pub thread: usize,
    peers: Vec<u64>,
    tracks: Vec<u64>,
    taps: Vec<u64>,
}

/// A peer, as the border needs it.
struct PeerEntry {
    room: u64,
    subscriptions: Vec<u64>,
    traffic: Arc<Traffic>,
}

/// All handles of an engine.
#[derive(Default)]
pub struct Registry {
    rooms: HashMap<u64, RoomEntry>,
    peers: HashMap<u64, PeerEntry>,
    tracks: HashMap<u64, TrackEntry>,
    taps: HashMap<u64, TapEntry>,
    members: Vec<usize>,
}

type Refused = String;

impl Registry {
    /// For so many threads.
    pub fn new(threads: usize) -> Registry {
        Registry {
            members: vec![0; threads],
            ..Registry::default()
        }
    }

    /// Notes a room and the thread that has the fewest members; `loads` says how busy each is, in thousandths.
    pub fn open_room(&mut self, room: u64, loads: &[u64]) -> Result<usize, Refused> {
        if self.rooms.contains_key(&room) {
            return Err(format!("room {room} is open already"));
        }
        if self.rooms.len() >= MAX_ROOMS {
            return Err(format!("more than {MAX_ROOMS} rooms"));
        }
        let weight = |thread: &usize| {
            let rooms = self.rooms.values().filter(|r| r.thread == *thread).count();
            (
                loads.get(*thread).copied().unwrap_or(0) / 100,
                self.members[*thread],
                rooms,
            )
        };
        let thread = (0..self.members.len()).min_by_key(weight).unwrap_or(0);
        self.rooms.insert(
            room,
            RoomEntry {
                thread,
                ..RoomEntry::default()
            },
        );
        Ok(thread)
    }

    /// Forgets a room and all that is in it; its thread.
    pub fn close_room(&mut self, room: u64) -> Result<usize, Refused> {
        let entry = self
            .rooms
            .remove(&room)
            .ok_or_else(|| unknown("room", room))?;
        self.members[entry.thread] -= entry.peers.len();
        for peer in &entry.peers {
            self.peers.remove(peer);
        }
        for track in &entry.tracks {
            self.tracks.remove(track);
        }
        for tap in &entry.taps {
            self.taps.remove(tap);
        }
        Ok(entry.thread)
    }

    /// The thread of a room.
    pub fn room(&self, room: u64) -> Result<usize, Refused> {
        self.rooms
            .get(&room)
            .map(|r| r.thread)
            .ok_or_else(|| unknown("room", room))
    }

    /// Notes a peer; its thread.
    pub fn open_peer(&mut self, room: u64, peer: u64) -> Result<(usize, Arc<Traffic>), Refused> {
        if self.peers.contains_key(&peer) {
            return Err(format!("peer {peer} is open already"));
        }
        let entry = self
            .rooms
            .get_mut(&room)
            .ok_or_else(|| unknown("room", room))?;
        if entry.peers.len() >= MAX_IN_ROOM {
            return Err(format!("more than {MAX_IN_ROOM} peers in room {room}"));
        }
        entry.peers.push(peer);
        let traffic = Arc::<Traffic>::default();
        let subscriptions = Vec::new();
        self.peers.insert(
            peer,
            PeerEntry {
                room,
                subscriptions,
                traffic: Arc::clone(&traffic),
            },
        );
        self.members[entry.thread] += 1;
        Ok((entry.thread, traffic))
    }

    /// The media of a peer.
    pub fn traffic(&self, peer: u64) -> Result<Arc<Traffic>, Refused> {
        let entry = self.peers.get(&peer).ok_or_else(|| unknown("peer", peer))?;
        Ok(Arc::clone(&entry.traffic))
    }

    /// The room and thread of a peer.
    pub fn peer(&self, peer: u64) -> Result<(u64, usize), Refused> {
        let entry = self.peers.get(&peer).ok_or_else(|| unknown("peer", peer))?;
        let room = entry.room;
        Ok((room, self.room(room)?))
    }

    /// Notes that a peer wants a track of its room; its thread.
    pub fn subscribe(&mut self, peer: u64, track: u64) -> Result<usize, Refused> {
        let (room, thread) = self.peer(peer)?;
        if self.track(track)?.0 != room {
            return Err(format!("peer {peer} and track {track} are not in one room"));
        }
        let tracks = &self.tracks;
        let entry = self
            .peers
            .get_mut(&peer)
            .ok_or_else(|| unknown("peer", peer))?;
        if entry.subscriptions.contains(&track) {
            return Ok(thread);
        }
        if entry.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            entry
                .subscriptions
                .retain(|track| tracks.contains_key(track));
        }
        if entry.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(format!(
                "peer {peer} has {MAX_SUBSCRIPTIONS} subscriptions, which is the bound"
            ));
        }
        entry.subscriptions.push(track);
        Ok(thread)
    }

    /// Forgets that; the peer's thread.
    pub fn unsubscribe(&mut self, peer: u64, track: u64) -> Result<usize, Refused> {
        let (_, thread) = self.peer(peer)?;
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.subscriptions.retain(|&other| other != track);
        }
        Ok(thread)
    }

    /// Forgets a peer; its thread. Its tracks are still to be unpublished, or go with the room.
    pub fn close_peer(&mut self, peer: u64) -> Result<usize, Refused> {
        let entry = self.peers.remove(&peer);
        let room = entry.ok_or_else(|| unknown("peer", peer))?.room;
        let entry = self
            .rooms
            .get_mut(&room)
            .ok_or_else(|| unknown("room", room))?;
        entry.peers.retain(|&other| other != peer);
        self.members[entry.thread] -= 1;
        Ok(entry.thread)
    }

    /// Notes a track of a room; its thread.
    pub fn open_track(
        &mut self,
        room: u64,
        track: u64,
        voice: Option<VoiceWriter>,
    ) -> Result<usize, Refused> {
        if self.tracks.contains_key(&track) {
            return Err(format!("track {track} is open already"));
        }
        let entry = self
            .rooms
            .get_mut(&room)
            .ok_or_else(|| unknown("room", room))?;
        if entry.tracks.len() >= MAX_IN_ROOM {
            return Err(format!("more than {MAX_IN_ROOM} tracks in room {room}"));
        }
        entry.tracks.push(track);
        let voice = voice.map(|writer| Arc::new(Mutex::new(writer)));
        self.tracks.insert(track, TrackEntry { room, voice });
        Ok(entry.thread)
    }

    /// The room and thread of a track.
    pub fn track(&self, track: u64) -> Result<(u64, usize), Refused> {
        let entry = self
            .tracks
            .get(&track)
            .ok_or_else(|| unknown("track", track))?;
        Ok((entry.room, self.room(entry.room)?))
    }

    /// The writing half of a voice.
    pub fn voice(&self, track: u64) -> Result<Arc<Mutex<VoiceWriter>>, Refused> {
        let entry = self
            .tracks
            .get(&track)
            .ok_or_else(|| unknown("track", track))?;
        entry
            .voice
            .clone()
            .ok_or_else(|| format!("track {track} is not a voice"))
    }

    /// Forgets a track; its thread.
    pub fn close_track(&mut self, track: u64) -> Result<usize, Refused> {
        let entry = self
            .tracks
            .remove(&track)
            .ok_or_else(|| unknown("track", track))?;
        let room = self
            .rooms
            .get_mut(&entry.room)
            .ok_or_else(|| unknown("room", entry.room))?;
        room.tracks.retain(|&other| other != track);
        Ok(room.thread)
    }

    /// Whether a tap may have this handle in this room; the thread.
    pub fn may_tap(&self, room: u64, tap: u64) -> Result<usize, Refused> {
        if self.taps.contains_key(&tap) {
            return Err(format!("tap {tap} is open already"));
        }
        let entry = self.rooms.get(&room).ok_or_else(|| unknown("room", room))?;
        if entry.taps.len() >= MAX_IN_ROOM {
            return Err(format!("more than {MAX_IN_ROOM} taps in room {room}"));
        }
        Ok(entry.thread)
    }

    /// Notes a tap.
    pub fn open_tap(&mut self, room: u64, tap: u64, reader: TapReader) {
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.taps.push(tap);
            let reader = Arc::new(Mutex::new(reader));
            self.taps.insert(tap, TapEntry { room, reader });
        }
    }

    /// A tap.
    pub fn tap(&self, tap: u64) -> Result<&TapEntry, Refused> {
        self.taps.get(&tap).ok_or_else(|| unknown("tap", tap))
    }

    /// Forgets a tap; its room and thread.
    pub fn close_tap(&mut self, tap: u64) -> Result<(u64, usize), Refused> {
        let entry = self.taps.remove(&tap).ok_or_else(|| unknown("tap", tap))?;
        let room = self
            .rooms
            .get_mut(&entry.room)
            .ok_or_else(|| unknown("room", entry.room))?;
        room.taps.retain(|&other| other != tap);
        Ok((entry.room, room.thread))
    }

    /// Peers that are open.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }
}

fn unknown(what: &str, handle: u64) -> String {
    format!("there is no {what} {handle}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_go_to_the_thread_with_the_fewest_members() {
        let mut registry = Registry::new(2);
        assert_eq!(registry.open_room(1, &[0, 0]), Ok(0));
        registry.open_peer(1, 10).unwrap();
        assert_eq!(registry.open_room(2, &[0, 0]), Ok(1));
        registry.open_peer(2, 20).unwrap();
        assert_eq!(registry.open_room(3, &[900, 0]), Ok(1));
    }

    #[test]
    fn a_closed_room_takes_everything_with_it() {
        let mut registry = Registry::new(1);
        registry.open_room(1, &[0]).unwrap();
        registry.open_peer(1, 10).unwrap();
        registry.open_track(1, 5, None).unwrap();
        registry.close_room(1).unwrap();
        assert_eq!(registry.peer(10), Err("there is no peer 10".into()));
        assert!(registry.track(5).is_err());
        assert_eq!(registry.peers(), 0);
    }

    #[test]
    fn subscriptions_are_bounded_and_tracks_that_ended_do_not_count() {
        let mut registry = Registry::new(1);
        registry.open_room(1, &[0]).unwrap();
        registry.open_peer(1, 10).unwrap();
        let last = MAX_SUBSCRIPTIONS as u64;
        for track in 0..=last {
            registry.open_track(1, track, None).unwrap();
        }
        for track in 0..last {
            registry.subscribe(10, track).unwrap();
        }
        assert!(registry.subscribe(10, 0).is_ok());
        assert!(registry.subscribe(10, last).unwrap_err().contains("bound"));
        registry.close_track(3).unwrap();
        assert!(registry.subscribe(10, last).is_ok());
    }

    #[test]
    fn a_handle_is_given_once() {
        let mut registry = Registry::new(1);
        registry.open_room(1, &[0]).unwrap();
        assert!(registry.open_room(1, &[0]).is_err());
        registry.open_track(1, 5, None).unwrap();
        assert!(registry.open_track(1, 5, None).is_err());
        registry.close_track(5).unwrap();
        assert!(registry.open_track(1, 5, None).is_ok());
        assert_eq!(
            registry.voice(5).err(),
            Some("track 5 is not a voice".into())
        );
    }
}
