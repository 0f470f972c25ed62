//! The border to Python: names and types as the stub says, and the GIL released wherever a call may wait.

use std::net::IpAddr;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use vox_voices::Rate;
use vox_voices::g711::Law;

use crate::engine::{self, Refusal, Settings};
use crate::event::Event;
use crate::peer::Role;
use crate::sdp::Kind;

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> PyErr {
        match refusal {
            Refusal::Value(reason) => PyValueError::new_err(reason),
            Refusal::System(error) => PyOSError::new_err(error.to_string()),
            Refusal::Full(reason) => PyBufferError::new_err(reason),
        }
    }
}

/// The sockets and media threads of one relay.
#[pyclass(frozen, module = "vox_native")]
struct Engine {
    inner: engine::Engine,
}

fn value(reason: impl Into<String>) -> PyErr {
    PyValueError::new_err(reason.into())
}

fn address(text: &str) -> PyResult<IpAddr> {
    text.parse()
        .map_err(|_| value(format!("{text:?} is not an IP address")))
}

fn rate(hz: u32) -> PyResult<Rate> {
    Rate::of(hz).ok_or_else(|| value("a rate is 8000, 16000, 24000 or 48000"))
}

fn kind(name: &str) -> PyResult<Kind> {
    match name {
        "audio" => Ok(Kind::Audio),
        "video" => Ok(Kind::Video),
        _ => Err(value("a kind is \"audio\" or \"video\"")),
    }
}

/// The bytes of a buffer, copied while the GIL is held: nobody else may change them meanwhile.
fn bytes(py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = buffer.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    let view = PyBuffer::<u8>::get(buffer)?;
    view.to_vec(py)
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, host = "0.0.0.0", udp_port = 0, tcp_port = None, threads = 0, public_addresses = Vec::new()))]
    fn new(
        py: Python<'_>,
        host: &str,
        udp_port: u16,
        tcp_port: Option<u16>,
        threads: usize,
        public_addresses: Vec<String>,
    ) -> PyResult<Engine> {
        let addresses = public_addresses.iter().map(|text| address(text));
        let settings = Settings {
            host: address(host)?,
            udp_port,
            tcp_port,
            threads,
            addresses: addresses.collect::<PyResult<_>>()?,
        };
        let inner = py.detach(|| engine::Engine::new(&settings))?;
        Ok(Engine { inner })
    }

    fn udp_ports(&self) -> Vec<u16> {
        self.inner.udp_ports()
    }

    fn tcp_ports(&self) -> Vec<u16> {
        self.inner.tcp_ports()
    }

    fn fileno(&self) -> i32 {
        self.inner.fileno()
    }

    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = self.inner.events();
        events.into_iter().map(|event| tuple(py, event)).collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.inner.stats();
        let dict = PyDict::new(py);
        dict.set_item("packets_in", stats.packets_in)?;
        dict.set_item("packets_out", stats.packets_out)?;
        dict.set_item("bytes_in", stats.bytes_in)?;
        dict.set_item("bytes_out", stats.bytes_out)?;
        dict.set_item("lost_events", stats.lost_events)?;
        let mut threads = Vec::new();
        for thread in stats.threads {
            let entry = PyDict::new(py);
            entry.set_item("cpu_ns", thread.cpu_ns)?;
            entry.set_item("load", thread.load)?;
            entry.set_item("rooms", thread.rooms)?;
            entry.set_item("peers", thread.peers)?;
            threads.push(entry);
        }
        dict.set_item("threads", threads)?;
        dict.set_item("peers", stats.peers)?;
        Ok(dict)
    }

    #[pyo3(signature = (room, *, top_speakers = 0))]
    fn open_room(&self, room: u64, top_speakers: usize) -> PyResult<()> {
        Ok(self.inner.open_room(room, top_speakers)?)
    }

    fn close_room(&self, room: u64) -> PyResult<()> {
        Ok(self.inner.close_room(room)?)
    }

    fn open_peer(&self, room: u64, peer: u64, role: &str) -> PyResult<()> {
        let role = match role {
            "publisher" => Role::Publisher,
            "subscriber" => Role::Subscriber,
            "both" => Role::Both,
            _ => return Err(value("a role is \"publisher\", \"subscriber\" or \"both\"")),
        };
        Ok(self.inner.open_peer(room, peer, role)?)
    }

    fn accept_offer<'py>(
        &self,
        py: Python<'py>,
        peer: u64,
        sdp: &str,
    ) -> PyResult<Bound<'py, PyDict>> {
        let answer = py.detach(|| self.inner.accept_offer(peer, sdp))?;
        let mids = PyDict::new(py);
        for (mid, track) in answer.mids {
            mids.set_item(mid, track)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("sdp", answer.sdp)?;
        dict.set_item("mids", mids)?;
        dict.set_item("missing", answer.missing)?;
        Ok(dict)
    }

    #[pyo3(signature = (peer, *, ice_restart = false))]
    fn make_offer(&self, py: Python<'_>, peer: u64, ice_restart: bool) -> PyResult<Option<String>> {
        Ok(py.detach(|| self.inner.make_offer(peer, ice_restart))?)
    }

    fn accept_answer(&self, py: Python<'_>, peer: u64, sdp: &str) -> PyResult<()> {
        Ok(py.detach(|| self.inner.accept_answer(peer, sdp))?)
    }

    fn add_candidate(&self, peer: u64, candidate: &str) -> PyResult<()> {
        Ok(self.inner.add_candidate(peer, candidate)?)
    }

    fn close_peer(&self, peer: u64) -> PyResult<()> {
        Ok(self.inner.close_peer(peer)?)
    }

    fn peer_stats(&self, peer: u64) -> PyResult<(u64, u64)> {
        Ok(self.inner.peer_stats(peer)?)
    }

    fn permit_data(&self, peer: u64, allowed: bool) -> PyResult<()> {
        Ok(self.inner.permit_data(peer, allowed)?)
    }

    fn publish(&self, peer: u64, mid: &str, track: u64, kind: &str) -> PyResult<()> {
        Ok(self.inner.publish(peer, mid, track, self::kind(kind)?)?)
    }

    fn unpublish(&self, track: u64) -> PyResult<()> {
        Ok(self.inner.unpublish(track)?)
    }

    fn mute(&self, track: u64, muted: bool) -> PyResult<()> {
        Ok(self.inner.mute(track, muted)?)
    }

    fn subscribe(&self, peer: u64, track: u64, stream_id: &str, track_id: &str) -> PyResult<()> {
        Ok(self.inner.subscribe(peer, track, stream_id, track_id)?)
    }

    fn unsubscribe(&self, peer: u64, track: u64) -> PyResult<()> {
        Ok(self.inner.unsubscribe(peer, track)?)
    }

    fn pause(&self, peer: u64, track: u64, paused: bool) -> PyResult<()> {
        Ok(self.inner.pause(peer, track, paused)?)
    }

    #[pyo3(signature = (peer, track, quality, fps = 0))]
    fn set_layer(&self, peer: u64, track: u64, quality: u8, fps: u32) -> PyResult<()> {
        let fps = fps.min(255) as u8;
        Ok(self.inner.set_layer(peer, track, quality, fps)?)
    }

    fn request_keyframe(&self, track: u64) -> PyResult<()> {
        Ok(self.inner.request_keyframe(track)?)
    }

    #[pyo3(signature = (peer, label, *, ordered = true, retransmits = None))]
    fn open_channel(
        &self,
        peer: u64,
        label: &str,
        ordered: bool,
        retransmits: Option<u16>,
    ) -> PyResult<()> {
        Ok(self.inner.open_channel(peer, label, ordered, retransmits)?)
    }

    #[pyo3(signature = (peers, label, payload, binary = true))]
    fn send_data(
        &self,
        py: Python<'_>,
        peers: Vec<u64>,
        label: &str,
        payload: &[u8],
        binary: bool,
    ) -> PyResult<Vec<u64>> {
        Ok(py.detach(|| self.inner.send_data(&peers, label, payload, binary))?)
    }

    #[pyo3(signature = (room, track, *, bitrate = 32_000))]
    fn open_voice(&self, room: u64, track: u64, bitrate: u32) -> PyResult<()> {
        Ok(self.inner.open_voice(room, track, bitrate)?)
    }

    fn voice_write(
        &self,
        py: Python<'_>,
        track: u64,
        pcm: &Bound<'_, PyAny>,
        rate: u32,
    ) -> PyResult<u32> {
        let (pcm, rate) = (bytes(py, pcm)?, self::rate(rate)?);
        Ok(py.detach(|| {
            self.inner
                .with_voice(track, |voice| voice.write(&pcm, rate))
        })?)
    }

    fn voice_write_g711(
        &self,
        py: Python<'_>,
        track: u64,
        data: &Bound<'_, PyAny>,
        law: &str,
    ) -> PyResult<u32> {
        let law = match law {
            "ulaw" => Law::Ulaw,
            "alaw" => Law::Alaw,
            _ => return Err(value("a law is \"ulaw\" or \"alaw\"")),
        };
        let data = bytes(py, data)?;
        Ok(py.detach(|| {
            self.inner
                .with_voice(track, |voice| voice.write_g711(&data, law))
        })?)
    }

    fn voice_write_opus(
        &self,
        py: Python<'_>,
        track: u64,
        packet: &Bound<'_, PyAny>,
    ) -> PyResult<u32> {
        let packet = bytes(py, packet)?;
        Ok(py.detach(|| {
            self.inner
                .with_voice(track, |voice| voice.write_opus(&packet))
        })?)
    }

    fn voice_flush(&self, track: u64) -> PyResult<u32> {
        Ok(self.inner.with_voice(track, |voice| Ok(voice.flush()))?)
    }

    fn voice_queued(&self, track: u64) -> PyResult<u32> {
        Ok(self.inner.with_voice(track, |voice| Ok(voice.queued()))?)
    }

    #[pyo3(signature = (tap, track, *, rate = 16_000))]
    fn open_tap(&self, py: Python<'_>, tap: u64, track: u64, rate: u32) -> PyResult<()> {
        let rate = self::rate(rate)?;
        Ok(py.detach(|| self.inner.open_tap(tap, track, rate))?)
    }

    #[pyo3(signature = (tap, room, *, rate = 8_000, without = Vec::new()))]
    fn open_mix(
        &self,
        py: Python<'_>,
        tap: u64,
        room: u64,
        rate: u32,
        without: Vec<u64>,
    ) -> PyResult<()> {
        let rate = self::rate(rate)?;
        Ok(py.detach(|| self.inner.open_mix(tap, room, rate, without))?)
    }

    fn exclude(&self, tap: u64, track: u64) -> PyResult<()> {
        Ok(self.inner.exclude(tap, track)?)
    }

    fn tap_read<'py>(&self, py: Python<'py>, tap: u64) -> PyResult<Bound<'py, PyBytes>> {
        let heard = self.inner.tap_read(tap)?;
        Ok(PyBytes::new(py, &heard))
    }

    fn close_tap(&self, tap: u64) -> PyResult<()> {
        Ok(self.inner.close_tap(tap)?)
    }
}

fn tuple(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Connected(peer) => ("connected", peer).into_pyobject(py),
        Event::Disconnected(peer) => ("disconnected", peer).into_pyobject(py),
        Event::Closed(peer, reason) => ("closed", peer, reason).into_pyobject(py),
        Event::Flowing(track) => ("flowing", track).into_pyobject(py),
        Event::Silent(track) => ("silent", track).into_pyobject(py),
        Event::Speakers(room, speakers) => ("speakers", room, speakers).into_pyobject(py),
        Event::Data {
            peer,
            label,
            payload,
            binary,
        } => ("data", peer, label, PyBytes::new(py, &payload), binary).into_pyobject(py),
        Event::Channel(peer, label) => ("channel", peer, label).into_pyobject(py),
        Event::Quality {
            peer,
            lost,
            rtt_ms,
            jitter_ms,
        } => ("quality", peer, lost, rtt_ms, jitter_ms).into_pyobject(py),
        Event::KeyframeWanted(track) => ("keyframe_wanted", track).into_pyobject(py),
        Event::Taps(taps) => ("taps", taps).into_pyobject(py),
        Event::Layers(track, bitrates) => ("layers", track, bitrates).into_pyobject(py),
        Event::StreamState {
            peer,
            track,
            active,
        } => {
            let state = if active { "active" } else { "paused" };
            ("stream_state", peer, track, state).into_pyobject(py)
        }
        Event::VoiceIdle(track) => ("voice_idle", track).into_pyobject(py),
    }
}

/// The addresses that candidates name where an engine is given none.
#[pyfunction]
fn local_addresses() -> PyResult<Vec<String>> {
    let found = engine::local_addresses()?;
    Ok(found.iter().map(ToString::to_string).collect())
}

/// The media engine of the relay.
#[pymodule]
fn vox_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(local_addresses, module)?)?;
    module.add_class::<Engine>()
}
