import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SenseVoiceError } from "../../src/error.ts";
import { splitCase } from "./arguments.ts";
import { Finding, messageFault } from "./judge.ts";
import { watchMemory } from "./memory.ts";
import { fileSeed, ROOT, type Seed, wavSeeds } from "./seeds.ts";
import { digest, type Target } from "./target.ts";
import { makeToys } from "./toy.ts";

/** A command under way on a busy machine, start-up from source included. */
const LIMIT_MS = 30_000;
const LIMIT_MB = 800;

/** By its address, for commands run elsewhere. */
const TSX = import.meta.resolve("tsx");

const RUN = ["--model", "toy", "--device", "cpu", "--threads", "1"];
/** Commands that work in the scratch folder; `input` is a file of its own for each case. */
const COMMANDS: readonly (readonly string[])[] = [
  ["input", ...RUN],
  ["clip.wav", "input", "clip.flac", "--format", "json", "--timestamps", "--itn", ...RUN],
  ["clip.wav", "input", "--output", "results", "--language", "zh", "--ban-emo-unk", ...RUN],
  ["-", "clip.wav", "--weights", "int8", ...RUN],
  ["clip.wav", "--model", "toy", "--device", "reference", "--weights", "int4", "--output", "."],
  ["convert", "funasr", "new", "--dtype", "f32", "--name", "x"],
  ["convert", "funasr", "converted"],
  ["quantize", "toy", "--out", "new", "--scheme", "int8"],
  ["quantize", "toy", "--out", "converted", "--policy", "policy.json", "--save-policy", "used.json"],
  ["quantize", "toy", "--out", "new", "--scheme", "mixed", "--budget", "5", "--calibrate", "m.jsonl", "--limit", "1"],
  ["eval", "m.jsonl", "--limit", "2", "--output", "report.json", "--format", "json", ...RUN],
  ["eval", "m.jsonl", "--baseline", "b.jsonl", "--ask-language", "--no-normalise", "--format", "markdown", ...RUN],
  ["info"],
  ["key", "alice", "--keys", "keys.txt", "--per-minute", "5"],
  ["input", "--format", "srt", "--vad", "energy", "--merge-seconds", "2", "--marks", "words", ...RUN],
  ["*.wav", ".", "--output", "results", "--resume", "--languages", "zh,en", "--batch-seconds", "1", ...RUN],
  ["vad", "input", "clip.wav", "--vad", "energy", "--max-segment-seconds", "1", "--format", "json"],
  ["live", "--vad", "none", "--partial-seconds", "0.1", "--format", "jsonl", "--encoding", "f32le", ...RUN],
  ["inspect", "clip.wav", "input", "--rules", "rules.yaml", "--format", "html", "--output", "report.html", ...RUN],
  ["highlights", "clip.wav", "--only", "laughter,neutral", "--pad", "1", "--format", "edl", "--fps", "30", ...RUN],
];

const RULES = "- name: calm\n  emotion: neutral\n- name: pause\n  silence: '>= 1 s'\n";
const MANIFEST = ["clip.wav", "clip.flac"].map((source, i) =>
  JSON.stringify({ key: `k${i}`, source, target: "ab", text_language: "<|zh|>" }),
);

/**
 * A case is a list of arguments as JSON in the first line, and behind it the file `input`. The arguments are changed
 * by what the edits of the whole do to the JSON: so a minimised case is one too.
 */
export const commandLine: Target = {
  name: "cli",
  limitMs: LIMIT_MS * 2,
  async seeds() {
    const sounds = [wavSeeds()[1], fileSeed("test/audio/fixtures/clip.flac"), fileSeed("test/audio/fixtures/clip.mp3")];
    return COMMANDS.map((args, i): Seed => {
      const head = Buffer.from(`${JSON.stringify(args)}\n`);
      const bytes = new Uint8Array(Buffer.concat([head, sounds[i % sounds.length].bytes]));
      return { name: `${args.find((arg) => /^[a-z]+$/.test(arg))}-${i}`, bytes, format: "arguments" };
    });
  },
  async run(bytes, _, dir) {
    const { args, input } = splitCase(bytes);
    const work = join(dir, "one/of/its/own/work"); // so that ".." leads nowhere else
    rmSync(join(dir, "one"), { recursive: true, force: true });
    await fillFolder(dir, work, input);
    const before = snapshot(work);
    const { status, stdout, stderr } = await runCommand(args, work, input);
    judgeOutput(status, stderr);
    expectNothingLost(args, before, snapshot(work));
    if (status !== 0) throw new SenseVoiceError(stderr.split("\n", 1)[0].slice(0, 200) || `status ${status}`);
    return digest(stdout);
  },
};

async function fillFolder(dir: string, work: string, input: Uint8Array): Promise<void> {
  const { funasr, converted, toy } = await makeToys(dir);
  mkdirSync(join(work, "home"), { recursive: true });
  for (const [name, from] of Object.entries({ funasr, converted, toy }))
    cpSync(from, join(work, name), { recursive: true });
  writeFileSync(join(work, "input"), input);
  writeFileSync(join(work, "clip.wav"), wavSeeds()[1].bytes);
  writeFileSync(join(work, "clip.flac"), fileSeed("test/audio/fixtures/clip.flac").bytes);
  writeFileSync(join(work, "m.jsonl"), `${MANIFEST.join("\n")}\n`);
  writeFileSync(join(work, "b.jsonl"), '{"key":"k0","tokens":[1,2]}\n');
  writeFileSync(join(work, "rules.yaml"), RULES);
  writeFileSync(join(work, "policy.json"), '{"name":"p","scheme":"int4","layers":{"ctc.*":"int8"}}');
  for (const name of ["notes.txt", "toy/notes.txt", "converted/notes.txt", "funasr/notes.txt"]) {
    writeFileSync(join(work, name), `these are ${name}`);
  }
  symlinkSync("clip.wav", join(work, "link"));
  symlinkSync("nowhere", join(work, "dangling"));
}

/** What every file is: its content's digest, or where a link leads. */
function snapshot(work: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(work, { recursive: true, encoding: "utf8" })) {
    const path = join(work, name);
    const info = lstatSync(path);
    if (info.isFile()) found.set(name, digest(readFileSync(path)));
    else if (info.isSymbolicLink()) found.set(name, "link");
  }
  return found;
}

async function runCommand(args: readonly string[], work: string, input: Uint8Array) {
  const main = join(ROOT, "src/cli/main.ts");
  const child: ChildProcess = spawn(process.execPath, ["--import", TSX, main, ...args], {
    cwd: work,
    env: {
      PATH: process.env.PATH,
      HOME: join(work, "home"),
      SENSEVOICE_HOME: join(work, "home"),
      SENSEVOICE_ENDPOINT: "http://127.0.0.1:9", // nothing answers there
    },
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  child.stdin?.on("error", () => {}); // it need not read everything
  child.stdin?.end(input);
  let killed: string | undefined;
  const kill = (why: string) => {
    killed ??= why;
    child.kill("SIGKILL");
  };
  const timer = setTimeout(() => kill(`over ${LIMIT_MS} ms`), LIMIT_MS);
  const stop = watchMemory(child.pid!, LIMIT_MB, () => kill(`over ${LIMIT_MB} MB`));
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve([status, signal]));
  });
  clearTimeout(timer);
  stop();
  if (killed) throw new Finding(`the command was killed: ${killed}`);
  if (signal) throw new Finding(`the command ended by ${signal}: ${output.stderr.slice(0, 300)}`);
  return { status, ...output };
}

/** Exit status 0, 1 or 2; nothing on stderr but lines `error: …` and `note: …` that can be shown. */
export function judgeOutput(status: number | null, stderr: string): void {
  if (status !== 0 && status !== 1 && status !== 2) throw new Finding(`exit status ${status}`);
  if (status === 1 && stderr.startsWith("Usage: sensevoice ")) return; // help, where there is nothing to do
  for (const line of stderr.split("\n").slice(0, -1)) {
    if (!/^(?:error|note): /.test(line)) throw new Finding(`on stderr: ${line.slice(0, 200)}`);
    const fault = messageFault(line);
    if (fault) throw new Finding(`a message ${fault}: ${line}`);
    if (line.includes("a bug in sensevoice")) throw new Finding(`called a bug: ${line}`);
  }
  if (!stderr.endsWith("\n") && stderr !== "") throw new Finding("stderr ends without a newline");
  if (status !== 0 && !/^error: /m.test(stderr)) throw new Finding(`exit status ${status} without an error`);
}

/** What is written before it gets its name: a hidden file or folder with a UUID. */
const TEMPORARY = /(?:^|\/)\.[^/]*[0-9a-f]{8}-[0-9a-f]{4}-/;

/** What a command may replace: the file of an option that writes one, and the files of a model folder it makes. */
export function expectNothingLost(
  args: readonly string[],
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): void {
  const written = args.flatMap((arg, i) => (/^--(?:output|save-policy|out)$/.test(args[i - 1] ?? "") ? [arg] : []));
  if (args.includes("convert")) written.push(...args.slice(-4));
  const ofModel = ["config.json", "model.safetensors", "tokenizer.model"];
  const targets = new Set(
    written.flatMap((path) => [path, ...ofModel.map((name) => join(path, name))]).map((path) => join(path)),
  );
  const inputs = ["clip.wav", "clip.flac", "input", "m.jsonl", "b.jsonl", "rules.yaml", "toy", "funasr"];
  for (const [name, content] of before) {
    if (after.get(name) === content) continue;
    const input = inputs.some((input) => name === input || name.startsWith(`${input}/`));
    if (!input && targets.has(name)) continue;
    throw new Finding(`${after.has(name) ? "changed" : "lost"}: ${name}, by ${JSON.stringify(args).slice(0, 300)}`);
  }
  const left = [...after.keys()].find((name) => !before.has(name) && TEMPORARY.test(name));
  if (left) throw new Finding(`left behind: ${left}`);
}
