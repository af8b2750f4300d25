import { h } from "./dom.ts";
import { icon } from "./icons.ts";
import { loadingBar } from "./loadingBar.ts";
import { options } from "./options.ts";
import { problemBox } from "./problemBox.ts";
import { keepProblem, queueProblem, recordings, resume, selected } from "./queue.ts";
import { recordingList } from "./recordingList.ts";
import { resultView } from "./result.ts";
import { sources } from "./sources.ts";
import { t } from "./strings.ts";

/** Files in, text out. */
export function transcribeView(): HTMLElement {
  return h(
    "div",
    { class: () => (recordings.value.length === 0 ? "transcribe first" : "transcribe later") },
    h(
      "div",
      { class: "hero" },
      h("h1", {}, () => t().slogan),
      h("p", { class: "lead" }, () => t().lead),
      h("p", { class: "private" }, icon("lock"), () => t().nothingLeaves),
    ),
    h("div", { class: "side" }, sources(), recordingList(), options()),
    h(
      "div",
      { class: "main" },
      loadingBar(),
      () => queueProblem.value && problemBox(queueProblem.value, { label: () => t().tryAgain, act: resume }),
      () => keepProblem.value && problemBox(keepProblem.value),
      () => selected.value && resultView(selected.value),
    ),
  );
}
