// One's own words: what to say, takes of it, and a training on them.

import { joined, Microphone, peakOf, wav } from "./microphone.js";
import { element } from "./result.js";
import { drawRecording, peaksOf } from "./waveform.js";

const $ = (id) => document.getElementById(id);
const MAX_SECONDS = 15;
const QUIET_S = 1; // after speech: the take ends by itself
const POLL_MS = 1000;

export class Own {
  // `page` has ask(path, options), fail(text) and trained().
  constructor(page) {
    this.page = page;
    this.prompt = null;
    this.recording = null;
    this.last = null; // the take that was kept last
    $("own-save").addEventListener("click", () => this.save());
    $("own-record").addEventListener("click", () => (this.recording ? this.recording.microphone.stop() : this.record()));
    $("own-undo").addEventListener("click", () => this.undo());
    $("own-train").addEventListener("click", () => this.train("POST"));
    $("own-stop").addEventListener("click", () => this.train("DELETE"));
    $("own-speaker").addEventListener("input", () => this.show());
    addEventListener("resize", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  async load() {
    $("own").hidden = false;
    this.take(await this.page.ask("/v1/record"));
    $("own-words").value = this.overview.prompts.map(({ text }) => text).join("\n");
    $("own-edit").open = !this.overview.prompts.length;
  }

  get speaker() {
    return $("own-speaker").value.trim();
  }

  count({ takes }) {
    return takes[this.speaker] ?? 0;
  }

  // What the server says there is by now.
  take(overview) {
    this.overview = overview;
    if (!overview.prompts.some(({ text }) => text === this.prompt)) this.prompt = overview.prompts[0]?.text ?? null;
    this.show();
    if (overview.training.state === "running") this.poll ??= setTimeout(() => this.follow(), POLL_MS);
  }

  async follow() {
    this.poll = null;
    const before = this.overview.training.state;
    await this.answer(this.page.ask("/v1/record"));
    if (before === "running" && this.overview.training.state === "done") await this.page.trained();
  }

  // An answer of the server, or its sentence about what is wrong; whether there was one.
  async answer(asked) {
    try {
      this.take(await asked);
      this.page.fail("");
      return true;
    } catch (error) {
      this.page.fail(error.message);
      return false;
    }
  }

  async save() {
    const prompts = $("own-words").value.split("\n");
    if (!(await this.answer(this.page.ask("/v1/record/prompts", { method: "PUT", body: JSON.stringify({ prompts }) })))) return;
    $("own-words").value = this.overview.prompts.map(({ text }) => text).join("\n");
    $("own-edit").open = !this.overview.prompts.length;
  }

  async record() {
    if (!this.speaker) {
      $("own-speaker").focus();
      this.say("Say who speaks first.");
      return;
    }
    const recording = { microphone: new Microphone(), blocks: [], seconds: 0, loudest: 0, spokenAt: Infinity };
    this.recording = recording;
    this.drawn = null;
    this.say("Speak now.");
    this.show();
    try {
      await recording.microphone.open((block) => this.block(recording, block));
    } catch (error) {
      this.recording = null;
      this.page.fail(error.message);
      this.show();
    }
  }

  block(recording, block) {
    if (block === null) {
      this.send(recording);
      return;
    }
    recording.blocks.push(block);
    recording.seconds += block.length / recording.microphone.rate;
    const peak = peakOf(block);
    recording.loudest = Math.max(recording.loudest, peak);
    if (recording.loudest > 0.03 && peak > 0.2 * recording.loudest) recording.spokenAt = recording.seconds;
    if (recording.seconds > Math.min(MAX_SECONDS, recording.spokenAt + QUIET_S)) recording.microphone.stop();
  }

  async send({ microphone, blocks }) {
    microphone.close();
    const samples = joined(blocks), { prompt, speaker } = this;
    const form = new FormData();
    form.append("file", wav(samples, microphone.rate), "take.wav");
    form.append("speaker", speaker);
    form.append("text", prompt);
    const isAnswered = await this.answer(this.page.ask("/v1/record/takes", { method: "POST", body: form }));
    this.recording = null;
    const take = isAnswered ? this.overview.take : null;
    if (take) {
      const kept = take.faults.length ? [] : [{ word: prompt, start: take.start_s, end: take.end_s }];
      this.drawn = { peaks: peaksOf(samples, 400), duration: take.duration_s, kept };
      const level = `${take.peak_db.toFixed(0)} dB`;
      this.say(take.faults.length ? `Not kept. ${take.faults.join(" ")} (${level})`
        : `Kept ${prompt}: ${(take.end_s - take.start_s).toFixed(1)} s, ${level}.`, take.faults.length ? "wrong" : "right");
      if (take.name) {
        this.last = { speaker, name: take.name };
        this.next();
      }
    }
    this.show();
    this.draw();
    $("own-record").focus();
  }

  // Of the prompts that this speaker has said least, the one that comes next.
  next() {
    const { prompts } = this.overview;
    const at = prompts.findIndex(({ text }) => text === this.prompt) + 1;
    const order = [...prompts.slice(at), ...prompts.slice(0, at)];
    this.prompt = order.reduce((best, one) => (this.count(one) < this.count(best) ? one : best)).text;
  }

  async undo() {
    const { speaker, name } = this.last;
    this.last = null;
    if (await this.answer(this.page.ask(`/v1/record/takes/${encodeURIComponent(speaker)}/${name}`, { method: "DELETE" }))) this.say("Removed the last take.");
  }

  train(method) {
    return this.answer(this.page.ask("/v1/record/training", { method }));
  }

  say(text, name = "") {
    $("own-status").textContent = text;
    $("own-status").className = name;
  }

  show() {
    const { prompts, training, min_takes: wanted } = this.overview;
    $("own-takes").hidden = !prompts.length;
    $("own-prompt").textContent = this.prompt ?? "";
    $("own-record").textContent = this.recording ? "Stop" : "Record";
    $("own-record").setAttribute("aria-pressed", String(Boolean(this.recording)));
    $("own-undo").hidden = !this.last;
    $("own-canvas").hidden = !this.drawn;
    $("own-list").replaceChildren(...prompts.map((prompt) => {
      const item = element("li"), all = Object.values(prompt.takes).reduce((sum, one) => sum + one, 0);
      const button = element("button");
      button.append(element("span", prompt.text), element("small", `${all} ${all === 1 ? "take" : "takes"}${this.speaker ? `, ${this.count(prompt)} of ${this.speaker}` : ""}`, all < wanted ? "" : "right"));
      button.setAttribute("aria-current", String(prompt.text === this.prompt));
      button.addEventListener("click", () => {
        if (this.recording) return;
        this.prompt = prompt.text;
        this.show();
      });
      item.append(button);
      return item;
    }));
    this.showTraining(training, prompts, wanted);
  }

  showTraining(training, prompts, wanted) {
    const isRunning = training.state === "running";
    const few = prompts.filter(({ takes }) => Object.values(takes).reduce((sum, one) => sum + one, 0) < wanted);
    $("own-train").disabled = isRunning || few.length > 0;
    $("own-stop").hidden = !isRunning;
    $("own-progress").hidden = !isRunning;
    if (isRunning && training.epochs) $("own-progress").value = training.epoch / training.epochs;
    else $("own-progress").removeAttribute("value");
    $("own-training").textContent = {
      none: few.length ? `At least ${wanted} takes of each are needed; ${few.length} of ${prompts.length} have fewer.` : "There are enough takes; more make it better, of other speakers above all.",
      running: training.epochs ? `Epoch ${training.epoch} of ${training.epochs}, ${training.seconds} s.` : `Reading the takes, ${training.seconds} s.`,
      done: "",
      failed: `The training has failed: ${training.message}`,
    }[training.state];
    $("own-report").hidden = training.state !== "done";
    if (training.state === "done") this.report(training);
  }

  report({ report, seconds }) {
    const right = report.recordings.filter(({ said, recognised }) => said === recognised).length;
    const split = { test: "kept aside for the test", dev: "kept aside", train: "that it was trained on" }[report.split];
    const head = element("p", `The model “${this.overview.model}” was trained in ${seconds} s. Of ${report.recordings.length} recordings ${split}, ${right} are recognised right. It is chosen above: try it.`);
    const table = element("table"), body = element("tbody");
    table.append(element("caption", "Recordings of the test"));
    for (const { said, recognised } of report.recordings) {
      const row = element("tr"), isRight = said === recognised;
      row.append(element("td", said), element("td", `${isRight ? "✓" : "✗"} ${recognised || "no words"}`, isRight ? "right" : "wrong"));
      body.append(row);
    }
    table.append(body);
    $("own-report").replaceChildren(head, table);
  }

  draw() {
    if (!this.drawn) return;
    const { peaks, duration, kept } = this.drawn;
    drawRecording($("own-canvas"), peaks, duration, kept, -1);
  }
}
