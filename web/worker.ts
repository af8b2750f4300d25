import { createEngine, type Engine, listModels, removeModel, SenseVoiceError } from "../src/browser.ts";
import { adapterName, isSoftware, requestAdapter } from "../src/kernels/webgpu/adapter.ts";
import { decode, hear } from "./hear.ts";
import type { Abilities, CallName, Calls, FromWorker, Ready, ToWorker } from "./protocol.ts";
import { wavOf } from "./wav.ts";

// The page's worker: everything that takes time is done here, one call at a time for each id.

interface Call<K extends CallName> {
  readonly ask: Calls[K]["ask"];
  readonly tell: (what: Calls[K]["tell"]) => void;
  readonly signal: AbortSignal;
  /** Samples that the page sends. */
  readonly samples: ReadableStream<Float32Array>;
}

/** The typings of a page have no worker's scope. */
const port = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};

const running = new Map<number, { abort: AbortController; sound: ReadableStreamDefaultController<Float32Array> }>();
let engine: Engine | undefined;
let ready: { readonly key: string; readonly ready: Ready } | undefined;
/** Models are loaded one after another. */
let loading: Promise<unknown> = Promise.resolve();

const calls: { readonly [K in CallName]: (call: Call<K>) => Promise<Calls[K]["answer"]> } = {
  abilities,
  load: (call) => {
    const loaded = loading.then(() => load(call));
    loading = loaded.catch(() => {});
    return loaded;
  },
  transcribe: async ({ ask: { sound, name, options }, tell, signal }) => {
    let duration = 0;
    const counted = decode(sound, name, (heard) => {
      duration = heard.duration ?? duration;
      tell(heard);
    });
    // The tiny model brings no voice activity, and hears little but its own voices: it goes by loudness, as live sound does.
    const vad = ready?.ready.model === "tiny" ? "energy" : undefined;
    await hear(expectEngine(), counted, { ...options, signal, vad }, tell);
    return { duration };
  },
  look: async ({ ask: { sound, name }, tell, signal }) => {
    for (const sounds = decode(sound, name, tell); ; signal.throwIfAborted()) {
      const { value, done } = await sounds.next();
      if (done) return { duration: value };
    }
  },
  playable: ({ ask: { sound, name } }) => wavOf(decode(sound, name, () => {})),
  listen: async ({ ask, tell, signal, samples }) => {
    const stream = expectEngine().stream({ ...ask, signal });
    const feed = async () => {
      const reader = samples.getReader();
      for (let step = await reader.read(); !step.done; step = await reader.read()) await stream.write(step.value);
      stream.end();
    };
    const fed = feed();
    for await (const result of stream) tell(result);
    await fed;
    return undefined;
  },
  speakers: async ({ ask: { model, speakerModel } }) => {
    if (speakerModel) return true;
    if ((await listModels()).some(({ name, whole }) => whole && name === speakersOf(model))) return true;
    if (model === "tiny") return false;
    const config = await fetch(`${speakersOf(model)}/config.json`, { method: "HEAD" }).catch(() => undefined);
    return config?.ok === true && !config.headers.get("content-type")?.startsWith("text/html");
  },
  models: async () => listModels(),
  remove: async ({ ask }) => {
    await removeModel(ask);
    return undefined;
  },
};

/** Where a model's own speaker model is, and what it is kept as. */
function speakersOf(model: string): string {
  return `${model.replace(/\/$/, "")}/speaker`;
}

async function abilities(): Promise<Abilities> {
  const adapter = await requestAdapter().catch(() => undefined);
  const storage = await navigator.storage?.getDirectory?.().then(
    () => true,
    () => false,
  );
  return {
    webgpu: "gpu" in navigator,
    adapter: adapter && adapterName(adapter),
    software: adapter ? isSoftware(adapter) : false,
    threads: crossOriginIsolated ? navigator.hardwareConcurrency || 1 : 1,
    isolated: crossOriginIsolated,
    storage: storage ?? false,
  };
}

async function load({ ask, tell, signal }: Call<"load">): Promise<Ready> {
  const key = JSON.stringify(ask);
  if (ready?.key === key) return ready.ready;
  const begin = performance.now();
  ready = undefined;
  await engine?.close();
  engine = undefined;
  engine = await createEngine({ ...ask, signal, onProgress: tell });
  const { device: name, deviceDescription: description } = engine;
  ready = { key, ready: { model: ask.model, device: name, description, loadMs: performance.now() - begin } };
  return ready.ready;
}

function expectEngine(): Engine {
  if (engine) return engine;
  throw new SenseVoiceError("[page] expected a model, got none: load one first");
}

port.onmessage = ({ data }) => {
  const { id } = data;
  if ("cancel" in data) return running.get(id)?.abort.abort();
  if ("pcm" in data) {
    const sound = running.get(id)?.sound;
    return data.pcm ? sound?.enqueue(data.pcm) : sound?.close();
  }
  void answer(data);
};

async function answer<K extends CallName>({ id, call, ask }: { id: number; call: K; ask: Calls[K]["ask"] }) {
  const abort = new AbortController();
  let sound!: ReadableStreamDefaultController<Float32Array>;
  const samples = new ReadableStream<Float32Array>({
    start(controller) {
      sound = controller;
    },
  });
  running.set(id, { abort, sound });
  const tell = (what: Calls[K]["tell"]) => port.postMessage({ id, tell: what });
  try {
    const result = await calls[call]({ ask, tell, signal: abort.signal, samples });
    port.postMessage({ id, answer: result });
  } catch (error) {
    const { name = "Error", message = String(error) } = error as Partial<Error>;
    port.postMessage({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
}
