import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readAudio } from "../../src/node.ts";
import { createApp } from "../../src/server/app.ts";
import { serveSchema } from "../../src/server/config.ts";
import { createLimits } from "../../src/server/limits.ts";
import type { Service } from "../../src/server/service.ts";
import { eventually, metric, pieces, s16, sample, startServerHere, TestSocket } from "./socketSupport.ts";

let server: Awaited<ReturnType<typeof startServerHere>>;
const open = (query = "", options = {}) => new TestSocket(server.address, `/v1/live${query}`, options);
/** All places are free. */
const free = () => eventually(async () => (await metric(server.address, "sensevoice_live_sessions")) === 0);

beforeAll(async () => {
  server = await startServerHere({ maxLive: 2, cors: ["https://page.test"] });
});
afterAll(() => server.close());

test("sockets that are destroyed, half-closed or given up in the handshake free their places", async () => {
  const bytes = s16(await readAudio(sample("en.wav")));
  for (let round = 0; round < 4; round++) {
    const [destroyed, left] = [open(), open()];
    await Promise.all([destroyed.ready(), left.ready()]);
    for (const socket of [destroyed, left]) for (const piece of pieces(bytes, 3200)) socket.send(piece);
    destroyed.ws.terminate();
    left.ws.close();
    await free();
  }
  const { port } = new URL(server.address);
  const head = `GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`;
  for (const key of ["Sec-WebSocket-Key: x\r\n\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"]) {
    const half = connect(Number(port), "127.0.0.1");
    half.end(head + key);
    half.resume();
    await once(half, "close");
    await free();
    const gone = connect(Number(port), "127.0.0.1");
    gone.write(head + key, () => gone.resetAndDestroy());
    await once(gone, "close");
    await free();
  }
});

test("a peer that does not answer pings is dropped", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const slow = await startServerHere({ idleTimeout: 60 });
    const [deaf, well] = [{ autoPong: false }, { autoPong: true }].map(
      (options) => new TestSocket(slow.address, "/v1/live", options),
    );
    await Promise.all([deaf.ready(), well.ready()]);
    const pinged = once(well.ws, "ping");
    vi.advanceTimersByTime(30_000);
    await pinged;
    await new Promise((resolve) => setTimeout(resolve, 200));
    vi.advanceTimersByTime(30_000);
    expect((await deaf.closed).code).toBe(1006);
    expect(well.ws.readyState).toBe(well.ws.OPEN);
    well.ws.close();
    await slow.close();
  } finally {
    vi.useRealTimers();
  }
});

test("a page of another origin is refused, one that is allowed is not; a plain request is told what is expected", async () => {
  expect(await open("", { headers: { origin: "https://evil.test" } }).opened()).toBe(403);
  const page = open("", { headers: { origin: "https://page.test" }, protocols: ["openai-insecure-api-key.x", "live"] });
  expect(await page.opened()).toBe(101);
  expect(page.ws.protocol).toBe("live");
  page.ws.close();
  expect((await fetch(`${server.address}/v1/live`)).status).toBe(426);
  await free();
});

test("where there is no model it is told so", async () => {
  const config = serveSchema.parse({});
  const service = {
    config,
    transcriber: { model: "x" },
    sockets: new Set(),
    log: pino({ level: "silent" }),
    limits: createLimits({}),
  };
  const app = createApp(service as unknown as Service);
  const env = { incoming: { socket: new EventEmitter(), headers: {} } };
  for (const path of ["/v1/live", "/v1/realtime"]) {
    const response = await app.request(path, { headers: { host: "localhost", upgrade: "websocket" } }, env);
    expect(response.status).toBe(503);
    expect((await response.json()).error.message).toMatch(/^live sound is heard only where a model is/);
  }
});

test("other upgrades than to a WebSocket do not keep a request from its answer", async () => {
  const { port, host } = new URL(server.address);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(
    `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
  );
  const [answer] = await once(socket, "data");
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK/);
  socket.destroy();
});
