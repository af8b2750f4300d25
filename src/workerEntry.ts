/**
 * What a page imports from "sensevoice/worker": the engine of "sensevoice" in a Worker of its own, so that the page never
 * waits for it.
 */
import type { EngineOptions } from "./browserEngine.ts";
import { SenseVoiceError } from "./error.ts";
import { expectObject } from "./options.ts";
import { untilAborted } from "./pause.ts";
import { Channel } from "./remote/channel.ts";
import { type EngineFacts, RemoteEngine, sendOptions } from "./remote/remoteEngine.ts";

export type { EngineOptions } from "./browserEngine.ts";
export * from "./index.ts";
export type { RemoteEngine } from "./remote/remoteEngine.ts";
export { type KeptModel, listModels, removeModel } from "./weights/browserStorage.ts";

/**
 * Starts a Worker and loads a model in it; options as those of `createEngine` of "sensevoice".
 *
 * @throws SenseVoiceError as that does, and if the Worker cannot be started
 */
export async function createEngine(options: EngineOptions): Promise<RemoteEngine> {
  expectObject("options", options);
  // Only a page may ask that what it keeps is not cleared when space runs out.
  if (options.keep !== false) void navigator.storage?.persist?.().catch(() => false);
  const worker = new Worker(new URL("./workerProgram.js", import.meta.url), { type: "module" });
  const channel = new Channel(worker);
  const stop = (reason: SenseVoiceError) => {
    channel.close(reason);
    worker.terminate();
  };
  const died = (reason: string) =>
    stop(new SenseVoiceError(`[worker] the engine's Worker died (${reason}): create a new engine`));
  worker.onmessage = ({ data }) => channel.receive(data);
  worker.onmessageerror = () => died("a message could not be read");
  worker.onerror = (event) => {
    event.preventDefault();
    died(event.message || "its program could not be loaded");
  };
  let done = () => {};
  try {
    const { sent, ...rest } = sendOptions(channel, options);
    done = rest.done;
    await watch(channel, () => died("it ended"));
    const facts = channel.call<EngineFacts>("create", [sent, globalThis.location.href]);
    return new RemoteEngine(channel, await untilAborted(facts, options.signal), stop);
  } catch (error) {
    stop(new SenseVoiceError("[worker] the engine was not created"));
    throw error;
  } finally {
    done();
  }
}

/** Calls `onEnd` once the Worker is gone: the lock that it holds is free then. */
async function watch(channel: Channel, onEnd: () => void): Promise<void> {
  const lock = `sensevoice worker ${Math.random()}`;
  await channel.call("live", [lock]);
  void navigator.locks?.request(lock, onEnd);
}
