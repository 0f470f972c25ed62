//! Descriptions as text: what an offer asks for, and which track each of our sections carries.
//!
//! str0m writes and reads the descriptions. What it cannot know is done here, line by line: whose track a section of
//! ours carries (`msid`), and that a section which carries nothing says so.

use std::fmt::Write as _;

/// The longest description that is read, in bytes.
pub const MAX_DESCRIPTION: usize = 1 << 20;
/// The most sections that one description may have.
pub const MAX_SECTIONS: usize = 512;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels, or something that we do not speak.
    Other,
}

/// One section as its sender describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub mid: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether its sender sends on it.
    pub sends: bool,
    /// Whether its sender receives on it.
    pub receives: bool,
    /// Whether packets on it can be told from those of other sections, by their SSRC or by an extension.
    pub named: bool,
}

/// What one of our sections carries.
#[derive(Clone, Copy, Debug)]
pub enum Carries<'a> {
    /// As str0m wrote it.
    AsWritten,
    /// The track of this stream and name.
    Track(&'a str, &'a str),
    /// Nothing of ours, though it may.
    Nothing,
}

/// Reads the sections of a description; `Err` says what is wrong with it.
pub fn sections(text: &str) -> Result<Vec<Section>, String> {
    if text.len() > MAX_DESCRIPTION {
        return Err(format!(
            "the description has {} bytes, and {MAX_DESCRIPTION} are taken",
            text.len()
        ));
    }
    let mut found: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            if found.len() == MAX_SECTIONS {
                return Err(format!("more than {MAX_SECTIONS} sections"));
            }
            let kind = match media.split(' ').next() {
                Some("audio") => Kind::Audio,
                Some("video") => Kind::Video,
                _ => Kind::Other,
            };
            found.push(Section {
                mid: String::new(),
                kind,
                sends: true,
                receives: true,
                named: false,
            });
            continue;
        }
        let Some(section) = found.last_mut() else {
            continue;
        };
        match line {
            "a=sendonly" => section.receives = false,
            "a=recvonly" => section.sends = false,
            "a=inactive" => {
                section.sends = false;
                section.receives = false;
            }
            _ => {
                if line.starts_with("a=ssrc:")
                    || line.starts_with("a=extmap:") && line.ends_with("sdes:mid")
                {
                    section.named = true;
                } else if let Some(mid) = line.strip_prefix("a=mid:") {
                    if mid.is_empty() || mid.len() > 16 {
                        return Err("the name of a section is empty or over 16 bytes".into());
                    }
                    section.mid = mid.to_owned();
                }
            }
        }
    }
    if found.is_empty() {
        return Err("the description has no sections".into());
    }
    if found.iter().any(|section| section.mid.is_empty()) {
        return Err("a section has no name (a=mid)".into());
    }
    Ok(found)
}

/// Without the remote's candidates: a lite agent sends no checks, it learns addresses from those that reach it.
pub fn without_candidates(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        if !line.starts_with("a=candidate:") {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    kept
}

/// Writes into each section of ours which track it carries, and our candidates into every one.
///
/// All sections share the first one's transport, and most clients read the candidates there; aiortc reads the last.
pub fn describe<'a>(text: &str, carries: impl Fn(&str) -> Carries<'a>) -> String {
    let mut written = String::with_capacity(text.len() + 256);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.peek() {
        if line.starts_with("m=") {
            break;
        }
        if line.starts_with("a=msid-semantic:") {
            push(&mut written, "a=msid-semantic: WMS *");
        } else {
            push(&mut written, line);
        }
        lines.next();
    }
    let candidates: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .collect();
    while lines.peek().is_some() {
        let mut section: Vec<&str> = vec![lines.next().unwrap_or_default()];
        while let Some(line) = lines.next_if(|line| !line.starts_with("m=")) {
            section.push(line);
        }
        if !section.iter().any(|line| line.starts_with("a=candidate:")) {
            section.extend(&candidates);
        }
        section.push("a=end-of-candidates");
        let mid = section
            .iter()
            .find_map(|line| line.strip_prefix("a=mid:"))
            .unwrap_or_default();
        match carries(mid) {
            Carries::AsWritten => section.iter().for_each(|line| push(&mut written, line)),
            Carries::Track(stream, track) => describe_track(&mut written, &section, stream, track),
            Carries::Nothing => describe_nothing(&mut written, &section),
        }
    }
    written
}

fn push(written: &mut String, line: &str) {
    written.push_str(line);
    written.push_str("\r\n");
}

fn describe_track(written: &mut String, section: &[&str], stream: &str, track: &str) {
    let named = section.iter().any(|line| line.starts_with("a=msid:"));
    for line in section {
        if line.starts_with("a=msid:") {
            let _ = write!(written, "a=msid:{stream} {track}\r\n");
        } else if let Some((ssrc, attribute)) = ssrc_line(line) {
            if attribute.starts_with("msid:") {
                let _ = write!(written, "a=ssrc:{ssrc} msid:{stream} {track}\r\n");
            } else {
                push(written, line);
            }
        } else {
            push(written, line);
            if !named && matches!(*line, "a=sendonly" | "a=sendrecv") {
                let _ = write!(written, "a=msid:{stream} {track}\r\n");
            }
        }
    }
}

/// The SSRC stays: it is the section's whatever it carries, and some clients read it once, when they first see it.
fn describe_nothing(written: &mut String, section: &[&str]) {
    for line in section {
        match *line {
            "a=sendonly" => push(written, "a=inactive"),
            "a=sendrecv" => push(written, "a=recvonly"),
            line if line.starts_with("a=msid:") => {}
            line if ssrc_line(line)
                .is_some_and(|(_, attribute)| attribute.starts_with("msid:")) => {}
            line => push(written, line),
        }
    }
}

fn ssrc_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("a=ssrc:")?.split_once(' ')
}

/// Whether an id may stand in `msid`: 1 to 64 of the token characters of RFC 4566, or `|`, which LiveKit's clients use.
pub fn is_identifier(id: &str) -> bool {
    let token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e);
    (1..=64).contains(&id.len()) && id.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=sendonly\r\na=msid:x y\r\na=ssrc:7 cname:c\r\na=ssrc:7 msid:x y\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
        a=mid:v1\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=sendrecv\r\n";

    #[test]
    fn sections_have_names_kinds_and_directions() {
        let found = sections(OFFER).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].mid.as_str(), found[0].kind), ("0", Kind::Audio));
        assert!(found[0].sends && !found[0].receives);
        assert!(found[1].sends && found[1].receives);
    }

    #[test]
    fn a_track_names_its_section() {
        let written = describe(OFFER, |mid| match mid {
            "0" => Carries::Track("PA_1|TR_2", "TR_2"),
            _ => Carries::AsWritten,
        });
        assert!(written.contains("a=msid:PA_1|TR_2 TR_2\r\n"));
        assert!(written.contains("a=ssrc:7 msid:PA_1|TR_2 TR_2\r\n"));
        assert!(written.contains("a=ssrc:7 cname:c\r\n"));
    }

    #[test]
    fn a_section_that_carries_nothing_says_so() {
        let written = describe(OFFER, |_| Carries::Nothing);
        assert!(!written.contains("msid"));
        assert!(written.contains("a=ssrc:7 cname:c\r\n"));
        assert!(written.contains("a=mid:0\r\na=inactive\r\n"));
        assert!(written.contains("a=recvonly\r\n"));
    }

    #[test]
    fn candidates_are_left_out() {
        assert!(!without_candidates(OFFER).contains("candidate"));
    }

    #[test]
    fn what_is_too_much_is_named() {
        let many = format!("v=0\r\n{}", "m=audio 9 X 0\r\na=mid:1\r\n".repeat(513));
        assert_eq!(sections(&many).unwrap_err(), "more than 512 sections");
        assert!(
            sections(&" ".repeat(MAX_DESCRIPTION + 1))
                .unwrap_err()
                .contains("bytes")
        );
        assert!(sections("v=0\r\n").is_err());
        assert!(sections("m=audio 9 X 0\r\n").is_err());
    }

    #[test]
    fn identifiers() {
        assert!(is_identifier("PA_abc|TR_def"));
        assert!(!is_identifier(""));
        assert!(!is_identifier("a b"));
        assert!(!is_identifier("a\r\nb"));
        assert!(!is_identifier(&"x".repeat(65)));
    }
}
