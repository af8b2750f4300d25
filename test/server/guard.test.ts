import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { serve, upgradeWebSocket } from "@hono/node-server";
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { checkOrigins, type GuardOptions, guard } from "../../src/server/guard.ts";

const APP = "https://app.example.com";
const EVIL = "https://evil.example.com";

/** A server on 127.0.0.1 with the guard, GET and POST /, /broken, and a WebSocket at /live. */
async function start(options: Partial<GuardOptions> = {}): Promise<number> {
  const app = new Hono();
  const opened = { server: new WebSocketServer({ noServer: true }) };
  app.use(guard({ cors: [], loopback: true, ...options }));
  app.on(["GET", "POST"], "/", (c) => c.text("done", 200, { Server: "secret/1.0", "X-Powered-By": "secret" }));
  app.get("/page", (c) => c.html("<p>", 200, { "Content-Security-Policy": "default-src 'self'" }));
  app.get("/broken", () => {
    throw new Error("broken");
  });
  app.onError((_, c) => c.text("sorry", 500));
  app.get(
    "/live",
    upgradeWebSocket(() => ({ onOpen: (_, socket) => socket.send("hello") })),
  );
  const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", websocket: opened });
  await once(server, "listening");
  onTestFinished(() => {
    opened.server.clients.forEach((client) => void client.terminate());
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** fetch would not let Host and Origin be set. */
async function ask(port: number, headers: Record<string, string> = {}, method = "GET", path = "/"): Promise<Answer> {
  const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }).end();
  const [response] = await once(sent, "response");
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

/** The first message of a WebSocket, or the status with which it was refused. */
function connect(port: number, headers: Record<string, string>): Promise<string | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/live`, { headers });
  return new Promise((resolve, reject) => {
    socket.on("message", (data) => resolve(String(data)));
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    socket.on("error", reject);
  });
}

const SAFE = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
};

test("each answer has the headers that keep a browser safe and none that name the software", async () => {
  const port = await start();
  const answers = [
    await ask(port),
    await ask(port, {}, "GET", "/broken"),
    await ask(port, {}, "GET", "/nowhere"),
    await ask(port, { origin: EVIL }),
    await ask(port, { host: "evil.example.com" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 500, 404, 403, 403]);
  for (const { headers } of answers) {
    expect(headers).toMatchObject(SAFE);
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(["server"]));
    expect(headers).not.toHaveProperty("x-powered-by");
    expect(headers).not.toHaveProperty("strict-transport-security");
  }
  const page = await ask(port, {}, "GET", "/page");
  expect(page.headers).toMatchObject({ ...SAFE, "content-security-policy": "default-src 'self'" });
});

test("a page of an origin that was named may ask and read, and no other", async () => {
  const port = await start({ cors: ["http://localhost:3000", APP] });
  const answer = await ask(port, { origin: APP }, "POST");
  expect(answer).toMatchObject({ status: 200, body: "done" });
  expect(answer.headers).toMatchObject({
    "access-control-allow-origin": APP,
    "access-control-expose-headers": "X-Cache,X-Request-Id,Retry-After",
    vary: "Origin",
  });
  expect(answer.headers).not.toHaveProperty("access-control-allow-credentials");
  // A page reads of an error what it is.
  const broken = await ask(port, { origin: APP }, "GET", "/broken");
  expect(broken).toMatchObject({ status: 500, headers: { "access-control-allow-origin": APP } });
  for (const origin of [
    EVIL,
    "null",
    `${APP}:8443`,
    `${APP}.evil.com`,
    "http://app.example.com",
    "https://App.example.com",
  ]) {
    for (const method of ["GET", "POST", "OPTIONS"]) {
      const refused = await ask(port, { origin, "access-control-request-method": "POST" }, method);
      expect(refused.status, origin).toBe(403);
      expect(refused.headers).not.toHaveProperty("access-control-allow-origin");
      expect(refused.headers).toMatchObject({ vary: "Origin", "content-type": "application/json" });
      expect(JSON.parse(refused.body)).toEqual({
        error: {
          message: "origin: pages from there may not use this server",
          type: "authentication_error",
          param: null,
          code: "origin_not_allowed",
        },
      });
    }
  }
});

test("a preflight of an origin that was named says what it may send", async () => {
  const port = await start({ cors: [APP] });
  const preflight = {
    origin: APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };
  const { status, headers } = await ask(port, preflight, "OPTIONS");
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    ...SAFE,
    "access-control-allow-origin": APP,
    "access-control-allow-headers": "Authorization,Content-Type",
    "access-control-allow-methods": "GET,POST,DELETE",
    "access-control-max-age": "600",
    vary: expect.stringContaining("Origin"),
  });
});

test("the server's own pages, and programs, which send no origin, may ask", async () => {
  const port = await start();
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, "localhost"]) {
    expect((await ask(port, { host })).status).toBe(200);
    expect((await ask(port, { host, origin: `http://${host}` }, "POST")).status).toBe(200);
    expect((await ask(port, { host, origin: `http://${host}1` }, "POST")).status).toBe(403);
  }
  const open = await start({ loopback: false });
  expect((await ask(open, { host: "sv.example.com", origin: "https://sv.example.com" })).status).toBe(200);
  expect((await ask(open, { host: "sv.example.com", origin: "https://sv.example.com:8000" })).status).toBe(403);
});

test("on a loopback address no other host is answered, so that no name can be made to lead here", async () => {
  const port = await start({ cors: [APP] });
  for (const host of ["evil.example.com", `evil.example.com:${port}`, "localhost.evil.com", "127.0.0.1.evil.com"]) {
    const refused = await ask(port, { host, origin: `http://${host}` });
    expect(refused.status, host).toBe(403);
    expect(JSON.parse(refused.body).error.code).toBe("host_not_allowed");
    expect((await ask(port, { host, origin: APP })).status).toBe(403);
  }
  expect((await ask(await start({ loopback: false }), { host: "sv.example.com" })).status).toBe(200);
});

test("a WebSocket is opened for no other page and no other host either", async () => {
  const port = await start({ cors: [APP] });
  expect(await connect(port, {})).toBe("hello");
  expect(await connect(port, { origin: APP })).toBe("hello");
  expect(await connect(port, { origin: `http://127.0.0.1:${port}` })).toBe("hello");
  expect(await connect(port, { origin: EVIL })).toBe(403);
  expect(await connect(port, { origin: "null" })).toBe(403);
  expect(await connect(port, { host: "evil.example.com", origin: "http://evil.example.com" })).toBe(403);
});

test.each([
  ["*", "one such as https://app.example.com"],
  ["", "one such as https://app.example.com"],
  ["null", "one such as https://app.example.com"],
  ["app.example.com", "one such as https://app.example.com"],
  ["chrome-extension://abc", "one such as https://app.example.com"],
  ["https://app.example.com/", "https://app.example.com"],
  ["https://app.example.com/page", "https://app.example.com"],
  ["https://app.example.com:443", "https://app.example.com"],
  ["https://App.example.com", "https://app.example.com"],
  ["https://user@app.example.com", "https://app.example.com"],
  ["https://*.example.com", "one such as https://app.example.com"],
])("%j is no origin that can be named", (origin, expected) => {
  const message = `[cors] expected ${expected}, got ${JSON.stringify(origin)}`;
  expect(() => checkOrigins([APP, origin])).toThrow(expect.objectContaining({ name: "SenseVoiceError", message }));
  expect(() => guard({ cors: [origin], loopback: true })).toThrow(message);
});

test("origins with and without a port can be named", () => {
  checkOrigins([]);
  checkOrigins([APP, "http://localhost:3000", "http://[::1]:3000", "https://xn--fiqs8s.example"]);
});
