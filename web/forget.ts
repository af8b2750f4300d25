import { h } from "./dom.ts";
import { remote } from "./engine.ts";
import { forgetPage } from "./offline.ts";
import { recordings, selected } from "./queue.ts";
import { forgetSettings } from "./settings.ts";
import { forgetRecordings } from "./store.ts";
import { t } from "./strings.ts";

/** Asks first; then nothing of the page is left in this browser. */
export function forgetEverything(): void {
  const dialog: HTMLDialogElement = h(
    "dialog",
    { "aria-labelledby": "forget-title", onclose: (): void => dialog.remove() },
    h("h2", { id: "forget-title" }, () => t().forgetTitle),
    h("p", {}, () => t().forgetText),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "danger", onclick: () => void forget() }, () => t().forget),
      h("button", { type: "button", onclick: () => dialog.close() }, () => t().cancel),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

async function forget(): Promise<void> {
  for (const recording of recordings.peek()) recording.cancel();
  recordings.value = [];
  selected.value = undefined;
  await forgetRecordings();
  for (const { name } of await remote.call("models", undefined)) await remote.call("remove", name);
  forgetSettings();
  await forgetPage();
  location.hash = "";
  location.reload();
}
