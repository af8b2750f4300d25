import { h } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Problem } from "./problem.ts";
import { t } from "./strings.ts";

/**
 * Says what went wrong and what to do about it; below that, on demand, what the engine or the browser said.
 *
 * @param kept whether something was heard before
 */
export function problemBox(
  { kind, detail }: Problem,
  action?: { readonly label: () => string; readonly act: () => void } | undefined,
  kept = false,
): HTMLElement {
  return h(
    "div",
    { class: "box problem", role: "alert" },
    icon("warn"),
    h(
      "div",
      {},
      h("p", {}, () => t().problems[kind], kept && " ", kept && (() => t().keptSoFar)),
      h(
        "details",
        {},
        h("summary", {}, () => t().details),
        h("p", { class: "detail" }, detail),
      ),
    ),
    action && h("button", { type: "button", onclick: action.act }, icon("retry"), action.label),
  );
}
