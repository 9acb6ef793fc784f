// The microphone's samples, in blocks of about 50 ms of 16 bits.
class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 20));
    this.length = 0;
    this.isOpen = true;
    this.port.onmessage = () => {
      this.send();
      this.isOpen = false;
      this.port.postMessage(null);
    };
  }

  send() {
    if (this.length) this.port.postMessage(this.block.slice(0, this.length));
    this.length = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.block[this.length++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.length === this.block.length) this.send();
    }
    return this.isOpen;
  }
}

registerProcessor("blocks", Blocks);
