// Changes the sample rate of a stream: a polyphase windowed-sinc low-pass, so nothing above the lower rate's half folds back.

const ZERO_CROSSINGS = 24; // with the window below: 80 dB down where aliases would begin
const ROLL_OFF = 0.9; // the passband's end, as a part of the lower rate's half
const KAISER_BETA = 8;
const MAX_PHASES = 1024; // rates without a small common ratio use the nearest of these

export class Resampler {
  constructor(fromRate, toRate) {
    const divisor = gcd(fromRate, toRate);
    this.up = toRate / divisor;
    this.down = fromRate / divisor;
    this.isPassThrough = this.up === this.down;
    if (this.isPassThrough) return;
    const half = Math.ceil(ZERO_CROSSINGS * Math.max(1, fromRate / toRate));
    this.taps = 2 * half;
    this.phases = Math.min(this.up, MAX_PHASES);
    this.table = designPhases(half, this.phases, ROLL_OFF * Math.min(1, toRate / fromRate));
    this.phase = 0;
    this.carried = new Float32Array(half - 1);
  }

  /** Takes samples of any number, gives those that have become due. */
  process(samples) {
    if (this.isPassThrough) return samples;
    const input = new Float32Array(this.carried.length + samples.length);
    input.set(this.carried);
    input.set(samples, this.carried.length);
    const output = new Float32Array(Math.ceil((input.length * this.up) / this.down) + 1);
    let written = 0;
    let position = 0;
    while (position + this.taps <= input.length) {
      const row = Math.floor((this.phase * this.phases) / this.up) * this.taps;
      let sum = 0;
      for (let tap = 0; tap < this.taps; tap++) sum += input[position + tap] * this.table[row + tap];
      output[written++] = sum;
      this.phase += this.down;
      position += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.carried = input.slice(position);
    return output.subarray(0, written);
  }

  /** The last samples, which were waiting for successors. */
  finish() {
    return this.isPassThrough ? new Float32Array(0) : this.process(new Float32Array(this.taps / 2));
  }
}

function designPhases(half, phases, cutoff) {
  const taps = 2 * half;
  const table = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - half + 1 - phase / phases;
      const edge = distance / half;
      const window = Math.abs(edge) < 1 ? bessel(KAISER_BETA * Math.sqrt(1 - edge * edge)) : 0;
      const value = sinc(distance * cutoff) * window;
      table[phase * taps + tap] = value;
      total += value;
    }
    for (let tap = 0; tap < taps; tap++) table[phase * taps + tap] /= total;
  }
  return table;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

// The modified Bessel function of order 0, by its series.
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-9; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}
