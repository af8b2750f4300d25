import type { LiveResult, Segment } from "../src/index.ts";
import { type Input, type Listening, type Recogniser, remote } from "./engine.ts";
import { ServiceError } from "./problem.ts";
import type { Ask, Heard, Ready } from "./protocol.ts";
import { serviceKey } from "./settings.ts";

/** The service that the page comes from, if it does: it says so in `web.json` beside the page. */
export async function findService(): Promise<{ readonly model: string; readonly speakers: boolean } | undefined> {
  try {
    const about = (await (await fetch(at("web.json"))).json()) as { service?: boolean; speakers?: boolean };
    const { service, speakers = false } = about;
    if (!service) return undefined;
    const response = await fetch(at("v1/models"), { headers: headers() });
    if (response.status === 401) return { model: "?", speakers };
    const { data } = (await response.json()) as { data: { id: string }[] };
    return { model: data[0].id, speakers };
  } catch {
    return undefined;
  }
}

/** The service that the page comes from. Sound goes there and nowhere else. */
export const service: Recogniser = {
  async load() {
    const begin = performance.now();
    const response = await fetch(at("v1/models"), { headers: headers() }).catch(cut);
    if (!response.ok) throw await errorOf(response);
    const { data } = (await response.json()) as { data: { id: string }[] };
    return {
      model: data[0].id,
      device: "service",
      description: location.host,
      loadMs: performance.now() - begin,
    } satisfies Ready;
  },
  async transcribe(input, tell, signal) {
    const looked = look(input, tell, signal);
    const response = await fetch(at("v1/transcribe"), {
      method: "POST",
      headers: headers(),
      body: await formOf(input),
      signal,
    }).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      return cut(error);
    });
    if (!response.ok || !response.body) throw await errorOf(response);
    let last = 0;
    for await (const line of linesOf(response.body)) {
      const message = JSON.parse(line) as Segment | { error: { message: string } };
      if ("error" in message) throw new ServiceError(500, message.error.message);
      last = message.end;
      tell({ segment: message, done: message.end });
    }
    return { duration: (await looked) ?? last };
  },
  listen: (ask, tell) => listenLive(ask, tell),
};

function at(path: string): URL {
  return new URL(path, document.baseURI);
}

function headers(): Record<string, string> {
  const key = serviceKey.peek();
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

function cut(error: unknown): never {
  throw new ServiceError(0, error instanceof Error ? error.message : String(error));
}

async function errorOf(response: Response): Promise<ServiceError> {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  return new ServiceError(response.status, body?.error?.message ?? `HTTP ${response.status}`);
}

async function formOf({ sound, name, options }: Input): Promise<FormData> {
  const form = new FormData();
  form.set("format", "jsonl");
  for (const [key, text] of textsOf(options)) form.set(key, text);
  // What the browser had to decode goes as a wav file.
  form.set("file", sound instanceof Blob ? sound : await remote.call("playable", { sound, name }), name);
  return form;
}

/** What is asked, as fields of a form or an address. */
function textsOf(ask: Ask): [name: string, text: string][] {
  const given = Object.entries(ask).filter(([, value]) => value !== undefined);
  return given.map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]);
}

/** The wave form is made here. A file that only the service can read has none. */
async function look({ sound, name }: Input, tell: (heard: Heard) => void, signal: AbortSignal) {
  const seen = await remote.call("look", { sound, name }, { tell, signal }).catch(() => undefined);
  return seen?.duration;
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  for (let step = await reader.read().catch(cut); !step.done; step = await reader.read().catch(cut)) {
    const lines = (held + decoder.decode(step.value, { stream: true })).split("\n");
    held = lines.pop() ?? "";
    yield* lines.filter((line) => line !== "");
  }
  if (held !== "") yield held;
}

function listenLive(ask: Ask, tell: (result: LiveResult) => void): Listening {
  const address = at("v1/live");
  address.protocol = address.protocol.replace("http", "ws");
  address.searchParams.set("encoding", "f32le");
  for (const [key, text] of textsOf(ask)) address.searchParams.set(key, text);
  const key = serviceKey.peek();
  const socket = new WebSocket(address, key === "" ? ["live"] : ["live", `openai-insecure-api-key.${key}`]);
  /** What comes before the socket is open waits. */
  const waiting: (Float32Array<ArrayBuffer> | string)[] = [];
  const send = (message: Float32Array<ArrayBuffer> | string) => {
    if (socket.readyState === WebSocket.CONNECTING) waiting.push(message);
    else if (socket.readyState === WebSocket.OPEN) socket.send(message);
  };
  const done = new Promise<void>((resolve, reject) => {
    let finished = false;
    socket.onopen = () => {
      for (const message of waiting.splice(0)) socket.send(message);
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as LiveResult | { type: "done" } | { error: { message: string } };
      if ("error" in message) reject(new ServiceError(500, message.error.message));
      else if ("type" in message) finished = true;
      else tell(message);
    };
    socket.onclose = ({ code, reason }) => {
      if (finished) resolve();
      else reject(new ServiceError(0, reason || `WebSocket ${code}`));
    };
  });
  return { write: send, end: () => send(JSON.stringify({ type: "end" })), done };
}
