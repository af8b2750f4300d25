// The page without a network, and with threads on servers that send no headers for them.

/** Of TypeScript's types for service workers, which do not go together with those of a page, what is used here. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
declare const self: {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
};
/** Names of the page's files, and what changes with them: put in by scripts/build-site.ts. */
declare const FILES: readonly string[];
declare const VERSION: string;

const PREFIX = "sensevoice-page-";
const CACHE = PREFIX + VERSION;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const name = nameOf(request.url);
  // What is not the page's own is none of its business: models are kept by the engine, a service is asked each time.
  if (request.method === "GET" && name !== undefined) event.respondWith(answer(request, name));
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((name) => new Request(name, { cache: "reload" })));
  await self.skipWaiting();
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)),
  );
  await self.clients.claim();
}

/** Which of the page's files an address is. */
function nameOf(address: string): string | undefined {
  const { scope } = self.registration;
  if (!address.startsWith(scope)) return undefined;
  const name = address.slice(scope.length).replace(/[?#].*$/, "") || "index.html";
  return FILES.includes(name) ? name : undefined;
}

/** From what is kept; a browser that has thrown it away gets it from the server. */
async function answer(request: Request, name: string): Promise<Response> {
  const kept = await caches.match(new URL(name, self.registration.scope), { cacheName: CACHE });
  return isolated(kept ?? (await fetch(request)));
}

/** The same answer with the headers that give a page shared memory. */
function isolated(response: Response): Response {
  if (response.type === "opaque" || response.status === 0) return response;
  const { status, statusText, body } = response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(body, { status, statusText, headers });
}
