import type { UiLanguage } from "./settings.ts";
import { settings } from "./settings.ts";
import { en, type Strings } from "./strings/en.ts";
import { zh } from "./strings/zh.ts";

const STRINGS: Readonly<Record<UiLanguage, Strings>> = { en, zh };

/** What the page says, in the language that is chosen: a file for each. */
export function t(): Strings {
  return STRINGS[settings.uiLanguage.value];
}
