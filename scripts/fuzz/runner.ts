import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { residentMb, watchMemory } from "./memory.ts";
import { ROOT } from "./seeds.ts";
import type { Reply, Request } from "./worker.ts";

/** What a case may take. */
export const LIMIT_MS = 2000;
export const LIMIT_MB = 500;

/** Until a process is up and has made its seeds. */
const START_MS = 120_000;

/** A worker process that is started anew whenever a case kills it, or has to be killed. */
export class Runner {
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  /**
   * @param dir a scratch folder of its own
   * @param targets address of a module that exports TARGETS; targets.ts unless given
   */
  constructor(dir: string, targets?: string) {
    this.#env = { ...process.env, FUZZ_DIR: dir, ...(targets !== undefined && { FUZZ_TARGETS: targets }) };
  }

  /** Makes the process and the target's seeds ready. */
  async prepare(target: string): Promise<ChildProcess> {
    const child = this.#child ?? (await this.#start());
    const { kind, message } = await this.#ask(child, { do: "prepare", target }, START_MS, Number.POSITIVE_INFINITY);
    if (kind === "finding") throw new Error(message);
    return child;
  }

  /** Runs a case. What goes over a limit, or ends the process, is a finding. */
  async run(request: Request, target: string, limitMs = LIMIT_MS): Promise<Reply> {
    return this.#ask(await this.prepare(target), request, limitMs, LIMIT_MB);
  }

  /** Ends the process. */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(join(ROOT, "scripts/fuzz/worker.ts"), {
      cwd: ROOT,
      env: this.#env,
      execArgv: ["--import", "tsx", "--expose-gc", "--max-old-space-size=2048"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => reject(new Error(`the worker did not start (${code})`)));
    });
    return child;
  }

  #ask(child: ChildProcess, request: Request, limitMs: number, limitMb: number): Promise<Reply> {
    const before = residentMb(child.pid!);
    const start = performance.now();
    return new Promise((resolve) => {
      let stderr = "";
      const settle = (reply: Reply) => {
        clearTimeout(timer);
        stopWatch();
        child.removeAllListeners();
        child.stderr?.removeAllListeners();
        resolve(reply);
      };
      const end = async (message: string) => {
        const mb = residentMb(child.pid!) - before;
        settle({ kind: "finding", message, where: "", ms: performance.now() - start, mb, edits: 0 });
        await this.close();
      };
      const timer = setTimeout(() => end(`over ${limitMs} ms`), limitMs);
      const stopWatch = watchMemory(child.pid!, before + limitMb, () => end(`over ${limitMb} MB`));
      child.stderr?.on("data", (text) => {
        stderr += text;
      });
      child.once("exit", (code, signal) => {
        this.#child = undefined;
        const message = `the process ended (${signal ?? code}): ${stderr.slice(-500)}`;
        settle({ kind: "finding", message, where: "", ms: performance.now() - start, mb: 0, edits: 0 });
      });
      child.once("message", (reply: Reply) => settle(reply));
      child.send(request);
    });
  }
}
