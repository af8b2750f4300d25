import type { KeptModel } from "../src/browser.ts";
import { announce } from "./announce.ts";
import { each, h } from "./dom.ts";
import { remote } from "./engine.ts";
import { forgetEverything } from "./forget.ts";
import { bytesOf, secondsOf, speedOf } from "./format.ts";
import { icon } from "./icons.ts";
import { loadingBar } from "./loadingBar.ts";
import { choice } from "./options.ts";
import { type Problem, problemOf } from "./problem.ts";
import { problemBox } from "./problemBox.ts";
import type { Abilities } from "./protocol.ts";
import { effect, Signal } from "./reactive.ts";
import { loading, loadRecogniser, ready, recogniser, serviceModel, speed, usesService } from "./recogniser.ts";
import { PAGE_DEVICES, serviceKey, settings } from "./settings.ts";
import { speakerModel } from "./speakerModel.ts";
import { t } from "./strings.ts";

/** Bytes of the model that comes with the page. */
const TINY_BYTES = 14e6;

const kept = new Signal<readonly KeptModel[]>([]);
const speakerModels = new Signal<readonly KeptModel[]>([]);
const abilities = new Signal<Abilities | undefined>(undefined);
const problem = new Signal<Problem | undefined>(undefined);

/** What hears, on what, how fast; what is kept in this browser. */
export function modelsView(): HTMLElement {
  void remote.call("abilities", undefined).then((found) => {
    abilities.value = found;
  });
  effect(() => {
    // Loaded or removed, or fetched while something was heard: the list may be another.
    ready.value;
    speed.value;
    void refresh();
  });
  return h(
    "div",
    { class: "models" },
    h("h1", {}, () => t().modelsTitle),
    h("p", { class: "lead" }, () => t().modelsLead),
    () => problem.value && problemBox(problem.value, { label: () => t().tryAgain, act: () => void load() }),
    loadingBar(),
    () => serviceModel.value !== undefined && serviceCard(serviceModel.value),
    h(
      "section",
      { class: "card", "aria-labelledby": "model-title", hidden: () => usesService() },
      h("h2", { id: "model-title" }, () => t().model),
      modelChoices(),
      addressForm(),
      h("p", { class: "hint" }, () => t().tinyHint),
      speakerModel(
        () => speakerModels.value,
        (name) => void removeModel(name),
      ),
    ),
    h(
      "section",
      { class: "card", "aria-labelledby": "device-title", hidden: () => usesService() },
      h("h2", { id: "device-title" }, () => t().deviceTitle),
      choice(
        () => t().device,
        settings.device,
        PAGE_DEVICES,
        (value) => t().devices[value],
      ),
      () => abilities.value && abilityList(abilities.value),
      speedLine(),
    ),
    h(
      "section",
      { class: "card", "aria-labelledby": "data-title" },
      h("h2", { id: "data-title" }, () => t().yourData),
      h("p", {}, () => t().dataHint),
      h("button", { type: "button", class: "danger", onclick: forgetEverything }, () => t().forget),
    ),
  );
}

async function refresh(): Promise<void> {
  const all = await remote.call("models", undefined).catch(() => []);
  const isSpeaker = ({ kind }: KeptModel) => kind === "sensevoice-speaker";
  speakerModels.value = all.filter(isSpeaker);
  kept.value = all.filter((model) => !isSpeaker(model));
}

async function load(): Promise<void> {
  problem.value = undefined;
  try {
    await loadRecogniser(new AbortController().signal);
    announce(t().modelReady);
  } catch (error) {
    problem.value = problemOf(error, "model");
  }
  await refresh();
}

/** A choice stays the same element while it is offered: it may have the focus. */
function modelChoices(): HTMLElement {
  const offered = new Signal<readonly KeptModel[]>([]);
  effect(() => {
    const names = new Set(["tiny", ...kept.value.map(({ name }) => name), settings.model.value]);
    const known = offered.peek();
    offered.value = [...names].map((name) => {
      const model = kept.value.find((other) => other.name === name);
      const before = known.find((other) => other.name === name);
      const same = before && before.bytes === (model?.bytes ?? 0) && before.whole === (model?.whole ?? false);
      return same ? before : (model ?? { name, bytes: 0, whole: false, date: new Date() });
    });
  });
  const group = h("div", { role: "radiogroup", "aria-labelledby": "model-title" });
  each(group, () => offered.value, modelChoice);
  return group;
}

function modelChoice({ name, bytes, whole }: KeptModel): HTMLElement {
  const isTiny = name === "tiny";
  const about = () => {
    if (bytes > 0) return whole ? t().keptBytes(bytesOf(bytes)) : t().keptPart(bytesOf(bytes));
    return isTiny ? t().notKept(bytesOf(TINY_BYTES)) : t().notYet;
  };
  return h(
    "div",
    { class: "model" },
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: "model",
        value: name,
        checked: () => settings.model.value === name,
        onchange: () => {
          settings.model.value = name;
        },
      }),
      h(
        "span",
        {},
        h("span", { class: "name" }, isTiny ? () => t().tinyName : name),
        h("span", { class: "hint" }, about),
      ),
    ),
    bytes > 0 &&
      h(
        "button",
        {
          type: "button",
          class: "icon-only",
          "aria-label": () => t().removeNamed(name),
          onclick: () => removeModel(name),
        },
        icon("close"),
      ),
  );
}

async function removeModel(name: string): Promise<void> {
  await remote.call("remove", name).catch((error: unknown) => {
    problem.value = problemOf(error, "model");
  });
  if (settings.model.peek() === name) settings.model.value = "tiny";
  announce(t().removed(name));
  await refresh();
}

function addressForm(): HTMLElement {
  const input = h("input", {
    type: "url",
    inputmode: "url",
    placeholder: "https://…/model/",
    "aria-label": () => t().address,
    required: true,
  });
  return h(
    "form",
    {
      class: "address",
      novalidate: true,
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        if (input.value.trim() === "") return input.focus();
        settings.model.value = new URL(input.value.trim(), document.baseURI).href;
        input.value = "";
        void load();
      },
    },
    h(
      "label",
      { class: "field" },
      h("span", {}, () => t().address),
      input,
    ),
    h(
      "button",
      { type: "submit", disabled: () => loading.value !== undefined },
      icon("download"),
      () => t().fetchModel,
    ),
    h("p", { class: "hint" }, () => t().addressHint),
  );
}

function abilityList(found: Abilities): HTMLElement {
  const { adapter, software, threads, isolated, storage, webgpu } = found;
  const line = (fine: boolean, text: () => string) =>
    h("li", { class: fine ? "fine" : "lacks" }, icon(fine ? "check" : "warn"), h("span", {}, text));
  return h(
    "ul",
    { class: "abilities" },
    adapter && !software
      ? line(true, () => t().hasWebgpu(adapter))
      : line(false, () => (adapter ? t().softwareGpu(adapter) : webgpu ? t().noAdapter : t().noWebgpu)),
    isolated ? line(true, () => t().hasThreads(threads)) : line(false, () => t().notIsolated),
    storage ? line(true, () => t().hasStorage) : line(false, () => t().noStorage),
  );
}

/** How fast the device is, measured on the example. */
function speedLine(): HTMLElement {
  const measuring = new Signal(false);
  const measure = async () => {
    measuring.value = true;
    problem.value = undefined;
    try {
      const { signal } = new AbortController();
      await loadRecogniser(signal);
      const response = await fetch(new URL("demo.wav", document.baseURI));
      if (!response.ok) throw new Error(`demo.wav: HTTP ${response.status}: connection`);
      const sound = await response.blob();
      const begin = performance.now();
      const { duration } = await recogniser().transcribe({ sound, name: "demo.wav", options: {} }, () => {}, signal);
      speed.value = duration / ((performance.now() - begin) / 1000);
    } catch (error) {
      problem.value = problemOf(error, "model");
    } finally {
      measuring.value = false;
    }
  };
  return h(
    "div",
    { class: "speed" },
    h("p", { role: "status" }, () => {
      const now = ready.value;
      if (!now) return t().notLoaded;
      const fast = speed.value === undefined ? "" : t().fast(speedOf(speed.value));
      return `${t().loadedOn(now.description, secondsOf(now.loadMs / 1000))} ${fast}`;
    }),
    h("button", { type: "button", disabled: () => measuring.value, onclick: measure }, () =>
      measuring.value ? t().measuring : t().measure,
    ),
  );
}

function serviceCard(model: string): HTMLElement {
  const checked = () => settings.service.value;
  return h(
    "section",
    { class: "card", "aria-labelledby": "service-title" },
    h("h2", { id: "service-title" }, () => t().serviceTitle),
    h(
      "label",
      { class: "toggle" },
      h("input", {
        type: "checkbox",
        checked,
        onchange: ({ target }: { target: HTMLInputElement }) => {
          settings.service.value = target.checked;
        },
      }),
      h(
        "span",
        {},
        h("span", {}, () => t().useService(model)),
        h("span", { class: "hint" }, () => t().serviceHint(location.host)),
      ),
    ),
    h(
      "label",
      { class: "field" },
      h("span", {}, () => t().serviceKey),
      h("input", {
        type: "password",
        autocomplete: "off",
        onchange: ({ target }: { target: HTMLInputElement }) => {
          serviceKey.value = target.value;
        },
      }),
    ),
  );
}
