//! What passes between DTLS and str0m, overheard: the keys of a peer's SRTP, and what its data channels cost.
//!
//! str0m seals what it sends itself and has no way to ask for the keys. Its DTLS back end is replaceable, so ours is the
//! usual implementation with a copy kept of the keying material that passes. The slot is the thread's: whoever polled a
//! peer takes it right after.
//!
//! The usual back end makes a configuration for each peer, and each one tries out every algorithm that it may use: a
//! millisecond of CPU, more than the rest of a join. Ours is made and tried once.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, Dtls};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

use crate::sctp_watch::SctpWatch;

/// The largest datagram of a handshake in bytes, as str0m asks for it: for peers that ask for another, a configuration
/// of their own is made.
const MTU: usize = 1150;

/// What DTLS agreed on for SRTP.
pub struct Material {
    /// The exported bytes: both master keys, then both salts.
    pub bytes: Vec<u8>,
    /// The cipher.
    pub profile: SrtpProfile,
    /// Whether we are DTLS's server, and so use the second key.
    pub server: bool,
}

thread_local! {
    static OVERHEARD: Cell<Option<Material>> = const { Cell::new(None) };
    static MISUSED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the last work of a peer on this thread brought more SCTP than a client may send.
pub fn take_misuse() -> bool {
    MISUSED.take()
}

/// Takes what the last poll of a peer on this thread agreed on.
pub fn take() -> Option<Material> {
    OVERHEARD.take()
}

struct TappedProvider {
    inner: &'static dyn DtlsProvider,
    config: Arc<Config>,
}

impl fmt::Debug for TappedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TappedProvider")
    }
}

impl DtlsProvider for TappedProvider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.inner.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = match mtu {
            Some(mtu) if mtu != self.config.mtu() => config(mtu)?,
            _ => Arc::clone(&self.config),
        };
        let certificate = cert.clone();
        let inner = match version {
            DtlsVersion::Dtls12 => Dtls::new_12(config, certificate, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
            DtlsVersion::Auto => Dtls::new_auto(config, certificate, now),
            _ => return Err(CryptoError::Other(format!("no DTLS {version}"))),
        };
        Ok(Box::new(Tapped {
            inner,
            sctp: SctpWatch::default(),
        }))
    }
}

/// A connectivity check proves the address of a client before its handshake, so that a cookie would prove nothing more.
fn config(mtu: usize) -> Result<Arc<Config>, CryptoError> {
    let built = Config::builder().use_server_cookie(false).mtu(mtu).build();
    built
        .map(Arc::new)
        .map_err(|error| CryptoError::Other(error.to_string()))
}

struct Tapped {
    inner: Dtls,
    sctp: SctpWatch,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tapped")
    }
}

impl DtlsInstance for Tapped {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let server = !self.inner.is_active();
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(ref material, profile) = output {
            OVERHEARD.set(Some(Material {
                bytes: material.as_ref().to_vec(),
                profile,
                server,
            }));
        }
        if let DtlsOutput::ApplicationData(packet) = &output
            && !self.sctp.incoming(packet)
        {
            MISUSED.set(true);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.sctp.outgoing(data);
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

/// str0m's cryptography with the tap, and one certificate for every peer of an engine: a client learns it by the
/// fingerprint in each description, and making one costs more than a whole join.
pub struct Crypto {
    provider: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Crypto {
    /// Makes the certificate and tries the algorithms; `None` where the random source fails.
    pub fn new() -> Option<Crypto> {
        let mut provider = from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate()?;
        // One small object for each engine of the process, which is what the trait's lifetime asks for.
        provider.dtls_provider = Box::leak(Box::new(TappedProvider {
            inner: provider.dtls_provider,
            config: config(MTU).ok()?,
        }));
        Some(Crypto {
            provider: Arc::new(provider),
            certificate,
        })
    }

    /// The provider, for a new peer.
    pub fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    /// The certificate, for a new peer.
    pub fn certificate(&self) -> DtlsCert {
        self.certificate.clone()
    }
}
