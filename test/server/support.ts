import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
const tsx = import.meta.resolve("tsx");

export const SAMPLES = fileURLToPath(new URL("samples/", root));

/** A service in a process of its own, as a user starts it. */
export interface TestServer {
  readonly address: string;
  readonly child: ChildProcess;
  /** What it has logged. */
  log(): string;
  /** Ends it with SIGTERM; its exit status. */
  stop(): Promise<number | null>;
}

/** Starts `sensevoice serve` with the tiny model on the CPU, on a free port. */
export async function startTestServer(
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
  command = "serve",
): Promise<TestServer> {
  const main = fileURLToPath(new URL("src/cli/main.ts", root));
  const where = command === "serve" ? ["--port", "0"] : [];
  const child = spawn(
    process.execPath,
    ["--import", tsx, main, command, "--model", "tiny", "--device", "cpu", ...where, ...args],
    { cwd: root, env: { ...process.env, ...env }, timeout: 300_000, killSignal: "SIGKILL" },
  );
  let [output, log] = ["", ""];
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (output.includes("\n")) resolve();
    });
    exited.then((status) => reject(new Error(`exit status ${status}: ${log}`)));
  });
  return {
    address: /http:\S+/.exec(output)?.[0] ?? "",
    child,
    log: () => log,
    stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

/** A form with a sound and other fields. */
export function formOf(file: Blob | Uint8Array<ArrayBuffer>, fields: Readonly<Record<string, string>> = {}): FormData {
  const form = new FormData();
  form.append("file", file instanceof Blob ? file : new Blob([file]), "sound.wav");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}
