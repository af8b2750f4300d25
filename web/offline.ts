/** Set while a page reloads to become isolated, so that it does so once. */
const RELOADED = "sensevoice-isolating";

/**
 * Lets a service worker keep the page's files: it opens without a network then. Where the server sends no headers for
 * isolation the worker adds them, from the next load on: that load comes at once, if nothing has begun.
 *
 * @param isIdle whether nothing would be lost by loading the page again
 */
export async function keepPage(isIdle: () => boolean): Promise<void> {
  if (!("serviceWorker" in navigator) || !isSecureContext) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
  } catch {
    return; // the page works without it
  }
  if (crossOriginIsolated) sessionStorage.removeItem(RELOADED);
  else if (sessionStorage.getItem(RELOADED) === null && isIdle()) {
    sessionStorage.setItem(RELOADED, "1");
    location.reload();
  }
}

/** Removes what the service worker keeps, and the worker. */
export async function forgetPage(): Promise<void> {
  if (!("serviceWorker" in navigator) || !isSecureContext) return;
  for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister();
  for (const name of await caches.keys()) if (name.startsWith("sensevoice-page-")) await caches.delete(name);
}
