import { ownEngine, type Recogniser, remote } from "./engine.ts";
import type { Loading, Ready } from "./protocol.ts";
import { effect, Signal } from "./reactive.ts";
import { service } from "./service.ts";
import { modelChoice, settings, speakersThere } from "./settings.ts";

/** The model that a service has, if the page comes from one; "?" if it asks for a key. */
export const serviceModel = new Signal<string | undefined>(undefined);
/** Whether the service tells speakers apart. */
export const serviceSpeakers = new Signal(false);
/** How far a model is that is being loaded. */
export const loading = new Signal<Loading | undefined>(undefined);
/** What hears now. */
export const ready = new Signal<Ready | undefined>(undefined);
/** Seconds of sound in a second, as last measured. */
export const speed = new Signal<number | undefined>(undefined);

export function usesService(): boolean {
  return serviceModel.value !== undefined && settings.service.value;
}

export function recogniser(): Recogniser {
  return usesService() ? service : ownEngine;
}

/** Makes what hears ready. */
export async function loadRecogniser(signal: AbortSignal): Promise<Ready> {
  const chosen = recogniser();
  const tell = (progress: Loading) => {
    loading.value = progress;
  };
  try {
    if (!ready.peek()) loading.value = { task: "", done: 0, total: 0 };
    const loaded = await chosen.load(modelChoice(), tell, signal);
    ready.value = loaded;
    return loaded;
  } finally {
    loading.value = undefined;
  }
}

/** Another choice of model or device holds from the next recognition on. */
export function followChoices(): void {
  effect(() => {
    settings.model.value;
    settings.device.value;
    settings.speakerModel.value;
    usesService();
    ready.value = undefined;
    speed.value = undefined;
  });
  let asked = 0;
  effect(() => {
    settings.model.value;
    settings.speakerModel.value;
    const now = ++asked;
    const own = serviceSpeakers.value;
    if (usesService()) speakersThere.value = own;
    else {
      const there = remote.call("speakers", modelChoice()).catch(() => false);
      void there.then((found) => {
        if (now === asked) speakersThere.value = found;
      });
    }
  });
  remote.onLost = () => {
    ready.value = undefined;
  };
}
