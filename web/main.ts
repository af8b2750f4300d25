import { announcer } from "./announce.ts";
import { append, h } from "./dom.ts";
import { percentOf } from "./format.ts";
import { footer, header } from "./frame.ts";
import { isListening, liveView } from "./liveView.ts";
import { modelsView } from "./modelsView.ts";
import { keepPage } from "./offline.ts";
import { isOpen, recordings, restore } from "./queue.ts";
import { effect, Signal, scope, untracked } from "./reactive.ts";
import { followChoices, serviceModel, serviceSpeakers } from "./recogniser.ts";
import { findService } from "./service.ts";
import { settings } from "./settings.ts";
import { takeDrops } from "./sources.ts";
import { t } from "./strings.ts";
import { transcribeView } from "./transcribeView.ts";

export const VIEWS = { transcribe: transcribeView, live: liveView, models: modelsView } as const;
type ViewName = keyof typeof VIEWS;

const view = new Signal<ViewName>(viewNamed(location.hash));

scope(() => {
  followSettings();
  followChoices();
  const main = h("main", { id: "main", tabindex: "-1" });
  append(document.body, [
    h("a", { class: "skip", href: "#main", onclick: (event: Event) => skip(event, main) }, () => t().skip),
    header(() => view.value),
    main,
    footer(),
    announcer(),
  ]);
  // A view is made when it is first looked at, and stays: a microphone may be open in it.
  const made = new Set<ViewName>();
  effect(() => {
    const name = view.value;
    if (made.has(name)) return;
    made.add(name);
    untracked(() => scope(() => append(main, [h("div", { hidden: () => view.value !== name }, VIEWS[name]())])));
  });
  takeDrops(document.body);
});

addEventListener("hashchange", () => {
  view.value = viewNamed(location.hash);
  scrollTo(0, 0);
});
addEventListener("beforeunload", (event) => {
  if (isListening() || recordings.peek().some(isOpen)) event.preventDefault();
});
void restore();
void keepPage(() => !isListening() && !recordings.peek().some(isOpen));
void findService().then((found) => {
  serviceSpeakers.value = found?.speakers ?? false;
  serviceModel.value = found?.model;
});

function viewNamed(hash: string): ViewName {
  const name = hash.slice(1);
  return name in VIEWS ? (name as ViewName) : "transcribe";
}

function skip(event: Event, main: HTMLElement): void {
  event.preventDefault();
  main.focus();
}

function followSettings(): void {
  effect(() => {
    document.documentElement.lang = settings.uiLanguage.value === "zh" ? "zh-CN" : "en";
  });
  effect(() => {
    const { value } = settings.theme;
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  });
  effect(() => {
    const open = recordings.value.find(({ progress }) => progress.value.kind === "working");
    const share = open && open.duration.value > 0 ? `${percentOf(open.done.value / open.duration.value)} · ` : "";
    document.title = `${share}SenseVoice`;
  });
}
