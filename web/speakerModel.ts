import type { KeptModel } from "../src/browser.ts";
import { h } from "./dom.ts";
import { bytesOf } from "./format.ts";
import { icon } from "./icons.ts";
import { settings } from "./settings.ts";
import { t } from "./strings.ts";

/** Where the speaker model comes from; it is fetched once speakers are asked for. And those that are kept. */
export function speakerModel(kept: () => readonly KeptModel[], remove: (name: string) => void): HTMLElement {
  const input = h("input", {
    type: "text",
    class: "speaker-address",
    inputmode: "url",
    placeholder: "https://…/speaker/",
    value: () => settings.speakerModel.value,
    onchange: () => {
      const address = input.value.trim();
      settings.speakerModel.value = address && new URL(address, document.baseURI).href;
    },
  });
  return h(
    "div",
    {},
    h(
      "label",
      { class: "field" },
      h("span", {}, () => t().speakerAddress),
      input,
    ),
    h("p", { class: "hint" }, () => t().speakerAddressHint),
    () =>
      kept().map(({ name, bytes }) =>
        h(
          "div",
          { class: "model" },
          h("div", {}, h("span", { class: "name" }, name), h("span", { class: "hint" }, t().keptBytes(bytesOf(bytes)))),
          h(
            "button",
            { type: "button", class: "icon-only", "aria-label": t().removeNamed(name), onclick: () => remove(name) },
            icon("close"),
          ),
        ),
      ),
  );
}
