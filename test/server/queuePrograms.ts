import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { readAudio } from "../../src/node.ts";
import type { TestRedis } from "../support/redis.ts";
import { type Running, startProgram } from "../support/service.ts";
import { wavOf } from "../support/wav.ts";

const samples = new URL("../../samples/", import.meta.url);
const expected = readFileSync(new URL("expected.jsonl", samples), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
export const plain = expected.filter(({ use_itn, raw }) => !use_itn && /Speech/.test(raw));
export const soundOf = (file: string) => new Uint8Array(readFileSync(new URL(file, samples)));

export const SECRET = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const running: Running[] = [];

/** Ends what a test has started. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((program) => program.stop("SIGKILL")));
}

export async function startWorker(redis: TestRedis, ...more: string[]): Promise<Running> {
  const device = ["--model", "tiny", "--device", "cpu", "--threads", "1", "--stall-seconds", "1.5"];
  const worker = await startProgram(["worker", "--queue", redis.url, ...device, ...more]);
  running.push(worker);
  return worker;
}

export async function startFront(redis: TestRedis, ...more: string[]): Promise<{ url: string; front: Running }> {
  const front = await startProgram(["serve", "--port", "0", "--queue", redis.url, "--max-queue", "200", ...more], {
    SENSEVOICE_WEBHOOK_SECRET: SECRET,
  });
  running.push(front);
  return { url: front.line.replace("listening on ", ""), front };
}

export function send(url: string, sound: Uint8Array, fields: Record<string, string> = {}, signal?: AbortSignal) {
  const body = new FormData();
  body.append("file", new Blob([new Uint8Array(sound)]), "sound");
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return fetch(url, { method: "POST", body, signal });
}

export async function until<T>(
  what: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 30_000,
): Promise<T> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const value = await what();
    if (value) return value;
    await sleep(50);
  }
  throw new Error(`expected it within ${ms} ms`);
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const isReady = async (url: string) => (await fetch(`${url}/readyz`)).ok;
export const json = async (answer: Response) => ({ status: answer.status, body: await answer.json() });
export const doneJob = (url: string, id: string) =>
  until(async () => {
    const { body } = await json(await fetch(`${url}/v1/jobs/${id}`));
    return (body.state === "completed" || body.state === "failed") && body;
  }, 90_000);

/** English that lasts: a segment for each time it is said. */
export async function longSound(times: number): Promise<Uint8Array> {
  const pcm = await readAudio(fileURLToPath(new URL("en.wav", samples)));
  const all = new Float32Array(pcm.length * times);
  for (let i = 0; i < times; i++) all.set(pcm, i * pcm.length);
  return wavOf(all);
}

/** Who is told of jobs; answers what `status` says. */
export async function startListener(status: (calls: number) => number = () => 200) {
  const calls: { headers: Record<string, unknown>; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    calls.push({ headers: request.headers, body });
    response.writeHead(status(calls.length), { location: "/elsewhere" }).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, url: `http://${host}/done`, calls, close: () => server.close() };
}

/** Emotions and events depend on the options; the words do not. */
export function withoutMarks(text: string): string {
  return text.replace(/[\p{Extended_Pictographic}\s]/gu, "");
}

export function textOf(file: string): string {
  return withoutMarks(plain.find((line) => line.file === file).text);
}
