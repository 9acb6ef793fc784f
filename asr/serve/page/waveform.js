// Waveforms on a canvas: of the last seconds with the letters recognised, and of a whole recording with its words.

const LIVE_S = 6; // at most: a narrow canvas shows less, so that letters have room

const secondsOf = (width) => Math.max(2.5, Math.min(LIVE_S, width / 110));

function prepared(canvas) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  return { pen, width, height, color: (name) => style.getPropertyValue(`--${name}`) };
}

export class LiveWaveform {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.peaks = []; // [time in seconds, peak from 0 to 1]
    this.letters = []; // [letter, time in seconds]
    this.pending = [];
    this.seconds = 0;
  }

  add(block, rate, seconds) {
    const step = Math.max(1, Math.round(rate / 100));
    for (let start = 0; start < block.length; start += step) {
      let peak = 0;
      for (const sample of block.subarray(start, start + step)) peak = Math.max(peak, Math.abs(sample));
      this.peaks.push([seconds - (block.length - start) / rate, peak / 32768]);
    }
    this.seconds = seconds;
    while (this.peaks.length && this.peaks[0][0] < seconds - LIVE_S) this.peaks.shift();
    this.draw();
  }

  spell(letters, isFinal) {
    if (isFinal) {
      this.letters = [...this.letters, ...letters].filter(([, time]) => time > this.seconds - LIVE_S);
      this.pending = [];
    } else {
      this.pending = letters;
    }
  }

  draw() {
    const { pen, width, height, color } = prepared(this.canvas);
    const shown = secondsOf(width);
    const first = Math.max(0, this.seconds - shown);
    const x = (time) => ((time - first) / shown) * width;
    const middle = (height - 24) / 2;
    const loudest = this.peaks.reduce((most, [, peak]) => Math.max(most, peak), 0.1);
    pen.fillStyle = color("wave");
    for (const [time, peak] of this.peaks) {
      const tall = Math.max(1, (peak / loudest) * (height - 28));
      pen.fillRect(x(time), middle - tall / 2, Math.max(1, width / shown / 100 - 0.3), tall);
    }
    pen.font = "14px system-ui, sans-serif";
    let free = -Infinity; // a letter that would cover the one before it stands beside it
    for (const [letters, name] of [[this.letters, "text"], [this.pending, "soft"]]) {
      pen.fillStyle = color(name);
      for (const [letter, time] of letters) {
        const left = Math.max(x(time), free);
        pen.fillText(letter, left, height - 6);
        free = left + pen.measureText(letter).width + 1;
      }
    }
  }
}

// The loudest of each of `count` equal parts.
export function peaksOf(samples, count) {
  const peaks = new Float32Array(count);
  const scale = samples instanceof Int16Array ? 1 / 32768 : 1;
  for (let index = 0; index < samples.length; index++) {
    const part = Math.floor((index / samples.length) * count);
    peaks[part] = Math.max(peaks[part], Math.abs(samples[index]) * scale);
  }
  return peaks;
}

export function drawRecording(canvas, peaks, duration, words, now) {
  const { pen, width, height, color } = prepared(canvas);
  if (!duration) return;
  const x = (time) => (time / duration) * width;
  let free = 0; // words that would cover one another have no label here: the list under the waveform has all
  pen.font = "13px system-ui, sans-serif";
  for (const { word, start, end } of words) {
    pen.fillStyle = color("band");
    pen.fillRect(x(start), 0, Math.max(2, x(end) - x(start)), height);
    const wide = pen.measureText(word).width;
    const left = Math.min(x(start) + 2, width - wide);
    if (left < free) continue;
    pen.fillStyle = color("text");
    pen.fillText(word, left, height - 6);
    free = left + wide + 6;
  }
  const loudest = peaks.reduce((most, peak) => Math.max(most, peak), 1e-3);
  const middle = (height - 24) / 2;
  pen.fillStyle = color("wave");
  peaks.forEach((peak, index) => {
    const tall = Math.max(1, (peak / loudest) * (height - 28));
    pen.fillRect((index / peaks.length) * width, middle - tall / 2, Math.max(0.7, width / peaks.length - 0.5), tall);
  });
  pen.fillStyle = color("bad");
  pen.fillRect(x(now) - 1, 0, 2, height);
}
