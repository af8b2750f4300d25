import { h } from "./dom.ts";
import { speedOf } from "./format.ts";
import { icon } from "./icons.ts";
import { ready, speed, usesService } from "./recogniser.ts";
import { settings, THEMES } from "./settings.ts";
import { t } from "./strings.ts";

/** Name, views, language and theme. */
export function header(current: () => string): HTMLElement {
  const link = (name: "transcribe" | "live" | "models") =>
    h(
      "a",
      { href: `#${name}`, "aria-current": () => (current() === name ? "page" : undefined) },
      () => t().views[name],
    );
  return h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "#transcribe" }, icon("wave"), h("span", {}, "SenseVoice")),
    h("nav", { "aria-label": () => t().navigation }, link("transcribe"), link("live"), link("models")),
    h(
      "div",
      { class: "switches" },
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          lang: () => (settings.uiLanguage.value === "en" ? "zh-CN" : "en"),
          onclick: () => {
            settings.uiLanguage.value = settings.uiLanguage.peek() === "en" ? "zh" : "en";
          },
        },
        () => t().otherLanguage,
      ),
      h(
        "button",
        {
          type: "button",
          class: "quiet icon-only",
          "aria-label": () => t().themes[settings.theme.value],
          title: () => t().themes[settings.theme.value],
          onclick: () => {
            settings.theme.value = THEMES[(THEMES.indexOf(settings.theme.peek()) + 1) % THEMES.length];
          },
        },
        () => icon(({ auto: "auto", light: "sun", dark: "moon" } as const)[settings.theme.value]),
      ),
    ),
  );
}

/** What hears, and that nothing leaves. */
export function footer(): HTMLElement {
  return h(
    "footer",
    {},
    h(
      "p",
      {},
      icon("lock"),
      h("span", {}, () => (usesService() ? t().toService(location.host) : t().nothingLeaves)),
    ),
    h("p", { class: "device" }, () => {
      const now = ready.value;
      if (!now) return null;
      const fast = speed.value === undefined ? [] : [t().realTime(speedOf(speed.value))];
      return [now.model === "tiny" ? t().tinyName : now.model, now.description, ...fast].join(" · ");
    }),
    () =>
      !usesService() &&
      !crossOriginIsolated &&
      h(
        "p",
        { class: "lacks" },
        icon("warn"),
        h("a", { href: "#models" }, () => t().oneThread),
      ),
  );
}
