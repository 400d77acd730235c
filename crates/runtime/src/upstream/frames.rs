//! Where the frames of a WebSocket begin and end (RFC 6455, section 5.2), so that one of our own can be put between two.

/// How far one direction is within its frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What there is of a head that has not ended.
    head: Vec<u8>,
    /// How many bytes of a frame's payload are still to come.
    payload: u64,
}

impl Frames {
    /// These bytes are the next ones.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            let payload = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload -= u64::try_from(payload).unwrap_or_default();
            let Some((first, rest)) = bytes.split_at(payload).1.split_first() else { return };
            bytes = rest;
            self.head.push(*first);
            if let Some(length) = payload_of(&self.head) {
                self.payload = length;
                self.head.clear();
            }
        }
    }

    /// Whether another frame may be put here.
    pub(super) fn is_between(&self) -> bool {
        self.head.is_empty() && self.payload == 0
    }
}

/// The payload's length, once the head is whole.
fn payload_of(head: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = head else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, taken) = match second & 0x7f {
        126 => (u16::from_be_bytes(*rest.first_chunk()?).into(), 2),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        short => (short.into(), 0),
    };
    (rest.len() == taken + mask).then_some(length)
}

/// A frame that closes the connection with `code` (section 5.5.1). What goes to a server is masked (section 5.3); what it says
/// is known to everybody, so that the mask may be, too.
pub(super) fn close(code: u16, to_server: bool) -> Vec<u8> {
    let head: &[u8] = if to_server { &[0x88, 0x82, 0, 0, 0, 0] } else { &[0x88, 0x02] };
    [head, &code.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_followed_in_pieces_of_every_size() {
        let frame = |head: &[u8], payload: usize| [head, &vec![0x88; payload]].concat();
        let frames = [
            frame(&[0x81, 0], 0),
            frame(&[0x81, 125], 125),
            frame(&[0x82, 0x85, 1, 2, 3, 4], 5),
            frame(&[0x82, 126, 1, 0], 256),
            frame(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65536),
            frame(&[0x82, 0xfe, 0, 200, 9, 9, 9, 9], 200),
            close(1001, true),
            close(1001, false),
        ];
        for size in [1, 3, 1000, usize::MAX] {
            let mut followed = Frames::default();
            for frame in &frames {
                assert!(followed.is_between());
                let (last, most) = frame.split_last().unwrap();
                for piece in most.chunks(size) {
                    followed.pass(piece);
                    assert!(!followed.is_between());
                }
                followed.pass(&[*last]);
            }
            assert!(followed.is_between());
            followed.pass(&frames.concat());
            assert!(followed.is_between());
        }
    }
}
