// From the microphone to the server and back, in Vosk's protocol.

const MAX_SECONDS = 600; // of one recording: what the page keeps in memory

export class Talk {
  // `on` has block(samples, rate), partial(reply), final(reply) and ended(recording, error).
  constructor(on) {
    this.on = on;
    this.blocks = [];
    this.unsent = []; // what is spoken before the server has answered
    this.results = [];
    this.numSamples = 0;
    this.isStopping = false;
    this.isEnded = false;
  }

  async start(model, token) {
    try {
      if (!navigator.mediaDevices) throw new Error("The browser gives the microphone to pages of https or localhost only.");
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      this.context = new AudioContext();
      await this.context.resume();
      this.rate = this.context.sampleRate;
      await this.context.audioWorklet.addModule("/page/worklet.js");
      if (this.isEnded) return;
      this.node = new AudioWorkletNode(this.context, "blocks", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
      this.node.port.onmessage = ({ data }) => this.take(data);
      this.context.createMediaStreamSource(this.stream).connect(this.node);
      if (this.isStopping) this.node.port.postMessage("stop");
      await this.connect(model, token);
    } catch (error) {
      this.end(error.name === "NotAllowedError" ? new Error("The browser does not let this page use the microphone; allow it in its settings.")
        : error.name === "NotFoundError" ? new Error("There is no microphone.") : error);
    }
  }

  connect(model, token) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/`, token ? ["asr", `token.${token}`] : ["asr"]);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.reply(JSON.parse(data));
    socket.onclose = () => this.end(this.isStopping ? null : new Error("The server closed the connection."));
    return new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error("The server does not take the connection."));
      socket.onopen = () => {
        socket.send(JSON.stringify({ config: { sample_rate: this.rate, model: model || undefined, words: true, letters: true } }));
        this.unsent.splice(0).forEach((data) => socket.send(data));
        resolve();
      };
    });
  }

  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
    else this.unsent.push(data);
  }

  take(block) {
    if (this.isEnded) return;
    if (block === null) {
      this.send(JSON.stringify({ eof: 1 }));
      return;
    }
    this.blocks.push(block);
    this.numSamples += block.length;
    this.send(block.buffer);
    this.on.block(block, this.rate, this.numSamples / this.rate);
    if (this.numSamples > MAX_SECONDS * this.rate) this.stop();
  }

  reply(values) {
    if (values.error) {
      this.end(new Error(values.error));
    } else if (values.partial !== undefined) {
      this.on.partial(values);
    } else if (values.text) {
      this.results.push(values);
      this.on.final(values);
    }
  }

  stop() {
    if (this.isStopping) return;
    this.isStopping = true;
    this.node?.port.postMessage("stop");
  }

  end(error) {
    if (this.isEnded) return;
    this.isEnded = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.socket?.close();
    this.on.ended(this.numSamples ? this.recording() : null, error);
  }

  recording() {
    const samples = new Int16Array(this.numSamples);
    let start = 0;
    for (const block of this.blocks) {
      samples.set(block, start);
      start += block.length;
    }
    return { name: "microphone.wav", sound: wav(samples, this.rate), samples, rate: this.rate, ...transcript(this.results, this.numSamples / this.rate) };
  }
}

function transcript(results, duration) {
  const words = results.flatMap((one) => one.result ?? []).map((one) => ({ word: one.word, start: one.start, end: one.end, confidence: one.conf }));
  const segments = results.filter((one) => one.result?.length).map((one) => ({ start: one.result[0].start, end: one.result.at(-1).end, text: one.text }));
  const meanings = results.filter((one) => one.intent).map(({ text, intent, slots }) => ({ text, intent, slots }));
  return { duration, text: results.map((one) => one.text).join(" "), words, segments, meanings };
}

function wav(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF"); head.setUint32(4, 36 + samples.byteLength, true);
  write(8, "WAVEfmt "); head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  write(36, "data"); head.setUint32(40, samples.byteLength, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
