import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface HubServer {
  readonly endpoint: string;
  /** "GET path" or "GET path from <offset>" of each request, in order; of a query only FilePath is shown. */
  readonly requests: string[];
}

/** How to answer one request for a file. Return false to let the server answer as it should. */
export type Fault = (response: ServerResponse, file: Uint8Array, offset: number) => boolean;

/**
 * A hub on 127.0.0.1 that answers as ModelScope and Hugging Face do, with Range support. `faults` holds for
 * each file name the answers to its first requests. `serves` says which of ModelScope's two forms of address
 * it knows: that of the client, that of the web page, or both.
 */
export async function hubServer(
  id: string,
  files: Readonly<Record<string, Uint8Array>>,
  faults: Record<string, Fault[]> = {},
  serves: readonly ("client" | "page")[] = ["client", "page"],
): Promise<HubServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://hub");
    const filePath = searchParams.get("FilePath");
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const query = filePath === null ? "" : `?FilePath=${filePath}`;
    requests.push(`GET ${pathname}${query}${offset ? ` from ${offset}` : ""}`);
    if (pathname === `/api/v1/models/${id}/repo/files`) return json(response, modelScopeList(files));
    if (pathname === `/api/models/${id}/tree/main`) return json(response, huggingFaceList(files));
    const after = (prefix: string) =>
      pathname.startsWith(prefix) ? decodeURIComponent(pathname.slice(prefix.length)) : undefined;
    const isClient = pathname === `/api/v1/models/${id}/repo` && searchParams.get("Revision") === "master";
    const name =
      after(`/${id}/resolve/main/`) ??
      (serves.includes("page") ? after(`/models/${id}/resolve/master/`) : undefined) ??
      (serves.includes("client") && isClient ? filePath : undefined) ??
      "";
    const file = files[name];
    if (!file) return void response.writeHead(404).end("no such file");
    if (faults[name]?.shift()?.(response, file, offset)) return;
    sendFile(request, response, file, offset);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: Uint8Array, offset: number): void {
  const total = file.length;
  if (!request.headers.range) response.writeHead(200, { "content-length": total }).end(file);
  else if (offset >= total) response.writeHead(416, { "content-range": `bytes */${total}` }).end();
  else {
    const range = `bytes ${offset}-${total - 1}/${total}`;
    response.writeHead(206, { "content-length": total - offset, "content-range": range });
    response.end(file.subarray(offset));
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

const hex = (algorithm: string, ...parts: (string | Uint8Array)[]) => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

function modelScopeList(files: Readonly<Record<string, Uint8Array>>): unknown {
  const blobs = Object.entries(files).map(([name, file]) => {
    return { Name: name, Path: name, Type: "blob", Size: file.length, Sha256: hex("sha256", file) };
  });
  const tree = { Name: "fig", Path: "fig", Type: "tree", Size: 0, Sha256: "" };
  const nested = { Name: "a.model", Path: "fig/a.model", Type: "blob", Size: 1, Sha256: "0".repeat(64) };
  return { Code: 200, Success: true, Message: "success", Data: { Files: [tree, nested, ...blobs] } };
}

function huggingFaceList(files: Readonly<Record<string, Uint8Array>>): unknown {
  const blobs = Object.entries(files).map(([path, file]) => {
    const { length: size } = file;
    const lfs = size > 1000 ? { oid: hex("sha256", file), size, pointerSize: 134 } : undefined;
    return { type: "file", path, size, oid: hex("sha1", `blob ${size}\0`, file), lfs };
  });
  return [{ type: "directory", path: "fig", size: 0, oid: "0".repeat(40) }, ...blobs];
}
