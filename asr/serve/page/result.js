// A recording with what was recognised in it: shown, played, copied and downloaded.

import { drawRecording, peaksOf } from "./waveform.js";

const $ = (id) => document.getElementById(id);
export const UNSURE = 0.5;

// An element with a text, which never becomes markup.
export function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

export function meaning({ intent, slots }) {
  const given = Object.entries(slots ?? {}).map(([name, value]) => `${name} = ${value}`);
  return [intent, ...given].filter(Boolean).join(", ");
}

export function leastConfidence(words) {
  return words.reduce((least, { confidence }) => Math.min(least, confidence), 1);
}

function srtTime(seconds) {
  const ms = Math.round(seconds * 1000);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return `${two(ms / 3600000)}:${two((ms / 60000) % 60)}:${two((ms / 1000) % 60)},${String(ms % 1000).padStart(3, "0")}`;
}

export function srt({ segments }) {
  return segments.map(({ start, end, text }, index) => `${index + 1}\n${srtTime(start)} --> ${srtTime(end)}\n${text}\n`).join("\n");
}

export function json({ name, duration, text, words, segments, meanings }) {
  return JSON.stringify({ name, duration, text, words, segments, meanings }, null, 2) + "\n";
}

export class Result {
  constructor(say) {
    this.say = say;
    this.audio = $("audio");
    this.until = Infinity;
    this.peaks = new Float32Array(0);
    this.audio.addEventListener("timeupdate", () => this.draw());
    this.audio.addEventListener("play", () => this.follow());
    this.audio.addEventListener("seeked", () => this.draw());
    const canvas = $("waveform");
    canvas.addEventListener("click", (event) => this.play((event.offsetX / canvas.clientWidth) * this.duration));
    canvas.addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    for (const [kind, make] of [["text", (one) => one.text], ["srt", srt], ["json", json]]) {
      $(`copy-${kind}`).addEventListener("click", () => this.copy(make(this.shown)));
      $(`save-${kind}`)?.addEventListener("click", () => this.save(kind, make(this.shown)));
    }
  }

  get duration() {
    return this.shown?.duration ?? 0;
  }

  async show(recording) {
    this.shown = recording;
    this.until = Infinity;
    URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(recording.sound);
    $("result").hidden = false;
    $("name").textContent = `${recording.name}, ${recording.duration.toFixed(1)} s`;
    $("transcript").textContent = recording.text || "No words were recognised.";
    $("meanings").replaceChildren(...recording.meanings.map(described));
    this.words = recording.words.map((word) => this.button(word));
    $("words").replaceChildren(...this.words.map((button) => {
      const item = element("li");
      item.append(button);
      return item;
    }));
    this.peaks = new Float32Array(0);
    this.draw();
    const samples = recording.samples ?? (await decoded(recording.sound));
    if (this.shown !== recording) return;
    this.peaks = peaksOf(samples, 600);
    this.draw();
  }

  button({ word, start, end, confidence }) {
    const made = element("button", "", confidence < UNSURE ? "unsure" : "");
    const percent = `${Math.round(100 * confidence)} %`;
    made.append(element("b", word), element("small", `${start.toFixed(2)}–${end.toFixed(2)} s`), element("small", percent));
    made.setAttribute("aria-label", `${word}, ${start.toFixed(2)} to ${end.toFixed(2)} seconds, confidence ${percent}; play`);
    made.addEventListener("click", () => this.play(start, end));
    return made;
  }

  play(start, end = Infinity) {
    this.until = end;
    this.audio.currentTime = start;
    this.audio.play().catch(() => this.say("The browser cannot play this recording."));
  }

  key(event) {
    const step = { ArrowLeft: -0.5, ArrowRight: 0.5, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined) this.audio.currentTime = Math.max(0, Math.min(this.duration, this.audio.currentTime + step));
    else if (event.key !== " " && event.key !== "Enter") return;
    else if (this.audio.paused) this.play(this.audio.currentTime);
    else this.audio.pause();
    event.preventDefault();
  }

  follow() {
    if (this.audio.currentTime >= this.until) {
      this.audio.pause();
      this.until = Infinity;
    }
    this.draw();
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }

  draw() {
    if (!this.shown) return;
    const now = this.audio.currentTime;
    drawRecording($("waveform"), this.peaks, this.duration, this.shown.words, now);
    const slider = { "aria-valuemin": 0, "aria-valuemax": this.duration.toFixed(1), "aria-valuenow": now.toFixed(1), "aria-valuetext": `${now.toFixed(1)} seconds` };
    for (const [name, value] of Object.entries(slider)) $("waveform").setAttribute(name, value);
    this.shown.words.forEach(({ start, end }, index) => this.words[index].classList.toggle("now", !this.audio.paused && start <= now && now < end));
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.say("Copied.");
    } catch {
      this.say("The browser does not let this page copy; download instead.");
    }
  }

  save(kind, text) {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind === "json" ? "application/json" : "application/x-subrip" }));
    link.download = `${this.shown.name.replace(/\.[^.]*$/, "") || "recording"}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.say(`Downloaded ${link.download}.`);
  }
}

function described({ text, intent, slots }) {
  const list = element("dl");
  for (const [name, value] of [["Sentence", text], ["Intent", intent], ...Object.entries(slots ?? {})]) {
    list.append(element("dt", name), element("dd", String(value)));
  }
  return list;
}

// Samples of a file, for its waveform; none where the browser has no decoder for it.
async function decoded(sound) {
  try {
    const context = new OfflineAudioContext(1, 1, 16000);
    return (await context.decodeAudioData(await sound.arrayBuffer())).getChannelData(0);
  } catch {
    return new Float32Array(0);
  }
}
