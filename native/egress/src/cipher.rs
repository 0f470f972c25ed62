//! The three SRTP transforms: AES-GCM with 128 and 256 bit keys (RFC 7714) and AES-CM with
//! HMAC-SHA1-80 (RFC 3711), each sealing and opening in place.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use crate::keys::Profile;

/// Bytes of the E flag and index at the end of an SRTCP packet.
const INDEX_WORD: usize = 4;
/// Bytes of an RTCP packet that stay in the clear: header and sender's SSRC.
const RTCP_CLEAR: usize = 8;
/// Bytes kept of an HMAC-SHA1.
const SHA1_TAG: usize = 10;
/// Bytes of a GCM tag.
const GCM_TAG: usize = 16;

/// One direction of one protocol (SRTP or SRTCP) of a peer connection.
pub(crate) enum Cipher {
    Gcm {
        key: Box<LessSafeKey>,
        salt: [u8; 12],
    },
    Cm {
        key: Box<EncryptingKey>,
        salt: [u8; 14],
        auth: Box<hmac::Key>,
    },
}

impl Cipher {
    /// From session keys; `None` where a length does not fit the profile.
    pub(crate) fn new(profile: Profile, key: &[u8], salt: &[u8], auth: &[u8]) -> Option<Self> {
        let algorithm = match profile {
            Profile::Aes128CmSha1_80 => {
                let key = UnboundCipherKey::new(&AES_128, key).ok()?;
                return Some(Cipher::Cm {
                    key: Box::new(EncryptingKey::ctr(key).ok()?),
                    salt: salt.try_into().ok()?,
                    auth: Box::new(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth)),
                });
            }
            Profile::AeadAes128Gcm => &AES_128_GCM,
            Profile::AeadAes256Gcm => &AES_256_GCM,
        };
        Some(Cipher::Gcm {
            key: Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?)),
            salt: salt.try_into().ok()?,
        })
    }

    /// Seals an RTP packet that lies in `buffer` from its header on, the room for the tag at its end.
    ///
    /// `index` is the 48-bit packet index (roll-over counter and sequence number).
    pub(crate) fn seal_rtp(&self, buffer: &mut [u8], header: usize, ssrc: u32, index: u64) {
        match self {
            Cipher::Gcm { key, salt } => {
                let end = buffer.len() - GCM_TAG;
                let (clear, rest) = buffer.split_at_mut(header);
                let (body, room) = rest.split_at_mut(end - header);
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                seal_gcm(key, nonce, clear, body, room);
            }
            Cipher::Cm { key, salt, auth } => {
                let end = buffer.len() - SHA1_TAG;
                counter_mode(key, cm_iv(salt, ssrc, index), &mut buffer[header..end]);
                let tag = sha1_tag(auth, &buffer[..end], (index >> 16) as u32);
                buffer[end..].copy_from_slice(&tag);
            }
        }
    }

    /// Opens an SRTP packet in place and gives the length of the plain packet.
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match self {
            Cipher::Gcm { key, salt } => {
                let end = packet
                    .len()
                    .checked_sub(GCM_TAG)
                    .filter(|end| *end >= header)?;
                let (clear, body) = packet.split_at_mut(header);
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                key.open_in_place(nonce, Aad::from(&*clear), body).ok()?;
                Some(end)
            }
            Cipher::Cm { key, salt, auth } => {
                let end = packet
                    .len()
                    .checked_sub(SHA1_TAG)
                    .filter(|end| *end >= header)?;
                let tag = sha1_tag(auth, &packet[..end], (index >> 16) as u32);
                verify(&tag, &packet[end..])?;
                counter_mode(key, cm_iv(salt, ssrc, index), &mut packet[header..end]);
                Some(end)
            }
        }
    }

    /// Seals the compound RTCP packet that is in `out` from `start` on; `ssrc` is its sender's.
    pub(crate) fn seal_rtcp(&self, out: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        let word = (index | 1 << 31).to_be_bytes();
        match self {
            Cipher::Gcm { key, salt } => {
                let mut clear = [0; RTCP_CLEAR + INDEX_WORD];
                clear[..RTCP_CLEAR].copy_from_slice(&out[start..start + RTCP_CLEAR]);
                clear[RTCP_CLEAR..].copy_from_slice(&word);
                let end = out.len();
                out.resize(end + GCM_TAG, 0);
                let (body, room) = out[start + RTCP_CLEAR..].split_at_mut(end - start - RTCP_CLEAR);
                seal_gcm(key, gcm_rtcp_nonce(salt, ssrc, index), &clear, body, room);
                out.extend_from_slice(&word);
            }
            Cipher::Cm { key, salt, auth } => {
                let iv = cm_iv(salt, ssrc, u64::from(index));
                counter_mode(key, iv, &mut out[start + RTCP_CLEAR..]);
                out.extend_from_slice(&word);
                let tag = hmac::sign(auth, &out[start..]);
                out.extend_from_slice(&tag.as_ref()[..SHA1_TAG]);
            }
        }
    }

    /// Opens an SRTCP packet in place and gives the length of the plain compound packet.
    pub(crate) fn open_rtcp(&self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = u32::from_be_bytes(packet.get(4..RTCP_CLEAR)?.try_into().ok()?);
        match self {
            Cipher::Gcm { key, salt } => {
                let word_at = packet.len().checked_sub(INDEX_WORD)?;
                let end = word_at
                    .checked_sub(GCM_TAG)
                    .filter(|end| *end >= RTCP_CLEAR)?;
                let word: [u8; 4] = packet[word_at..].try_into().ok()?;
                let index = u32::from_be_bytes(word);
                if index >> 31 == 0 {
                    return None;
                }
                let mut clear = [0; RTCP_CLEAR + INDEX_WORD];
                clear[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
                clear[RTCP_CLEAR..].copy_from_slice(&word);
                let nonce = gcm_rtcp_nonce(salt, ssrc, index & !(1 << 31));
                let body = &mut packet[RTCP_CLEAR..word_at];
                key.open_in_place(nonce, Aad::from(clear), body).ok()?;
                Some(end)
            }
            Cipher::Cm { key, salt, auth } => {
                let tag_at = packet.len().checked_sub(SHA1_TAG)?;
                let end = tag_at
                    .checked_sub(INDEX_WORD)
                    .filter(|end| *end >= RTCP_CLEAR)?;
                let tag = hmac::sign(auth, &packet[..tag_at]);
                verify(&tag.as_ref()[..SHA1_TAG], &packet[tag_at..])?;
                let index = u32::from_be_bytes(packet[end..tag_at].try_into().ok()?);
                if index >> 31 == 0 {
                    return None;
                }
                let iv = cm_iv(salt, ssrc, u64::from(index & !(1 << 31)));
                counter_mode(key, iv, &mut packet[RTCP_CLEAR..end]);
                Some(end)
            }
        }
    }
}

fn seal_gcm(key: &LessSafeKey, nonce: Nonce, clear: &[u8], body: &mut [u8], room: &mut [u8]) {
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(clear), body)
        .expect("a packet is far below the limit of AES-GCM");
    room.copy_from_slice(tag.as_ref());
}

fn gcm_rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
    iv[6..12].copy_from_slice(&index.to_be_bytes()[2..8]);
    mix(&mut iv, salt);
    Nonce::assume_unique_for_key(iv)
}

fn gcm_rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..12].copy_from_slice(&index.to_be_bytes());
    mix(&mut iv, salt);
    Nonce::assume_unique_for_key(iv)
}

fn cm_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..14].copy_from_slice(&index.to_be_bytes()[2..8]);
    mix(&mut iv[..14], salt);
    iv
}

fn mix(iv: &mut [u8], salt: &[u8]) {
    for (byte, salt) in iv.iter_mut().zip(salt) {
        *byte ^= salt;
    }
}

/// AES in counter mode is its own inverse: this both encrypts and decrypts.
pub(crate) fn counter_mode(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    key.less_safe_encrypt(data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .expect("counter mode takes any length");
}

fn sha1_tag(auth: &hmac::Key, packet: &[u8], roll_over: u32) -> [u8; SHA1_TAG] {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(&roll_over.to_be_bytes());
    let mut tag = [0; SHA1_TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..SHA1_TAG]);
    tag
}

fn verify(expected: &[u8], given: &[u8]) -> Option<()> {
    aws_lc_rs::constant_time::verify_slices_are_equal(expected, given).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    const GALLIA: &str =
        "47616c6c6961206573742 06f6d6e69732064697669736120696e207061727465732074726573";
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2";
    const SALT: &str = "517569642070726f2071756f";
    const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// Seals the packet of RFC 7714 §16 and opens it again.
    fn rtp_vector(profile: Profile, key: &str, sealed: &str) {
        let cipher = Cipher::new(profile, &hex(key), &hex(SALT), &[]).unwrap();
        let mut packet = hex(RTP);
        packet.extend(hex(GALLIA));
        let plain = packet.clone();
        packet.resize(plain.len() + 16, 0);
        cipher.seal_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b);
        assert_eq!(packet, hex(sealed));
        let length = cipher
            .open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b)
            .unwrap();
        assert_eq!(&packet[..length], plain);
    }

    #[test]
    fn gcm_128_seals_as_rfc_7714_section_16_1_1() {
        rtp_vector(
            Profile::AeadAes128Gcm,
            KEY_128,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
             0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
    }

    #[test]
    fn gcm_256_seals_as_rfc_7714_section_16_2_1() {
        rtp_vector(
            Profile::AeadAes256Gcm,
            KEY_256,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
             9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
    }

    /// Seals the compound packet of RFC 7714 §17 and opens it again.
    fn rtcp_vector(profile: Profile, key: &str, sealed: &str) {
        let plain = hex(
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930
                         4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        let cipher = Cipher::new(profile, &hex(key), &hex(SALT), &[]).unwrap();
        let mut packet = plain.clone();
        cipher.seal_rtcp(&mut packet, 0, 0x4d61_7273, 0x5d4);
        assert_eq!(packet, hex(sealed));
        let length = cipher.open_rtcp(&mut packet).unwrap();
        assert_eq!(&packet[..length], plain);
    }

    #[test]
    fn gcm_128_seals_reports_as_rfc_7714_section_17_1() {
        rtcp_vector(
            Profile::AeadAes128Gcm,
            KEY_128,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
             c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
             45d9eade 800005d4",
        );
    }

    #[test]
    fn gcm_256_seals_reports_as_rfc_7714_section_17_2() {
        rtcp_vector(
            Profile::AeadAes256Gcm,
            KEY_256,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
             a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
             b26ac3be 800005d4",
        );
    }

    /// The libraries' common vector for AES-CM with HMAC-SHA1-80 (session keys of RFC 3711 §B.3).
    #[test]
    fn counter_mode_seals_and_refuses_what_was_touched() {
        let cipher = Cipher::new(
            Profile::Aes128CmSha1_80,
            &hex("C61E7A93744F39EE10734AFE3FF7A087"),
            &hex("30CBBC08863D8C85D49DB34A9AE1"),
            &hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"),
        )
        .unwrap();
        let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
        let mut packet = plain.clone();
        packet.resize(plain.len() + 10, 0);
        cipher.seal_rtp(&mut packet, 12, 0xcafe_babe, 0x1234);
        let sealed = hex(
            "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb",
        );
        assert_eq!(packet, sealed);
        assert_eq!(
            cipher.open_rtp(&mut packet, 12, 0xcafe_babe, 0x1234),
            Some(plain.len())
        );
        for at in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert_eq!(cipher.open_rtp(&mut touched, 12, 0xcafe_babe, 0x1234), None);
        }
    }

    #[test]
    fn reports_survive_a_round_trip_and_no_touch() {
        let keys = [
            Cipher::new(Profile::Aes128CmSha1_80, &[7; 16], &[8; 14], &[9; 20]).unwrap(),
            Cipher::new(Profile::AeadAes128Gcm, &[7; 16], &[8; 12], &[]).unwrap(),
            Cipher::new(Profile::AeadAes256Gcm, &[7; 32], &[8; 12], &[]).unwrap(),
        ];
        for cipher in keys {
            let plain = hex("80c90001 11223344");
            let mut sealed = plain.clone();
            cipher.seal_rtcp(&mut sealed, 0, 0x1122_3344, 1 << 30);
            for at in 0..sealed.len() {
                let mut touched = sealed.clone();
                touched[at] ^= 1;
                assert_eq!(cipher.open_rtcp(&mut touched), None);
            }
            for length in 0..sealed.len() {
                assert_eq!(cipher.open_rtcp(&mut sealed[..length].to_vec()), None);
            }
            assert_eq!(cipher.open_rtcp(&mut sealed), Some(plain.len()));
            assert_eq!(&sealed[..plain.len()], plain);
        }
    }
}
