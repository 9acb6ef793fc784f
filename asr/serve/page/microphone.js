// The microphone in blocks of 16 bits, and WAV files of them.

const ROOM = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export class Microphone {
  // `take` is given the blocks as they come, and null after the last one. Throws an Error with a sentence.
  async open(take) {
    try {
      if (!navigator.mediaDevices) throw new Error("The browser gives the microphone to pages of https or localhost only.");
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: ROOM });
      this.context = new AudioContext();
      await this.context.resume();
      this.rate = this.context.sampleRate;
      await this.context.audioWorklet.addModule("/page/worklet.js");
      if (this.isClosed) return;
      this.node = new AudioWorkletNode(this.context, "blocks", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
      this.node.port.onmessage = ({ data }) => take(data);
      this.context.createMediaStreamSource(this.stream).connect(this.node);
      if (this.isStopping) this.stop();
    } catch (error) {
      this.close();
      throw error.name === "NotAllowedError" ? new Error("The browser does not let this page use the microphone; allow it in its settings.")
        : error.name === "NotFoundError" ? new Error("There is no microphone.") : error;
    }
  }

  stop() {
    this.isStopping = true;
    if (!this.node || this.isStopped) return;
    this.isStopped = true;
    this.node.port.postMessage("stop");
  }

  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
  }
}

// The loudest sample of a block, from 0 to 1.
export function peakOf(block) {
  return block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768;
}

export function joined(blocks) {
  const samples = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let start = 0;
  for (const block of blocks) {
    samples.set(block, start);
    start += block.length;
  }
  return samples;
}

export function wav(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF"); head.setUint32(4, 36 + samples.byteLength, true);
  write(8, "WAVEfmt "); head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  write(36, "data"); head.setUint32(40, samples.byteLength, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
