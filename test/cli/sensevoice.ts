import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);

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
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const main = fileURLToPath(new URL("src/cli/main.ts", root));
  const home = fileURLToPath(new URL("nothing-here", root));
  return spawn(process.execPath, ["--import", "tsx", main, ...args], {
    cwd: root,
    env: { ...process.env, SENSEVOICE_HOME: home, SENSEVOICE_DEBUG: "", ...env },
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
  { input, env }: { input?: Uint8Array; env?: NodeJS.ProcessEnv } = {},
): Promise<Result> {
  const child = start(args, env);
  child.stdin?.end(input);
  return finish(child);
}
