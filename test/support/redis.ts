import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe } from "vitest";

/** Is there a `redis-server`? With REQUIRE_REDIS=1 there has to be one. */
export const hasRedis =
  process.env.REQUIRE_REDIS === "1" || spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0;

/** `describe`, shown as skipped where there is no Redis; with REQUIRE_REDIS=1 a missing one is a failure. */
export const describeRedis = describe.skipIf(!hasRedis);

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** It keeps its connections, and answers nothing until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends it as a crash does; what it held is lost unless it was started with `--appendonly yes`. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** A Redis of one's own on 127.0.0.1, on a free port, in a temporary folder. Call `stop` at the end. */
export async function startRedis(options: readonly string[] = []): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), "sensevoice-redis-"));
  const port = await freePort();
  const remove = () => rmSync(dir, { recursive: true, force: true });
  let child = await launch(port, dir, options).catch((error: unknown) => {
    remove();
    throw error;
  });
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    kill,
    async restart() {
      child = await launch(port, dir, options);
    },
    async stop() {
      await kill();
      remove();
    },
  };
}

/** A port of 127.0.0.1 at which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("expected a port");
  return address.port;
}

/** Resolves once it answers; rejects with what it printed if it ends before. */
async function launch(port: number, dir: string, options: readonly string[]): Promise<ChildProcess> {
  const server = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", ...options];
  const child = spawn("redis-server", server, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`redis-server ended: ${lines.join("\n")}`)));
    createInterface(child.stdout!).on("line", (line) => {
      lines.push(line);
      if (line.includes("Ready to accept connections")) resolve(child);
    });
  });
}
