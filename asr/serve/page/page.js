// The page: its parts, wired to the server.

import { peakOf } from "./microphone.js";
import { Own } from "./own.js";
import { element, leastConfidence, meaning, Result, UNSURE } from "./result.js";
import { Talk } from "./talk.js";
import { LiveWaveform } from "./waveform.js";

const $ = (id) => document.getElementById(id);
const IDLE = "Press the button, speak, and press it again. Escape stops, too.";
const say = (text) => { $("status").textContent = text; };
const result = new Result(say);
const live = new LiveWaveform($("live"));
const own = new Own({ ask, fail, trained: () => loadModels(true) });
const MAX_SHOWN = 9; // sentences, until all are asked for
let token = "";
let talk = null;
let sentences = []; // {text, intent, slots, button, gave}
let target = null;

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: token ? { Authorization: `Bearer ${token}` } : {} });
  } catch {
    throw new Error("The server does not answer.");
  }
  if (response.status === 401) $("access").hidden = false;
  const values = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(values.error?.message ?? `The server answers with status ${response.status}.`);
  return values;
}

async function load() {
  const { records } = await ask("/health");
  await loadModels();
  if (records) await own.load();
}

// The models of the server; after a training (`isLast`) the last one, which is new, is chosen.
async function loadModels(isLast = false) {
  const { data } = await ask("/v1/models");
  $("model").replaceChildren(...data.map(({ id }) => element("option", id)));
  if (isLast) $("model").value = data.at(-1).id;
  await loadSentences();
}

async function loadSentences() {
  target = null;
  const found = await ask(`/v1/sentences?model=${encodeURIComponent($("model").value)}`);
  sentences = found.sentences;
  $("known").hidden = !sentences.length;
  $("sentences").classList.toggle("short", !sentences.some(({ intent }) => intent));
  $("sentences").replaceChildren(...sentences.map((sentence) => {
    const item = element("li");
    sentence.button = element("button");
    sentence.button.addEventListener("click", () => choose(sentence));
    item.append(sentence.button);
    describe(sentence);
    return item;
  }));
  showSentences(sentences.length > MAX_SHOWN + 3);
}

function showSentences(isShort) {
  [...$("sentences").children].forEach((item, index) => { item.hidden = isShort && index >= MAX_SHOWN; });
  $("more").hidden = !isShort;
  $("more").textContent = `Show all ${sentences.length}`;
}

function describe(sentence) {
  const parts = [element("span", sentence.text)];
  if (sentence.intent) parts.push(element("small", meaning(sentence)));
  if (sentence.gave) {
    const { text, confidence } = sentence.gave;
    const isSame = text === sentence.text;
    const [sign, name] = isSame && confidence >= UNSURE ? ["✓", "right"] : isSame ? ["?", "doubtful"] : ["✗", "wrong"];
    const means = sentence.gave.intent ? `: ${meaning(sentence.gave)}` : "";
    const sure = text && confidence < UNSURE ? `, unsure (${Math.round(100 * confidence)} %)` : "";
    parts.push(element("small", `${sign} ${text || "no words"}${means}${sure}`, name));
  }
  sentence.button.replaceChildren(...parts);
  sentence.button.setAttribute("aria-current", String(sentence === target));
}

function choose(sentence) {
  if (talk) return;
  const previous = target;
  target = sentence;
  if (previous) describe(previous);
  describe(sentence);
  start();
}

// What a sentence of the list gave: the one chosen, or each that was spoken in a pause of its own.
function remember(recording) {
  const found = (text, words) => ({
    text, confidence: leastConfidence(words), ...recording.meanings.find((one) => one.text === text),
  });
  if (target) {
    target.gave = found(recording.text, recording.words);
    const done = target;
    target = null;
    describe(done);
    return;
  }
  for (const { start, end, text } of recording.segments) {
    const sentence = sentences.find((one) => one.text === text);
    if (!sentence) continue;
    sentence.gave = found(text, recording.words.filter((word) => start <= word.start && word.end <= end));
    describe(sentence);
  }
}

function meter(peak) {
  const level = Math.max(-60, 20 * Math.log10(Math.max(peak, 1e-4)));
  $("level").setAttribute("aria-valuenow", level.toFixed(0));
  $("level").classList.toggle("loud", level > -1);
  $("level").firstElementChild.style.width = `${((level + 60) / 60) * 100}%`;
}

function start() {
  fail("");
  $("final").textContent = $("partial").textContent = "";
  $("talk").setAttribute("aria-pressed", "true");
  $("talk").textContent = "Stop";
  $("live").hidden = false;
  live.clear();
  live.draw();
  say(target ? `Say: ${target.text}` : "Listening.");
  talk = new Talk({
    block(samples, rate, seconds) {
      meter(peakOf(samples));
      live.add(samples, rate, seconds);
      $("clock").textContent = `${seconds.toFixed(1)} s`;
    },
    partial(reply) {
      live.spell(reply.letters ?? [], false);
      $("partial").textContent = reply.partial;
    },
    final(reply) {
      live.spell(reply.letters ?? [], true);
      $("partial").textContent = "";
      $("final").append(element("span", `${reply.text} `));
    },
    ended,
  });
  talk.start($("model").value, token);
}

function stop() {
  if (!talk) return;
  say("Finishing.");
  talk.stop();
}

function ended(recording, error) {
  talk = null;
  $("talk").setAttribute("aria-pressed", "false");
  $("talk").textContent = "Press and talk";
  $("partial").textContent = "";
  meter(0);
  say(IDLE);
  if (error) {
    fail(error.message);
    $("live").hidden = !recording;
  }
  if (!recording) return;
  live.draw();
  remember(recording);
  result.show(recording);
}

async function recognise(file) {
  if (!file || talk) return;
  fail("");
  say(`Recognising ${file.name}.`);
  const form = new FormData();
  form.append("file", file);
  form.append("model", $("model").value);
  form.append("response_format", "verbose_json");
  form.append("timestamp_granularities[]", "word");
  form.append("timestamp_granularities[]", "segment");
  try {
    const values = await ask("/v1/audio/transcriptions", { method: "POST", body: form });
    const segments = values.segments.map(({ start, end, text }) => ({ start, end, text }));
    const meanings = values.intent ? [{ text: values.text, intent: values.intent, slots: values.slots }] : [];
    await result.show({ name: file.name, sound: file, duration: values.duration, text: values.text, words: values.words, segments, meanings });
    say(`Recognised ${file.name}: ${values.text || "no words"}`);
    $("result").scrollIntoView({ block: "nearest" });
  } catch (error) {
    fail(error.message.startsWith(file.name) ? error.message : `${file.name}: ${error.message}`);
    say(IDLE);
  }
}

$("more").addEventListener("click", () => {
  showSentences(false);
  $("sentences").children[MAX_SHOWN].firstElementChild.focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => live.draw());
$("talk").addEventListener("click", () => (talk ? stop() : start()));
addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
$("file").addEventListener("change", () => {
  recognise($("file").files[0]);
  $("file").value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  recognise(event.dataTransfer.files[0]);
});
$("model").addEventListener("change", () => loadSentences().catch((error) => fail(error.message)));
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  $("access").hidden = true;
  fail("");
  load().catch((error) => fail(error.message));
});
load().catch((error) => fail(error.message));
