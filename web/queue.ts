import { type Problem, problemOf } from "./problem.ts";
import type { Heard, Sound } from "./protocol.ts";
import { effect, Signal } from "./reactive.ts";
import { loadRecogniser, recogniser, speed } from "./recogniser.ts";
import { Recording } from "./recording.ts";
import { currentAsk } from "./settings.ts";
import { forgetRecording, keepRecording, keptRecordings, keptSegments } from "./store.ts";

/** Every recording, the oldest first. */
export const recordings = new Signal<readonly Recording[]>([]);
export const selected = new Signal<Recording | undefined>(undefined);
/** Why nothing is heard although recordings wait: the model cannot be loaded. */
export const queueProblem = new Signal<Problem | undefined>(undefined);
/** Why results do not survive a reload. */
export const keepProblem = new Signal<Problem | undefined>(undefined);
/** What was removed last. */
export const removed = new Signal<Recording | undefined>(undefined);
/** Counts what was asked for at a time: "2 of 5". */
export const batch = new Signal<readonly Recording[]>([]);

/** Milliseconds between two times that a recording is kept while it is heard. */
const KEEP_MS = 1000;

/** Milliseconds between two times that what was heard is shown. */
const SHOW_MS = 100;

let running = false;

/** What was kept of earlier visits. */
export async function restore(): Promise<void> {
  const kept = await keptRecordings().catch(() => []);
  const known = new Set(recordings.peek().map(({ id }) => id));
  recordings.value = [...kept.filter(({ id }) => !known.has(id)).map(Recording.of), ...recordings.peek()];
  selected.value ??= recordings.peek().at(-1);
  effect(() => {
    if (selected.value) void load(selected.value);
  });
}

/** Puts sounds into the queue and shows the first of them. */
export function addSounds(sounds: readonly { readonly name: string; readonly sound: Sound }[]): void {
  if (sounds.length === 0) return;
  const added = sounds.map(({ name, sound }) => new Recording(name, sound));
  const busy = batch.peek().some((recording) => isOpen(recording));
  batch.value = busy ? [...batch.peek(), ...added] : added;
  recordings.value = [...recordings.peek(), ...added];
  if (!busy) selected.value = added[0];
  void work();
}

/** Shows a recording that was not heard from a file: captions. */
export function addRecording(recording: Recording): void {
  recordings.value = [...recordings.peek(), recording];
  selected.value = recording;
  void keep(recording);
}

export function retry(recording: Recording): void {
  recording.restart();
  void work();
}

/** Goes on after the model could not be loaded. */
export function resume(): void {
  queueProblem.value = undefined;
  void work();
}

/** Takes a recording out of the list, until `bringBack`. */
export function remove(recording: Recording): void {
  if (isOpen(recording)) recording.cancel();
  const all = recordings.peek();
  const at = all.indexOf(recording);
  recordings.value = all.filter((other) => other !== recording);
  if (selected.peek() === recording) selected.value = all[at + 1] ?? all[at - 1];
  removed.value = recording;
  void load(recording).then(async () => {
    recording.forgetChanges();
    await forgetRecording(recording.id);
  });
}

/** Puts the recording that was removed last back into its place. */
export function bringBack(): void {
  const recording = removed.peek();
  if (!recording) return;
  removed.value = undefined;
  recordings.value = [...recordings.peek(), recording].sort((a, b) => a.created - b.created);
  selected.value = recording;
  void keep(recording);
}

export function isOpen(recording: Recording): boolean {
  const { kind } = recording.progress.value;
  return kind === "waiting" || kind === "working";
}

/** Keeps what is known of a recording for the next visit. */
export async function keep(recording: Recording): Promise<void> {
  await load(recording);
  try {
    await keepRecording(recording.keep(), recording.takeChanges());
    keepProblem.value = undefined;
  } catch (error) {
    recording.forgetChanges();
    keepProblem.value = problemOf(error);
  }
}

/** Reads the segments of an earlier visit, if they are not here. */
export async function load(recording: Recording): Promise<void> {
  if (!recording.loaded) recording.load(await keptSegments(recording.id).catch(() => []));
}

/** Hears what waits, one recording after another. */
async function work(): Promise<void> {
  if (running) return;
  running = true;
  try {
    for (;;) {
      const next = recordings.peek().find(({ progress }) => progress.peek().kind === "waiting");
      if (!next || queueProblem.peek()) return;
      await hear(next);
      if (recordings.peek().includes(next) && next.progress.peek().kind !== "waiting") await keep(next);
    }
  } finally {
    running = false;
  }
}

async function hear(recording: Recording): Promise<void> {
  const { signal } = recording;
  recording.progress.value = { kind: "working" };
  const model = await loadRecogniser(signal).catch((error: unknown) => {
    if (signal.aborted) return;
    recording.progress.value = { kind: "waiting" };
    queueProblem.value = problemOf(error, "model");
  });
  if (!model) return;
  try {
    const begin = performance.now();
    await transcribe(recording);
    recording.finish(model, (performance.now() - begin) / 1000);
    speed.value = recording.speed.peek();
  } catch (error) {
    if (!signal.aborted) recording.progress.value = { kind: "failed", problem: problemOf(error) };
  }
}

async function transcribe(recording: Recording): Promise<void> {
  const begin = performance.now();
  let kept = begin;
  const told: Heard[] = [];
  const show = () => {
    if (recording.signal.aborted) return;
    recording.take(told.splice(0));
    const now = performance.now();
    if (recording.done.peek() > 0) recording.speed.value = recording.done.peek() / ((now - begin) / 1000);
    if (now - kept < KEEP_MS) return;
    kept = now;
    void keep(recording);
  };
  const timer = setInterval(show, SHOW_MS);
  const hearSound = (sound: Sound) => {
    const input = { sound, name: recording.name, options: currentAsk() };
    return recogniser().transcribe(input, (heard) => told.push(heard), recording.signal);
  };
  const sound = recording.sound.peek()!;
  try {
    told.push(await hearSound(sound));
  } catch (error) {
    // What the engine does not read (m4a, webm) the browser may.
    if (!(sound instanceof Blob) || problemOf(error).kind !== "notSound") throw error;
    const decoded = await decodeInBrowser(sound);
    if (!decoded || recording.signal.aborted) throw error;
    told.length = 0;
    recording.clearPeaks();
    told.push(await hearSound(decoded));
  } finally {
    clearInterval(timer);
    show();
  }
}

/** Bytes that are decoded at a time by the browser, which needs all of the sound in memory. */
const MAX_DECODED = 300e6;

async function decodeInBrowser(blob: Blob): Promise<Sound | undefined> {
  if (blob.size > MAX_DECODED) return undefined;
  try {
    const buffer = await new OfflineAudioContext(1, 1, 16_000).decodeAudioData(await blob.arrayBuffer());
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i).slice());
    return { channels, sampleRate: buffer.sampleRate };
  } catch {
    return undefined;
  }
}
