import type { LookupAddress } from "node:dns";
import type { RequestListener } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { type FetchSoundOptions, fetchSound, isPublic } from "../../src/server/fetchSound.ts";
import { freePort } from "../support/redis.ts";
import { httpServer } from "./httpServer.ts";

const SOUND = Buffer.from("RIFF, say".repeat(1000));

/** The bytes at an address, or the status and message of why there are none. */
async function take(url: string, options: Partial<FetchSoundOptions> = {}): Promise<Buffer | string> {
  try {
    const parts: Uint8Array[] = [];
    const limits = { hosts: [URL.canParse(url) ? new URL(url).host : ""], maxBytes: 100_000 };
    for await (const part of await fetchSound(url, { ...limits, ...options })) parts.push(part);
    return Buffer.concat(parts);
  } catch (error) {
    const { status, message, options } = error as { status: number; message: string; options?: { param: string } };
    if (options?.param !== "url") throw error;
    return `${status} ${message}`;
  }
}

/** A server that counts its requests. */
async function serveSound(answer: RequestListener = (_, response) => response.end(SOUND)) {
  const listener = vi.fn(answer);
  return { ...(await httpServer(listener)), listener };
}

const to = (...addresses: string[]) =>
  vi.fn((_: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => {
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  });

test("the bytes at an address whose host was named", async () => {
  const { host, port, listener } = await serveSound();
  expect(await take(`http://${host}/a.wav?x=1#y`)).toEqual(SOUND);
  expect(listener.mock.calls[0][0]).toMatchObject({ url: "/a.wav?x=1", method: "GET" });
  expect(listener.mock.calls[0][0].headers).toMatchObject({ "user-agent": "sensevoice", host });
  expect(await take(`http://LOCALHOST:${port}/`, { hosts: [`LocalHost:${port}`] })).toEqual(SOUND);
});

test("nothing is asked where no host was named, or another", async () => {
  const { host, port, listener } = await serveSound();
  const url = `http://${host}/a.wav`;
  expect(await take(url, { hosts: [] })).toBe("400 url: this server fetches no addresses");
  const others = ["127.0.0.1", `127.0.0.1:${port + 1}`, `localhost:${port}`, "127.0.0.1:80", `x.${host}`, "*"];
  expect(await take(url, { hosts: others })).toBe(`400 url: ${host} is not one that this server fetches from`);
  // Other ways to write 127.0.0.1 are it.
  expect(await take(`http://2130706433:${port}/`, { hosts: ["example.com"] })).toContain(`400 url: ${host} is not`);
  expect(listener).not.toHaveBeenCalled();
});

test("the default port may be named or not", async () => {
  const options = { resolve: to("10.0.0.1") };
  const notPublic = "400 url: cannot be fetched (the host has an address that is not public)";
  expect(await take("http://a.example/", { ...options, hosts: ["a.example:80"] })).toBe(notPublic);
  expect(await take("https://a.example:443/", { ...options, hosts: ["a.example"] })).toBe(notPublic);
  expect(await take("https://a.example/", { ...options, hosts: ["a.example:80"] })).toContain("is not one that");
});

test.each([
  ["a.wav", "400 url: expected an http or https address"],
  ["", "400 url: expected an http or https address"],
  ["file:///etc/passwd", "400 url: expected an http or https address"],
  ["ftp://a.example/", "400 url: expected an http or https address"],
  ["data:audio/wav;base64,AAAA", "400 url: expected an http or https address"],
  ["http://user@a.example/", "400 url: expected an address without user name and password"],
  ["http://:word@a.example/", "400 url: expected an address without user name and password"],
])("%j is not fetched", async (url, message) => {
  expect(await take(url, { hosts: ["a.example"] })).toBe(message);
});

test.each([
  ["127.0.0.1", false],
  ["127.8.8.8", false],
  ["0.0.0.0", false],
  ["10.1.2.3", false],
  ["172.16.0.1", false],
  ["172.32.0.1", true],
  ["192.168.1.1", false],
  ["169.254.169.254", false],
  ["100.64.0.1", false],
  ["192.0.2.1", false],
  ["198.18.0.1", false],
  ["224.0.0.1", false],
  ["240.0.0.1", false],
  ["255.255.255.255", false],
  ["93.184.215.14", true],
  ["::", false],
  ["::1", false],
  ["::127.0.0.1", false],
  ["::ffff:127.0.0.1", false],
  ["::ffff:93.184.215.14", false],
  ["64:ff9b::7f00:1", false],
  ["2002:7f00:1::", false],
  ["2001:db8::1", false],
  ["fc00::1", false],
  ["fd12:3456::1", false],
  ["fe80::1", false],
  ["fe80::1%eth0", false],
  ["fec0::1", false],
  ["ff02::1", false],
  ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", true],
  ["nonsense", false],
])("%s is an address of the internet: %s", (address, is) => {
  expect(isPublic(address)).toBe(is);
});

test("a name that leads to an address that is not public is refused, also beside one that is", async () => {
  const { port, listener } = await serveSound();
  const hosts = [`a.example:${port}`, `a.localhost:${port}`];
  const notPublic = "400 url: cannot be fetched (the host has an address that is not public)";
  for (const addresses of [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"]]) {
    for (const host of hosts)
      expect(await take(`http://${host}/`, { hosts, resolve: to(...addresses) })).toBe(notPublic);
  }
  expect(await take(`http://${hosts[0]}/`, { hosts, resolve: to() })).toBe("400 url: cannot be fetched");
  expect(listener).not.toHaveBeenCalled();
});

test("a name is resolved once, and what was checked is connected to", async () => {
  const { port } = await serveSound();
  const resolve = to("127.0.0.1");
  expect(await take(`http://localhost:${port}/`, { resolve })).toEqual(SOUND);
  expect(resolve.mock.calls.map(([name]) => name)).toEqual(["localhost"]);
  // Only by what it resolved to can a name that nobody has be a server here.
  const elsewhere = vi.fn(to("127.0.0.2"));
  expect(await take(`http://localhost:${port}/`, { resolve: elsewhere })).toBe("400 url: cannot be fetched");
});

test("redirects are followed three times, each checked as the first address", async () => {
  const other = await serveSound();
  const places: Record<string, string> = {
    "/1": "/2",
    "/2": "3",
    "/3": "/sound",
    "/0": "/1",
    "/else": `http://${other.host}/secret`,
    "/name": "http://a.example/",
    "/file": "file:///etc/passwd",
    "/user": "http://user:word@a.example/",
  };
  const { host, listener } = await serveSound((request, response) => {
    const place = places[request.url ?? ""];
    if (place === undefined) response.end(SOUND);
    else response.writeHead(302, { location: place }).end("elsewhere");
  });
  expect(await take(`http://${host}/1`)).toEqual(SOUND);
  expect(await take(`http://${host}/0`)).toBe("400 url: cannot be fetched (more than 3 redirects)");
  const asked = listener.mock.calls.length;
  expect(await take(`http://${host}/else`)).toBe(
    "400 url: redirected: the host is not one that this server fetches from",
  );
  expect(await take(`http://${host}/file`)).toBe("400 url: redirected: expected an http or https address");
  const hosts = [host, "a.example"];
  expect(await take(`http://${host}/user`, { hosts })).toContain("redirected: expected an address without user name");
  expect(await take(`http://${host}/name`, { hosts, resolve: to("127.0.0.1") })).toContain(
    "address that is not public",
  );
  expect(listener.mock.calls.length).toBe(asked + 4);
  expect(other.listener).not.toHaveBeenCalled();
  expect(await take(`http://${host}/else`, { hosts: [host, other.host] })).toEqual(SOUND);
});

test("an answer other than 200 is told by its number alone", async () => {
  const { host } = await serveSound((request, response) => {
    response.writeHead(Number(request.url?.slice(1)), { "x-secret": "secret" }).end("secret");
  });
  for (const status of [201, 204, 206, 301, 304, 401, 404, 500]) {
    expect(await take(`http://${host}/${status}`)).toBe(`400 url: cannot be fetched (HTTP ${status})`);
  }
});

test("more bytes than allowed are refused: at once where the server says so, else when they come", async () => {
  let ended = 0;
  const { host } = await serveSound((request, response) => {
    response.on("close", () => ended++);
    if (request.url === "/says") response.writeHead(200, { "content-length": 10 ** 12 }).flushHeaders();
    else if (request.url === "/endless") {
      const more = () => response.writable && response.write(Buffer.alloc(16_384), more);
      more();
    } else response.end(SOUND);
  });
  const message = "413 url: expected at most 100000 bytes";
  expect(await take(`http://${host}/says`)).toBe(message);
  expect(await take(`http://${host}/endless`)).toBe(message);
  await expect.poll(() => ended).toBe(2); // the connections are closed
  expect(await take(`http://${host}/`, { maxBytes: SOUND.length })).toEqual(SOUND);
  expect(await take(`http://${host}/`, { maxBytes: SOUND.length - 1 })).toBe(
    `413 url: expected at most ${SOUND.length - 1} bytes`,
  );
});

test("a sound whose connection ends early is an error, not a shorter sound", async () => {
  const { host } = await serveSound((request, response) => {
    if (request.url === "/length") response.writeHead(200, { "content-length": SOUND.length + 1 });
    response.write(SOUND, () => response.destroy());
  });
  for (const path of ["length", "chunked"]) {
    expect(await take(`http://${host}/${path}`)).toBe("400 url: the connection ended before the sound did");
  }
});

test("a server that brings nothing is given up, before its answer and within", async () => {
  const { host } = await serveSound((request, response) => void (request.url === "/part" && response.write("RIFF")));
  expect(await take(`http://${host}/`, { idleMs: 100 })).toBe("400 url: cannot be fetched");
  expect(await take(`http://${host}/part`, { idleMs: 100 })).toBe("400 url: the connection ended before the sound did");
});

test("a slow server that goes on bringing something is waited for", async () => {
  const { host } = await serveSound(async (_, response) => {
    for (let i = 0; i < 8; i++) {
      response.write("RIFF");
      await sleep(60);
    }
    response.end();
  });
  expect(await take(`http://${host}/`, { idleMs: 300, connectMs: 200 })).toEqual(Buffer.from("RIFF".repeat(8)));
});

test("a name or a handshake that takes too long is given up", async () => {
  const start = performance.now();
  expect(await take("http://a.example/", { connectMs: 100, resolve: () => {} })).toBe("400 url: cannot be fetched");
  const silent = createServer((socket) => void socket.on("error", () => {})).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  expect(await take(`https://127.0.0.1:${port}/`, { connectMs: 100 })).toBe("400 url: cannot be fetched");
  expect(performance.now() - start).toBeLessThan(2000);
});

test("what does not answer, or not with HTTP or TLS, is not told apart", async () => {
  const { host } = await serveSound();
  const noise = createServer((socket) => void socket.on("error", () => {}).end("SSH-2.0-secret\r\n")).listen(
    0,
    "127.0.0.1",
  );
  await new Promise((resolve) => noise.once("listening", resolve));
  onTestFinished(() => void noise.close());
  const { port } = noise.address() as { port: number };
  for (const url of [`http://127.0.0.1:${await freePort()}/`, `http://127.0.0.1:${port}/`, `https://${host}/`]) {
    expect(await take(url)).toBe("400 url: cannot be fetched");
  }
});

test("an aborted call ends with what it was aborted with", async () => {
  const { host } = await serveSound((request, response) => void (request.url === "/part" && response.write("RIFF")));
  const reason = new Error("the client has gone");
  for (const path of ["", "part"]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(take(`http://${host}/${path}`, { signal: controller.signal })).rejects.toBe(reason);
  }
  await expect(take(`http://${host}/`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
