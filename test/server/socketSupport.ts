import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { expect } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { serveSchema } from "../../src/server/config.ts";
import { startServer } from "../../src/server/serve.ts";

/** A server in this process, with the model tiny on the CPU unless the options say otherwise. */
export async function startServerHere(options: object = {}): Promise<{ address: string; close(): Promise<void> }> {
  const config = serveSchema.parse({ port: 0, model: "tiny", device: "cpu", threads: 1, ...options });
  const { address, stop } = await startServer(config, pino({ level: "silent" }), "0.0.0");
  return { address, close: stop };
}

export function sample(name: string): string {
  return fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));
}

/** What the model says of a sample as a whole. */
export function expectedText(name: string): string {
  const lines = readFileSync(sample("expected.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line)).find(({ file }) => file === name).text;
}

export interface Message {
  readonly type?: string;
  readonly [name: string]: unknown;
}

/** A client's end of a socket; what came, and how it was closed. */
export class TestSocket {
  readonly messages: Message[] = [];
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  #changed = () => {};

  constructor(address: string, path: string, options: ClientOptions & { protocols?: string[] } = {}) {
    const { protocols = [], ...rest } = options;
    this.ws = new WebSocket(address.replace("http", "ws") + path, protocols, rest);
    this.ws.on("message", (data, binary) => {
      expect(binary).toBe(false);
      this.messages.push(JSON.parse(String(data)));
      this.#changed();
    });
    this.closed = new Promise((resolve) => {
      this.ws.on("close", (code, reason) => {
        resolve({ code, reason: String(reason) });
        this.#changed();
      });
    });
    this.ws.on("error", () => {});
  }

  /** Resolves once it is open; it is an error if it is refused. */
  async ready(): Promise<void> {
    expect(await this.opened()).toBe(101);
  }

  /** 101 once it is open, else the status of the answer. */
  opened(): Promise<number> {
    if (this.ws.readyState === this.ws.OPEN) return Promise.resolve(101);
    return new Promise((resolve, reject) => {
      this.ws.on("open", () => resolve(101));
      this.ws.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
      this.ws.on("error", reject);
    });
  }

  send(message: object | Uint8Array): void {
    this.ws.send(message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  /** The first message that fits, from `from` on. */
  async until(fits: (message: Message) => boolean, from = 0): Promise<Message> {
    for (;;) {
      const found = this.messages.slice(from).find(fits);
      if (found) return found;
      if (this.ws.readyState === this.ws.CLOSED) throw new Error(`closed after ${JSON.stringify(this.messages)}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

/** Samples as 16-bit integers. */
export function s16(pcm: Float32Array): Buffer {
  const bytes = Buffer.alloc(2 * pcm.length);
  for (const [i, x] of pcm.entries())
    bytes.writeInt16LE(Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))), 2 * i);
  return bytes;
}

/** Pieces of so many bytes. */
export function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** Waits until something holds. */
export async function eventually(holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const begin = performance.now();
  while (!(await holds())) {
    if (performance.now() - begin > seconds * 1000) throw new Error(`expected within ${seconds} s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The value of a metric without labels. */
export async function metric(address: string, name: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
}
