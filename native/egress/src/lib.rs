//! What goes out: SRTP keys, sealing, header rewriting, resending and batched sends.
//!
//! One media thread owns everything here; nothing locks, reads a clock or allocates per packet.
//! A packet of a track comes in once, is kept as plaintext in the track's [`Ring`], and at the end
//! of a wake each listener gets all that is new for it by one call of [`Batch::forward`]: only
//! what is known together can leave as one segmented datagram.
//!
//! The one thing to know before changing it: an SRTP index is sealed with one plaintext for ever.
//! [`Stream`] remembers the padding and the transport-wide number of each packet it sent, so that
//! a resent packet is bit for bit the first one; two different packets under one index would give
//! the authentication key away.

mod batch;
mod cipher;
mod extensions;
mod feedback;
mod keys;
mod packet;
mod picture;
mod report;
mod ring;
mod stream;
#[cfg(test)]
mod testing;
mod udp;

pub use batch::{Batch, Flush, Totals, Work, frame_forward, frame_resend};
pub use extensions::ExtensionIds;
pub use feedback::{Feedback, Nacks, TransportCc, parse_rtcp};
pub use keys::{Keys, Profile};
pub use packet::{Level, Packet, RtpHeader, Span, parse_rtp};
pub use picture::Rewrite;
pub use report::{MediaClock, Ntp, sender_report};
pub use ring::{Ring, RingSize};
pub use stream::{Stream, StreamOptions};
pub use udp::{Datagrams, Destination, Message, UdpSocket};
