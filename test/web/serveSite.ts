import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wav": "audio/wav",
};

export interface Site {
  /** With a slash at its end. */
  readonly address: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Answers in place of the file. True if it did. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Takes requests for a WebSocket. */
  upgrade?: (request: IncomingMessage, socket: Duplex) => void;
  /** Changes scripts on their way. */
  rewrite?: (script: string) => string;
  close(): Promise<void>;
}

/** Serves a folder under a path of its own, as a static host would. */
export async function serveSite(folder: string, { isolated = true } = {}): Promise<Site> {
  const base = "/some/where/";
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    asked.push(path);
    if (isolated) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    if (site.answer(request, response)) return;
    const name = normalize(path.endsWith("/") ? `${path}index.html` : path).replace(base, "");
    try {
      const file = readFileSync(join(folder, name));
      const bytes = site.rewrite && name.endsWith(".js") ? Buffer.from(site.rewrite(file.toString())) : file;
      response.setHeader("Content-Type", TYPES[extname(name)] ?? "application/octet-stream");
      response.setHeader("Content-Length", bytes.length);
      response.end(request.method === "HEAD" ? undefined : bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.on("upgrade", (request, socket) => {
    if (site.upgrade) site.upgrade(request, socket);
    else socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const site: Site = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    asked,
    answer: () => false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return site;
}
