import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { createEngine, type Engine, type EngineOptions } from "../node.ts";
import type { FormatName, FormatOptions } from "../output/format.ts";
import { FORMATS } from "../output/formats.ts";
import { digestBytes } from "../weights/file.ts";
import { defaultModel, findModel, findSpeaker, findVad, SMALL_ID } from "../weights/home.ts";
import type { Progress } from "../weights/source.ts";
import { type HearOptions, hearInput } from "./hear.ts";
import { findInputs } from "./inputs.ts";
import { openJournal } from "./journal.ts";
import { printError, printNote } from "./messages.ts";
import { expectApart, makeResultFolder, modelPaths, openOutput } from "./output.ts";
import { asksForSpeakers, peopleOf, speakerOptions } from "./people.ts";
import { forEachSound } from "./progress.ts";
import { STDIN } from "./readInput.ts";

/** As the command line gives them. */
export interface TranscribeArguments extends EngineOptions, HearOptions, Pick<FormatOptions, "marks"> {
  readonly format: FormatName;
  readonly output?: string;
  readonly resume?: boolean;
}

/** Formats in which the results of several sounds may follow one another. */
const JOINABLE: readonly FormatName[] = ["text", "json", "jsonl"];

type Write = (text: string) => Promise<unknown>;

/**
 * Transcribes sounds one after another with one engine. One that fails is reported and makes the exit status 1; the
 * others are still done. Throws a SenseVoiceError if there is no engine or no place for the output.
 */
export async function transcribe(args: readonly string[], asked: TranscribeArguments): Promise<void> {
  // RTTM says nothing else than who speaks.
  const options = asked.format === "rttm" && !asksForSpeakers(asked) ? { ...asked, speakers: true } : asked;
  const { model = defaultModel(), format, output, resume = false } = options;
  if (resume && output === undefined) {
    throw new SenseVoiceError("--resume: expected --output DIR, whose journal says what is done; got none");
  }
  await speakerOptions(options); // an error of its own, before anything is loaded
  const fail = (error: unknown, subject: string) => {
    printError(error, subject);
    process.exitCode = 1;
  };
  const inputs = await findInputs(args, fail);
  if (inputs.length === 0) return;
  if (inputs.length > 1 && output === undefined && !JOINABLE.includes(format)) {
    const expected = "expected --output DIR or one sound, since a file of this format is of one";
    throw new SenseVoiceError(`--format ${format}: ${expected}; got ${inputs.length} sounds`);
  }
  const targets = output === undefined ? undefined : inputs.map(({ name }) => resultPath(output, name, format));
  if (targets) {
    const files = inputs.map(({ file }) => file);
    const read = [...files.filter((file) => file !== STDIN), ...modelPaths(findModel(model))];
    expectApart(
      read,
      targets.map((target, i) => [files[i], target]),
    );
  }
  const engine = await openEngine(options);
  try {
    if (output !== undefined)
      new Set([output, ...(targets ?? []).map((target) => dirname(target))]).forEach(makeResultFolder);
    const journal = output === undefined ? undefined : openJournal(output, settingsOf(engine, options), resume);
    const work = async (file: string, i: number, onProgress: (seconds: number) => void) => {
      const target = targets?.[i];
      if (target === undefined) {
        await transcribeFile(engine, file, options, writeOut, inputs.length > 1, onProgress);
      } else if (!journal?.isDone(file, target)) {
        await intoFile(target, (write) => transcribeFile(engine, file, options, write, false, onProgress));
        journal?.done(file, target);
      }
    };
    // Where the results themselves show on the terminal there is no need of a bar.
    const visible = targets !== undefined || !process.stdout.isTTY;
    await forEachSound(
      inputs.map(({ file }) => file),
      visible,
      work,
      fail,
    );
  } finally {
    await engine.close();
  }
}

/** The engine for a command's options, with notes on stderr about what was not asked for by name. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { device, weights, threads, vadModel, speakerModel, tune, profile, model = defaultModel() } = options;
  if (options.model === undefined && model === "tiny") {
    printNote(`using the demonstration model, tiny; for the real one: sensevoice download ${SMALL_ID}`);
  }
  const notes = new Map([
    ["int8", `making a copy of the model in int8 for the CPU, once: ${join(findModel(model), "int8")}`],
    ["tune", "timing the GPU's kernels for this model, once, for up to 3 s (--tune off: never)"],
  ]);
  const onProgress = ({ task }: Progress) => {
    const note = notes.get(task);
    if (notes.delete(task) && note) printNote(note);
  };
  const folders = { model, vadModel, speakerModel };
  const engine = await createEngine({ ...folders, device, weights, threads, tune, profile, onProgress });
  if (device === "auto" && engine.device !== "webgpu") {
    printNote(`no GPU found, running on the CPU (${engine.deviceDescription}), weights in ${engine.weights}`);
  }
  return engine;
}

async function transcribeFile(
  engine: Engine,
  file: string,
  options: TranscribeArguments,
  write: Write,
  named: boolean,
  onProgress: (seconds: number) => void,
): Promise<void> {
  const { format, marks } = options;
  const speakers = asksForSpeakers(options);
  const writer = FORMATS[format].writer({ marks, speakers, file: named || format !== "text" ? file : undefined });
  const segments = hearInput(engine, file, options, onProgress);
  let head: string | undefined = writer.head();
  try {
    for (;;) {
      const { value, done } = await segments.next();
      if (done) {
        const by = { model: engine.config.name, device: engine.device, weights: engine.weights };
        await write((head ?? "") + writer.end({ ...value, ...by }));
        return;
      }
      await write((head ?? "") + writer.add(value)); // no head for what cannot be read
      head = undefined;
    }
  } catch (error) {
    await segments.throw(error).catch(() => {}); // closes the source
    throw error;
  }
}

/** Text that is taken as fast as whoever reads it can. */
function writeOut(text: string): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once("drain", resolve);
  });
}

async function intoFile(path: string, work: (write: Write) => Promise<void>): Promise<void> {
  const file = await openOutput(path);
  let complete = false;
  try {
    await work(file.write);
    complete = true;
  } finally {
    await file.close(complete);
  }
}

/** NAME.txt, NAME.srt, … in the folder for results. */
function resultPath(dir: string, name: string, format: FormatName): string {
  return join(dir, `${name}.${FORMATS[format].extension}`);
}

/** What results depend on, but for the sound. */
function settingsOf(engine: Engine, options: TranscribeArguments): object {
  const { output, resume, model, threads, device, ...others } = options;
  const dir = findModel(model ?? defaultModel());
  const found = { vadFound: others.vadModel ?? findVad(dir), weights: engine.weights, files: engine.config.files };
  if (!asksForSpeakers(others)) return { ...others, ...found };
  const people = peopleOf(others);
  const digest = people && existsSync(people) && digestBytes(readFileSync(people)).sha256;
  return { ...others, ...found, speakerFound: others.speakerModel ?? findSpeaker(dir), people: digest };
}
