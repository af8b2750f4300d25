import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
/** By its address, so that the working directory may be any. */
const tsx = import.meta.resolve("tsx");

/** A sample sound and what FunASR hears in it: samples/expected.jsonl. */
export const ZH_HAPPY = fileURLToPath(new URL("samples/zh-happy.wav", root));
export const ZH_HAPPY_TEXT = "祝你生日快乐😊";

/** A model and a device that give the same output everywhere, and nothing on stderr. */
export const PLAIN = ["--model", "tiny", "--device", "reference"];

export interface Result {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command from its source. Nothing is downloaded yet, unless `env` says where. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd: string | URL = root): ChildProcess {
  const main = fileURLToPath(new URL("src/cli/main.ts", root));
  const home = fileURLToPath(new URL("nothing-here", root));
  return spawn(process.execPath, ["--import", tsx, main, ...args], {
    cwd,
    env: { ...process.env, SENSEVOICE_HOME: home, SENSEVOICE_DEBUG: "", ...env },
    timeout: 100_000, // what does not end is not left behind
    killSignal: "SIGKILL",
  });
}

/** What a child process wrote and how it ended. */
export async function finish(child: ChildProcess): Promise<Result> {
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, ...output }));
  });
}

/** Runs the command to its end. */
export async function sensevoice(
  args: readonly string[],
  { input, env, cwd }: { input?: Uint8Array; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Result> {
  const child = start(args, env, cwd);
  child.stdin?.end(input);
  return finish(child);
}
