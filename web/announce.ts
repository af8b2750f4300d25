import { h } from "./dom.ts";
import { Signal } from "./reactive.ts";

const message = new Signal("");

/** Says something to screen readers, once what they say now is over. */
export function announce(text: string): void {
  message.value = text;
}

export function announcer(): HTMLElement {
  return h("div", { class: "unseen", role: "status", "aria-live": "polite" }, () => message.value);
}
