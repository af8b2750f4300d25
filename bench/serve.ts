/**
 * The service under load, from a process beside it, over loopback. Sounds are clips of test/eval.
 *
 *     npx tsx bench/serve.ts [--model tiny] [--device cpu] [--uploads 200] [--requests 2000] [--clients 16] [--count 200]
 *         [--only flood|batching|cached|memory|queue]…
 *
 * Prints one object: answers of many uploads at once, and /healthz meanwhile; throughput one at a time and batched;
 * an answer from the cache; resident memory after each quarter of many requests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "tiny" },
    device: { type: "string", default: "cpu" },
    uploads: { type: "string", default: "200" },
    requests: { type: "string", default: "2000" },
    clients: { type: "string", default: "16" },
    count: { type: "string", default: "200" },
    only: { type: "string", multiple: true },
  },
});
const { uploads, requests, clients, count } = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [name, Number(value)]),
);

const folder = new URL("../test/eval/", import.meta.url);
const clips = readFileSync(new URL("funasr.jsonl", folder), "utf8")
  .trim()
  .split("\n")
  .map((line): { key: string; language: string; use_itn: boolean; text: string } => JSON.parse(line))
  .filter(({ language, use_itn }) => language === "auto" && !use_itn)
  .map(({ key, text }) => ({ bytes: readFileSync(new URL(`${key}.flac`, folder)), text }));

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

/** `serve`, or another command that prints a line when it is ready. */
async function start(...args: string[]): Promise<Server> {
  return launch("serve", "--model", values.model, "--device", values.device, "--port", "0", ...args);
}

async function launch(...args: string[]): Promise<Server> {
  const main = new URL("../src/cli/main.ts", import.meta.url).pathname;
  const all = [...args, "--log-level", "error"];
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), main, ...all], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))));
  return { url: line.slice("listening on ".length).trim(), child };
}

async function stop({ child }: Server): Promise<void> {
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
}

async function ask({ url }: Server, i: number) {
  const clip = clips[i % clips.length];
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(clip.bytes)]), "clip.flac");
  const begin = performance.now();
  const answer = await fetch(`${url}/v1/transcribe`, { method: "POST", body: form });
  const body = await answer.json();
  return {
    status: answer.status,
    ms: performance.now() - begin,
    right: body.text === clip.text,
    cache: answer.headers.get("x-cache"),
  };
}

/** So many requests by so many clients; requests a second. */
async function throughput(server: Server, count: number, parallel: number): Promise<number> {
  let next = 0;
  const begin = performance.now();
  const client = async () => {
    while (next < count) {
      const { status } = await ask(server, next++);
      if (status !== 200) throw new Error(`status ${status}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, client));
  return (1000 * count) / (performance.now() - begin);
}

async function residentMb({ url }: Server): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Math.round(Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 1e6);
}

const round = (x: number) => Math.round(100 * x) / 100;
const quantile = (list: number[], q: number) => round(list.sort((a, b) => a - b)[Math.ceil(q * list.length) - 1]);

async function flood() {
  const server = await start("--concurrency", "4", "--max-queue", "16", "--cache", "off");
  await throughput(server, 20, 4);
  const health: number[] = [];
  let over = false;
  const watch = (async () => {
    while (!over) {
      const begin = performance.now();
      await fetch(`${server.url}/healthz`);
      health.push(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const answers = await Promise.all(Array.from({ length: uploads }, (_, i) => ask(server, i)));
  // Then as many as are let in, for 10 s: a full load that lasts.
  const end = performance.now() + 10_000;
  let sustained = 0;
  const client = async () => {
    while (performance.now() < end) {
      await ask(server, sustained++);
    }
  };
  await Promise.all(Array.from({ length: 20 }, client));
  over = true;
  await watch;
  await stop(server);
  const accepted = answers.filter(({ status }) => status === 200);
  return {
    uploads,
    accepted: accepted.length,
    right: accepted.filter(({ right }) => right).length,
    refused: answers.filter(({ status }) => status === 429).length,
    sustained,
    health: {
      asked: health.length,
      p50: quantile(health, 0.5),
      p99: quantile(health, 0.99),
      most: quantile(health, 1),
    },
  };
}

async function batching() {
  const result: Record<string, number> = {};
  for (const concurrency of [1, 2, 4, 8, 16]) {
    const server = await start("--concurrency", String(concurrency), "--max-queue", "64", "--cache", "off");
    await throughput(server, count / 5, clients);
    result[concurrency] = round(await throughput(server, count, clients));
    await stop(server);
  }
  return { clients, requestsPerSecond: result, gain: round(Math.max(...Object.values(result)) / result[1]) };
}

async function cached() {
  const server = await start();
  const ms: number[] = [];
  for (let i = 0; i < 100; i++) {
    await ask(server, i);
    const again = await ask(server, i);
    if (again.cache !== "hit") throw new Error("expected a hit");
    if (i >= 50) ms.push(again.ms); // once the code is warm
  }
  await stop(server);
  return { p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) };
}

async function memory() {
  const server = await start("--max-queue", "64", "--cache", "off");
  await throughput(server, requests / 4, clients);
  const megabytes = [await residentMb(server)];
  for (let quarter = 0; quarter < 4; quarter++) {
    await throughput(server, requests / 4, clients);
    megabytes.push(await residentMb(server));
  }
  await stop(server);
  return { requests, residentMb: megabytes };
}

/** A front, Redis, and workers that share the cores. */
async function queue() {
  const port = "16379";
  const redis = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
  const address = `redis://127.0.0.1:${port}`;
  const result: Record<string, number> = {};
  for (const [workers, threads] of [
    [1, 2],
    [2, 1],
  ]) {
    const more = ["--model", values.model, "--device", values.device, "--threads", String(threads)];
    const running = await Promise.all(
      Array.from({ length: workers }, () => launch("worker", "--queue", address, ...more, "--concurrency", "8")),
    );
    const front = await launch("serve", "--port", "0", "--queue", address, "--max-queue", "64", "--cache", "off");
    await throughput(front, count / 5, clients);
    result[`${workers} of ${threads} threads`] = round(await throughput(front, count, clients));
    await stop(front);
    for (const worker of running) await stop(worker);
  }
  redis.kill();
  return { clients, requestsPerSecond: result };
}

const PARTS = { flood, batching, cached, memory, queue };
const report: Record<string, unknown> = {
  node: process.version,
  cpu: cpus()[0].model,
  cores: cpus().length,
  model: values.model,
};
for (const [name, measure] of Object.entries(PARTS)) {
  if (!values.only || values.only.includes(name)) report[name] = await measure();
}
process.stdout.write(`${JSON.stringify(report)}\n`);
