//! Session keys of one peer connection, from the keying material that DTLS exported.

use std::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, UnboundCipherKey};

use crate::cipher::{Cipher, counter_mode};

/// First SRTCP index of ours: the peer's state machine signs its own reports with the same key,
/// counting from 0, and a pair of SSRC and index must never be used twice.
const FIRST_REPORT: u32 = 1 << 30;
const LAST_REPORT: u32 = (1 << 31) - 1;

const LABEL_RTP: u8 = 0;
const LABEL_RTCP: u8 = 3;
const AUTH_KEY: usize = 20;

/// What DTLS negotiated for SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES128_CM_SHA1_80 (RFC 3711): every client has it; the dearest to seal.
    Aes128CmSha1_80,
    /// AEAD_AES_128_GCM (RFC 7714).
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM (RFC 7714).
    AeadAes256Gcm,
}

impl Profile {
    /// Bytes that sealing appends to an RTP packet.
    pub const fn tag(self) -> usize {
        match self {
            Profile::Aes128CmSha1_80 => 10,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
        }
    }

    /// Bytes of the keying material that DTLS exports: two keys, then two salts.
    pub const fn material(self) -> usize {
        2 * (self.key() + self.salt())
    }

    const fn key(self) -> usize {
        match self {
            Profile::Aes128CmSha1_80 | Profile::AeadAes128Gcm => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    const fn salt(self) -> usize {
        match self {
            Profile::Aes128CmSha1_80 => 14,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
        }
    }
}

/// Both directions of one peer connection, and the counters that go with its keys.
pub struct Keys {
    profile: Profile,
    rtp_out: Cipher,
    rtcp_out: Cipher,
    rtp_in: Cipher,
    rtcp_in: Cipher,
    next_report: u32,
    next_transport: u16,
}

impl Keys {
    /// Derives the session keys (RFC 3711 §4.3); `None` where the material is too short.
    ///
    /// `server` says that we were the DTLS server, i.e. answered `a=setup:passive`.
    pub fn derive(profile: Profile, material: &[u8], server: bool) -> Option<Keys> {
        if material.len() < profile.material() {
            return None;
        }
        let (key, salt) = (profile.key(), profile.salt());
        let (keys, salts) = material.split_at(2 * key);
        let client = (&keys[..key], &salts[..salt]);
        let ours = (&keys[key..], &salts[salt..2 * salt]);
        let (out, into) = if server {
            (ours, client)
        } else {
            (client, ours)
        };
        Some(Keys {
            profile,
            rtp_out: session(profile, out, LABEL_RTP)?,
            rtcp_out: session(profile, out, LABEL_RTCP)?,
            rtp_in: session(profile, into, LABEL_RTP)?,
            rtcp_in: session(profile, into, LABEL_RTCP)?,
            next_report: FIRST_REPORT,
            next_transport: 0,
        })
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Seals the RTP packet in `buffer`, whose last [`Profile::tag`] bytes are room for the tag.
    ///
    /// The caller never seals two packets with one `index` (48 bits) and SSRC.
    pub(crate) fn seal_rtp(&self, buffer: &mut [u8], header: usize, ssrc: u32, index: u64) {
        self.rtp_out.seal_rtp(buffer, header, ssrc, index);
    }

    /// Opens an SRTP packet of the other side in place: the length of the plain packet.
    ///
    /// `header` is its length with extensions, `index` the packet index (48 bits).
    pub fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        self.rtp_in.open_rtp(packet, header, ssrc, index)
    }

    /// Seals the compound RTCP packet in `out` from `start` on (at least 8 bytes); `false` when the
    /// indices of this key are used up, after 2^30 reports.
    pub fn seal_rtcp(&mut self, out: &mut Vec<u8>, start: usize) -> bool {
        if self.next_report > LAST_REPORT {
            return false;
        }
        let Some(sender) = out.get(start + 4..start + 8) else {
            return false;
        };
        let ssrc = u32::from_be_bytes([sender[0], sender[1], sender[2], sender[3]]);
        self.rtcp_out.seal_rtcp(out, start, ssrc, self.next_report);
        self.next_report += 1;
        true
    }

    /// Opens an SRTCP packet of the other side into `out` (cleared first); `false` when it is not
    /// authentic. Replays are not refused: a report that comes twice says nothing new.
    pub fn open_rtcp(&self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        out.extend_from_slice(packet);
        match self.rtcp_in.open_rtcp(out) {
            Some(length) => {
                out.truncate(length);
                true
            }
            None => {
                out.clear();
                false
            }
        }
    }

    /// Opens an SRTCP packet that was sealed with our own outgoing key, by the peer's state machine,
    /// and seals it again under an index of ours into `out` (cleared first); `false` when it is not
    /// authentic or the indices are used up.
    ///
    /// With all that goes out resealed, one counter serves the key, so that reports of both may
    /// bear any SSRC.
    pub fn reseal_rtcp(&mut self, packet: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        out.extend_from_slice(packet);
        let length = self.rtcp_out.open_rtcp(out);
        out.truncate(length.unwrap_or(0));
        length.is_some() && self.seal_rtcp(out, 0)
    }

    /// The next transport-wide sequence number.
    pub(crate) fn transport_sequence(&mut self) -> u16 {
        let sequence = self.next_transport;
        self.next_transport = sequence.wrapping_add(1);
        sequence
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// The cipher of one direction; `label` is the first of its three labels.
fn session(profile: Profile, (key, salt): (&[u8], &[u8]), label: u8) -> Option<Cipher> {
    let algorithm = match profile {
        Profile::AeadAes256Gcm => &AES_256,
        Profile::Aes128CmSha1_80 | Profile::AeadAes128Gcm => &AES_128,
    };
    let master = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let mut session_key = [0; 32];
    let mut auth = [0; AUTH_KEY];
    let mut session_salt = [0; 14];
    let session_key = &mut session_key[..profile.key()];
    let session_salt = &mut session_salt[..profile.salt()];
    expand(&master, salt, label, session_key);
    expand(&master, salt, label + 1, &mut auth);
    expand(&master, salt, label + 2, session_salt);
    Cipher::new(profile, session_key, session_salt, &auth)
}

/// The pseudo-random function of RFC 3711 §4.3.3, with a key derivation rate of 0.
fn expand(master: &EncryptingKey, salt: &[u8], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    out.fill(0);
    counter_mode(master, iv, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &key).unwrap()).unwrap();
        let mut session_key = [0; 16];
        expand(&master, &salt, 0, &mut session_key);
        assert_eq!(
            session_key.to_vec(),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        let mut session_salt = [0; 14];
        expand(&master, &salt, 2, &mut session_salt);
        assert_eq!(session_salt.to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mut auth = [0; 94];
        expand(&master, &salt, 1, &mut auth);
        let expected = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                        E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                        6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(auth.to_vec(), hex(expected));
    }

    #[test]
    fn what_the_server_seals_the_client_opens() {
        for profile in [
            Profile::Aes128CmSha1_80,
            Profile::AeadAes128Gcm,
            Profile::AeadAes256Gcm,
        ] {
            let material: Vec<u8> = (0..profile.material() as u8).collect();
            assert!(Keys::derive(profile, &material[1..], true).is_none());
            let mut server = Keys::derive(profile, &material, true).unwrap();
            let client = Keys::derive(profile, &material, false).unwrap();
            let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 42, 43];
            packet.resize(14 + profile.tag(), 0);
            server.seal_rtp(&mut packet, 12, 3, 1);
            assert_eq!(
                client.open_rtp(&mut packet.clone(), 12, 3, 1 << 16 | 1),
                None
            );
            assert_eq!(client.open_rtp(&mut packet, 12, 3, 1), Some(14));
            assert_eq!(packet[12..14], [42, 43]);

            let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 3];
            assert!(server.seal_rtcp(&mut report, 0));
            let mut plain = Vec::new();
            assert!(client.open_rtcp(&report, &mut plain));
            assert_eq!(plain, [0x80, 201, 0, 1, 0, 0, 0, 3]);
            assert!(!server.open_rtcp(&report, &mut plain));
        }
    }

    #[test]
    fn a_report_of_the_state_machine_gets_an_index_of_ours() {
        for profile in [Profile::Aes128CmSha1_80, Profile::AeadAes128Gcm] {
            let material: Vec<u8> = (0..profile.material() as u8).collect();
            let mut ours = Keys::derive(profile, &material, true).unwrap();
            let theirs = Keys::derive(profile, &material, false).unwrap();
            let plain = [0x80, 201, 0, 1, 0, 0, 0, 3];
            let mut sealed = plain.to_vec();
            ours.rtcp_out.seal_rtcp(&mut sealed, 0, 3, 17);
            let mut resealed = Vec::new();
            assert!(ours.reseal_rtcp(&sealed, &mut resealed));
            assert_ne!(sealed, resealed);
            assert_eq!(sealed.len(), resealed.len());
            let mut opened = Vec::new();
            assert!(theirs.open_rtcp(&resealed, &mut opened));
            assert_eq!(opened, plain);
            sealed[9] ^= 1;
            assert!(!ours.reseal_rtcp(&sealed, &mut resealed));
        }
    }

    #[test]
    fn indices_of_reports_start_at_two_to_the_thirty_and_end() {
        let material = [1; 56];
        let mut keys = Keys::derive(Profile::AeadAes128Gcm, &material, true).unwrap();
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 3];
        keys.seal_rtcp(&mut report, 0);
        let word = u32::from_be_bytes(report[report.len() - 4..].try_into().unwrap());
        assert_eq!(word & !(1 << 31), 1 << 30);
        keys.next_report = LAST_REPORT;
        assert!(keys.seal_rtcp(&mut vec![0; 8], 0));
        assert!(!keys.seal_rtcp(&mut vec![0; 8], 0));
    }
}
