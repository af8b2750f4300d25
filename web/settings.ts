import type { AskedLanguage, Device } from "../src/index.ts";
import type { Ask, ModelChoice } from "./protocol.ts";
import { effect, Signal } from "./reactive.ts";

/** What the user chose, kept in localStorage. */

export const UI_LANGUAGES = ["en", "zh"] as const;
export type UiLanguage = (typeof UI_LANGUAGES)[number];
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const LANGUAGES = ["auto", "zh", "en", "yue", "ja", "ko"] as const satisfies readonly AskedLanguage[];
export const PAGE_DEVICES = ["auto", "webgpu", "cpu"] as const satisfies readonly Device[];

const PREFIX = "sensevoice.";

const preferred = typeof navigator === "undefined" ? "en" : navigator.language;

export const settings = {
  uiLanguage: stored<UiLanguage>("uiLanguage", preferred.startsWith("zh") ? "zh" : "en", oneOf(UI_LANGUAGES)),
  theme: stored<Theme>("theme", "auto", oneOf(THEMES)),
  model: stored<string>("model", "tiny", isText),
  device: stored<(typeof PAGE_DEVICES)[number]>("device", "auto", oneOf(PAGE_DEVICES)),
  language: stored<(typeof LANGUAGES)[number]>("language", "auto", oneOf(LANGUAGES)),
  itn: stored<boolean>("itn", false, isBoolean),
  timestamps: stored<boolean>("timestamps", true, isBoolean),
  hotwords: stored<string>("hotwords", "", isText),
  /** Whether it is told who speaks, where that can be told. */
  speakers: stored<boolean>("speakers", false, isBoolean),
  /** Address of a speaker model; the model's own if it is empty. */
  speakerModel: stored<string>("speakerModel", "", isText),
  /** Whether a service that is there is used. */
  service: stored<boolean>("service", true, isBoolean),
} as const;

/** What a service asks for, if it does. Not kept. */
export const serviceKey = new Signal("");

/** Whether what hears has a speaker model. */
export const speakersThere = new Signal(false);

export function modelChoice(): ModelChoice {
  const speakerModel = settings.speakerModel.peek() || undefined;
  return { model: settings.model.peek(), device: settings.device.peek(), speakerModel };
}

export function currentAsk(): Ask {
  const hotwords = settings.hotwords
    .peek()
    .split(/[,;\n，、；]/)
    .map((word) => word.trim())
    .filter((word) => word !== "");
  return {
    language: settings.language.peek(),
    itn: settings.itn.peek(),
    timestamps: settings.timestamps.peek(),
    hotwords: hotwords.length > 0 ? hotwords : undefined,
    speakers: (settings.speakers.peek() && speakersThere.peek()) || undefined,
  };
}

export function forgetSettings(): void {
  for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
}

function stored<T>(name: string, otherwise: T, check: (value: unknown) => boolean): Signal<T> {
  const signal = new Signal(read(PREFIX + name, otherwise, check));
  let first = true;
  effect(() => {
    const { value } = signal;
    // Only what was chosen is kept: the rest may follow the browser.
    if (!first) write(PREFIX + name, value);
    first = false;
  });
  return signal;
}

function read<T>(name: string, otherwise: T, check: (value: unknown) => boolean): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(name) ?? "null");
    return check(value) ? (value as T) : otherwise;
  } catch {
    return otherwise; // not JSON, or storage that is forbidden
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Forbidden or full: the choice holds for this visit.
  }
}

function oneOf(values: readonly unknown[]): (value: unknown) => boolean {
  return (value) => values.includes(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}
