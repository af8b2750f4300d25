import type { LiveResult, Segment } from "../src/index.ts";
import { announce } from "./announce.ts";
import { h } from "./dom.ts";
import type { Listening } from "./engine.ts";
import { clockOf, millisecondsOf } from "./format.ts";
import { icon } from "./icons.ts";
import { loadingBar } from "./loadingBar.ts";
import { type Microphone, openMicrophone } from "./microphone.ts";
import { type Problem, problemOf } from "./problem.ts";
import { problemBox } from "./problemBox.ts";
import { addRecording, keep } from "./queue.ts";
import { effect, Signal } from "./reactive.ts";
import { loadRecogniser, recogniser } from "./recogniser.ts";
import { Recording } from "./recording.ts";
import { saveButtons } from "./save.ts";
import { currentAsk } from "./settings.ts";
import { speakerDot } from "./speakers.ts";
import { t } from "./strings.ts";

type State = "idle" | "starting" | "listening" | "stopping";

const state = new Signal<State>("idle");
const problem = new Signal<Problem | undefined>(undefined);
const partial = new Signal<LiveResult | undefined>(undefined);
/** From when sound was said to when it was shown. Milliseconds. */
const latency = new Signal<number | undefined>(undefined);
const level = new Signal(0);
const captions = new Signal<Recording | undefined>(undefined);

/** Whether the microphone is open. */
export function isListening(): boolean {
  return state.value !== "idle";
}

/** Captions while somebody speaks: grey while they may change, black once they are final. */
export function liveView(): HTMLElement {
  return h(
    "div",
    { class: "live" },
    h("h1", {}, () => t().liveTitle),
    h("p", { class: "lead" }, () => t().liveLead),
    h("div", { class: "live-bar" }, startButton(), meter(), figures()),
    loadingBar(),
    () => problem.value && problemBox(problem.value, undefined, hasText()),
    captionBox(),
    () => {
      const recording = captions.value;
      if (!recording || state.value !== "idle" || recording.segments.value.length === 0) return null;
      return h(
        "div",
        { class: "after" },
        h("p", {}, () => t().captionsKept),
        saveButtons(() => recording),
      );
    },
  );
}

function startButton(): HTMLElement {
  return h(
    "button",
    {
      type: "button",
      class: () => (isListening() ? "big on" : "big accent"),
      disabled: () => state.value === "stopping",
      onclick: () => (isListening() ? stop() : start()),
    },
    () => icon(isListening() ? "stop" : "microphone"),
    () =>
      ({ idle: t().startCaptions, starting: t().starting, listening: t().stop, stopping: t().stopping })[state.value],
  );
}

function meter(): HTMLElement {
  const fill = h("span", {});
  effect(() => {
    fill.style.transform = `scaleX(${level.value})`;
  });
  return h(
    "div",
    {
      class: "meter",
      role: "meter",
      "aria-label": () => t().level,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": () => Math.round(level.value * 100),
    },
    fill,
  );
}

function figures(): HTMLElement {
  const duration = () => captions.value?.duration.value ?? 0;
  return h(
    "dl",
    { class: "figures" },
    h(
      "div",
      {},
      h("dt", {}, () => t().time),
      h("dd", {}, () => clockOf(duration())),
    ),
    h(
      "div",
      {},
      h("dt", {}, () => t().latency),
      h("dd", { class: "latency" }, () => (latency.value === undefined ? "–" : millisecondsOf(latency.value))),
    ),
  );
}

function captionBox(): HTMLElement {
  const box = h(
    "div",
    { class: "captions", role: "log", tabindex: "0", "aria-label": () => t().captions, "aria-live": "polite" },
    () =>
      (captions.value?.segments.value ?? []).map((segment) =>
        h(
          "p",
          { class: "final" },
          segment.speaker !== undefined && [speakerDot(segment.speaker), h("b", {}, `${segment.speaker}: `)],
          h("span", { lang: segment.language }, segment.text),
        ),
      ),
    // What may still change is not read out.
    h("p", { class: "partial", "aria-live": "off", "aria-hidden": "true" }, () => partial.value?.text ?? ""),
    () =>
      !hasText() &&
      !partial.value &&
      h("p", { class: "none" }, () => (isListening() ? t().speakNow : t().captionsEmpty)),
  );
  effect(() => {
    partial.value;
    captions.value?.segments.value;
    box.scrollTop = box.scrollHeight;
  });
  return box;
}

function hasText(): boolean {
  return (captions.value?.segments.value.length ?? 0) > 0;
}

let microphone: Microphone | undefined;
let listening: Listening | undefined;
/** Sound that came before the model was ready. */
let waiting: Float32Array<ArrayBuffer>[] = [];
/** When the first sample was said, as far as the samples since then tell: some wait before they come here. */
let began = 0;

async function start(): Promise<void> {
  state.value = "starting";
  problem.value = undefined;
  latency.value = undefined;
  partial.value = undefined;
  const recording = new Recording(t().captionsName(new Date()));
  captions.value = recording;
  waiting = [];
  began = Number.POSITIVE_INFINITY;
  let where: "microphone" | "model" = "microphone";
  try {
    microphone = await openMicrophone(
      (pcm) => take(pcm, recording),
      (error) => {
        problem.value = problemOf(error, "microphone");
        void stop();
      },
    );
    where = "model";
    const model = await loadRecogniser(new AbortController().signal);
    recording.by.value = `${model.model} · ${model.description}`;
    listening = recogniser().listen(currentAsk(), (result) => show(result, recording));
    for (const pcm of waiting.splice(0)) listening.write(pcm);
    state.value = "listening";
    announce(t().listening);
    await listening.done;
  } catch (error) {
    problem.value = problemOf(error, where);
  } finally {
    await finish(recording);
  }
}

function take(pcm: Float32Array<ArrayBuffer>, recording: Recording): void {
  const seconds = recording.duration.peek();
  const now = seconds + pcm.length / 16_000;
  recording.duration.value = now;
  began = Math.min(began, performance.now() - now * 1000);
  let square = 0;
  for (const x of pcm) square += x * x;
  // −60 dB to 0 dB.
  const decibels = 10 * Math.log10(square / pcm.length + 1e-9);
  level.value = Math.max(0, Math.min(1, 1 + decibels / 60));
  if (listening) listening.write(pcm);
  else waiting.push(pcm);
}

function show(result: LiveResult, recording: Recording): void {
  const { final, stable, renamed, ...segment } = result;
  if (renamed) recording.relabel(renamed);
  // A final result comes only after the silence behind it: what partial ones take is how long one waits for words.
  if (!final) latency.value = Math.max(0, performance.now() - began - result.end * 1000);
  partial.value = final ? undefined : result;
  if (!final || segment.text === "") return;
  recording.segments.value = [...recording.segments.peek(), segment satisfies Segment];
  void keep(recording);
}

/** What is open becomes final. */
async function stop(): Promise<void> {
  if (state.peek() === "stopping") return;
  state.value = "stopping";
  await microphone?.close();
  listening?.end();
}

async function finish(recording: Recording): Promise<void> {
  await microphone?.close();
  // What could not become final is kept as it was heard last.
  const open = partial.peek();
  if (open && problem.peek()) show({ ...open, final: true }, recording);
  microphone = undefined;
  listening = undefined;
  partial.value = undefined;
  level.value = 0;
  recording.done.value = recording.duration.peek();
  recording.progress.value = { kind: "done" };
  if (recording.segments.peek().length > 0) addRecording(recording);
  state.value = "idle";
}
