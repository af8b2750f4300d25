import { h } from "./dom.ts";
import { bytesOf } from "./format.ts";
import { effect } from "./reactive.ts";
import { loading } from "./recogniser.ts";
import { t } from "./strings.ts";

/** How far the model is, while it is loaded. */
export function loadingBar(): HTMLElement {
  const bar = h("progress", { max: 1, "aria-label": () => t().loadingModel });
  effect(() => {
    const { done, total } = loading.value ?? { done: 0, total: 0 };
    if (total > 0) bar.value = done / total;
    else bar.removeAttribute("value");
  });
  return h(
    "div",
    { class: "box loading", hidden: () => loading.value === undefined },
    h("span", {}, () => (loading.value?.task === "download" ? t().downloadingModel : t().loadingModel)),
    bar,
    h("span", { class: "hint" }, () => {
      const { done, total } = loading.value ?? { done: 0, total: 0 };
      return total > 0 ? `${bytesOf(done)} / ${bytesOf(total)}` : "";
    }),
  );
}
