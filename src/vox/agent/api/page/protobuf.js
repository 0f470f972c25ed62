// The two messages of docs/protocols/agent-protobuf.md this page needs: audio (2) and a JSON message (4) in a Frame.

const AUDIO = 2;
const MESSAGE = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A Frame with microphone audio: s16le mono in an ArrayBuffer. */
export function encodeAudio(pcm, rate) {
  return field(AUDIO, [...part(3, new Uint8Array(pcm)), [0x20], varint(rate), [0x28, 1]]);
}

/** A Frame with a JSON message. */
export function encodeMessage(value) {
  return field(MESSAGE, part(1, encoder.encode(JSON.stringify(value))));
}

/** {audio, rate} or {message} of a Frame in an ArrayBuffer; null for kinds this page has no use for. */
export function decode(buffer) {
  for (const { number, bytes } of fields(new Uint8Array(buffer))) {
    if (number === MESSAGE) return { message: JSON.parse(decoder.decode(find(bytes, 1)?.bytes)) };
    if (number === AUDIO) {
      const pcm = find(bytes, 3)?.bytes ?? new Uint8Array(0);
      // A copy: the samples may start at an odd offset.
      return { audio: pcm.slice().buffer, rate: find(bytes, 4)?.value || 16000 };
    }
  }
  return null;
}

function field(number, parts) {
  const size = parts.reduce((sum, bytes) => sum + bytes.length, 0);
  const all = [[(number << 3) | 2], varint(size), ...parts];
  const frame = new Uint8Array(all.reduce((sum, bytes) => sum + bytes.length, 0));
  let position = 0;
  for (const bytes of all) {
    frame.set(bytes, position);
    position += bytes.length;
  }
  return frame;
}

function part(number, bytes) {
  return [[(number << 3) | 2], varint(bytes.length), bytes];
}

function varint(value) {
  const bytes = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  bytes.push(value);
  return bytes;
}

function find(bytes, number) {
  let found;
  for (const candidate of fields(bytes)) if (candidate.number === number) found = candidate;
  return found;
}

function* fields(bytes) {
  let position = 0;
  const read = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (position >= bytes.length) throw new RangeError("a protobuf message is cut off");
      const byte = bytes[position++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (position < bytes.length) {
    const tag = read();
    const number = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === 0) {
      yield { number, value: read() };
      continue;
    }
    const size = kind === 2 ? read() : kind === 1 ? 8 : kind === 5 ? 4 : Infinity;
    if (position + size > bytes.length) throw new RangeError("a protobuf message is cut off");
    yield { number, bytes: bytes.subarray(position, position + size) };
    position += size;
  }
}
