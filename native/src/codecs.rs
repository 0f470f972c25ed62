//! Codecs and header extensions that every peer of ours speaks.

use str0m::RtcConfig;
use str0m::format::{Codec, CodecSpec, FormatParams, PayloadParams};
use str0m::media::Frequency;

/// The payload type of Opus where we offer.
const OPUS: u8 = 111;

/// Opus with retransmission and silence suppression, and the video codecs that browsers have in common.
pub fn configure(config: RtcConfig) -> RtcConfig {
    let mut config = config
        .clear_codecs()
        .enable_vp8(true)
        .enable_vp9(true)
        .enable_h264(true)
        .enable_av1(true);
    let video: Vec<PayloadParams> = config.codec_config().params().to_vec();
    *config.codec_config() = str0m::format::CodecConfig::new_from_payload_params(
        std::iter::once(opus()).chain(video).collect(),
    );
    config
}

fn opus() -> PayloadParams {
    let spec = CodecSpec {
        codec: Codec::Opus,
        clock_rate: Frequency::FORTY_EIGHT_KHZ,
        channels: Some(2),
        format: FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            use_dtx: Some(true),
            ..FormatParams::default()
        },
    };
    let mut params = PayloadParams::new(OPUS.into(), None, spec);
    params.set_fb_nack(true);
    params
}

/// Whether packets of one codec can be decoded by who negotiated the other.
pub fn compatible(a: &CodecSpec, b: &CodecSpec) -> bool {
    a.codec == b.codec
        && a.format.packetization_mode == b.format.packetization_mode
        && a.format.profile_id.unwrap_or(0) == b.format.profile_id.unwrap_or(0)
        && a.format.profile_level_id.map(|id| id >> 8)
            == b.format.profile_level_id.map(|id| id >> 8)
}
