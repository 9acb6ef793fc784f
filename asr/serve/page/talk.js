// From the microphone to the server and back, in Vosk's protocol.

import { joined, Microphone, wav } from "./microphone.js";

const MAX_SECONDS = 600; // of one recording: what the page keeps in memory

export class Talk {
  // `on` has block(samples, rate), partial(reply), final(reply) and ended(recording, error).
  constructor(on) {
    this.on = on;
    this.microphone = new Microphone();
    this.blocks = [];
    this.unsent = []; // what is spoken before the server has answered
    this.results = [];
    this.numSamples = 0;
    this.isStopping = false;
    this.isEnded = false;
  }

  async start(model, token) {
    try {
      await this.microphone.open((block) => this.take(block));
      if (this.isEnded) return;
      this.rate = this.microphone.rate;
      await this.connect(model, token);
    } catch (error) {
      this.end(error);
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
    const { rate } = this.microphone;
    this.on.block(block, rate, this.numSamples / rate);
    if (this.numSamples > MAX_SECONDS * rate) this.stop();
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
    this.microphone.stop();
  }

  end(error) {
    if (this.isEnded) return;
    this.isEnded = true;
    this.microphone.close();
    this.socket?.close();
    this.on.ended(this.numSamples && this.rate ? this.recording() : null, error);
  }

  recording() {
    const samples = joined(this.blocks);
    return { name: "microphone.wav", sound: wav(samples, this.rate), samples, rate: this.rate, ...transcript(this.results, this.numSamples / this.rate) };
  }
}

function transcript(results, duration) {
  const words = results.flatMap((one) => one.result ?? []).map((one) => ({ word: one.word, start: one.start, end: one.end, confidence: one.conf }));
  const segments = results.filter((one) => one.result?.length).map((one) => ({ start: one.result[0].start, end: one.result.at(-1).end, text: one.text }));
  const meanings = results.filter((one) => one.intent).map(({ text, intent, slots }) => ({ text, intent, slots }));
  return { duration, text: results.map((one) => one.text).join(" "), words, segments, meanings };
}
