import { type Child, h } from "./dom.ts";
import type { Signal } from "./reactive.ts";
import { usesService } from "./recogniser.ts";
import { LANGUAGES, PAGE_DEVICES, settings, speakersThere } from "./settings.ts";
import { t } from "./strings.ts";

/** What is asked of each recognition from now on. */
export function options(): HTMLElement {
  return h(
    "section",
    { class: "options", "aria-labelledby": "options-title" },
    h("h2", { id: "options-title" }, () => t().options),
    choice(
      () => t().language,
      settings.language,
      LANGUAGES,
      (value) => t().languageName(value),
    ),
    toggle(
      () => t().itn,
      () => t().itnHint,
      settings.itn,
    ),
    toggle(
      () => t().timestamps,
      () => t().timestampsHint,
      settings.timestamps,
    ),
    h(
      "div",
      { hidden: () => !speakersThere.value },
      toggle(
        () => t().speakers,
        () => t().speakersHint,
        settings.speakers,
      ),
    ),
    h(
      "label",
      { class: "field" },
      h("span", {}, () => t().hotwords),
      h("input", {
        type: "text",
        value: settings.hotwords.peek(),
        placeholder: () => t().hotwordsHint,
        autocomplete: "off",
        onchange: ({ target }: { target: HTMLInputElement }) => {
          settings.hotwords.value = target.value;
        },
      }),
    ),
    h(
      "p",
      { class: "hint", hidden: () => usesService() },
      () => t().model,
      ": ",
      () => (settings.model.value === "tiny" ? t().tinyName : settings.model.value),
      " · ",
      h("a", { href: "#models" }, () => t().change),
    ),
    choice(
      () => t().device,
      settings.device,
      PAGE_DEVICES,
      (value) => t().devices[value],
    ),
  );
}

/** A label and a list of which one holds. */
export function choice<T extends string>(
  label: () => string,
  signal: Signal<T>,
  values: readonly T[],
  name: (value: T) => string,
): HTMLElement {
  return h(
    "label",
    { class: "field" },
    h("span", {}, label),
    h(
      "select",
      {
        onchange: ({ target }: { target: HTMLSelectElement }) => {
          signal.value = target.value as T;
        },
        value: () => signal.value,
      },
      values.map((value) => h("option", { value }, (): Child => name(value))),
    ),
  );
}

function toggle(label: () => string, hint: () => string, signal: Signal<boolean>): HTMLElement {
  return h(
    "label",
    { class: "toggle" },
    h("input", {
      type: "checkbox",
      checked: () => signal.value,
      onchange: ({ target }: { target: HTMLInputElement }) => {
        signal.value = target.checked;
      },
    }),
    h("span", {}, h("span", {}, label), h("span", { class: "hint" }, hint)),
  );
}
