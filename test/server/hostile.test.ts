import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { opusFile } from "../audio/support.ts";
import { formOf, SAMPLES, startTestServer, type TestServer } from "./support.ts";

const sound = new Uint8Array(readFileSync(join(SAMPLES, "zh-happy.wav")));

describe("who does not play by the rules", () => {
  let server: TestServer;
  beforeAll(async () => {
    const limits = ["--concurrency", "1", "--max-queue", "1", "--idle-timeout", "1", "--cache", "off"];
    server = await startTestServer([...limits, "--max-seconds", "3600"]);
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.log()).not.toContain('"level":50');
  });
  const transcribe = (file = sound) => fetch(`${server.address}/v1/transcribe`, { method: "POST", body: formOf(file) });
  const isServed = async () => {
    await expect.poll(async () => (await transcribe()).status, { timeout: 10_000 }).toBe(200);
  };
  const open = (): Socket => connect(Number(new URL(server.address).port), "127.0.0.1").on("error", () => {});
  /** What comes back until the connection is closed. */
  const answerOf = async (socket: Socket) => {
    let text = "";
    for await (const chunk of socket.setEncoding("utf8")) text += chunk;
    return text;
  };
  const head = (length: number | undefined, type = "multipart/form-data; boundary=x") =>
    `POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: ${type}\r\n${
      length === undefined ? "" : `Content-Length: ${length}\r\n`
    }\r\n`;
  const part = '--x\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n\r\n';

  test("a body that is shorter than it says is waited for, and then given up", async () => {
    const socket = open();
    socket.write(head(1000) + part);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 408 [\s\S]*expected the rest of the request within 1 seconds/);
    await isServed();
  });

  test("a body that is longer than it says is cut there", async () => {
    const socket = open();
    const body = `${part}RIFF\r\n--x--\r\n`;
    socket.write(`${head(body.length)}${body}and more of it\r\n\r\n`);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 400 /);
    await isServed();
  });

  test("a client that closes its side before the end is told, one that vanishes leaves nothing", async () => {
    const half = open();
    half.end(head(1000) + part);
    expect(await answerOf(half)).toMatch(/^(HTTP\/1\.1 4\d\d [\s\S]*)?$/);
    for (let i = 0; i < 5; i++) {
      const gone = open();
      gone.write(head(1000) + part);
      await new Promise((resolve) => setTimeout(resolve, 20));
      gone.resetAndDestroy();
    }
    await isServed();
  });

  test("a client that sends a byte at a time holds one place, and no other request up", async () => {
    const socket = open();
    socket.write(head(100_000) + part);
    const drip = setInterval(() => socket.write("R"), 50);
    expect((await transcribe()).status).toBe(200);
    clearInterval(drip);
    socket.destroy();
  });

  test("what is no HTTP is closed", async () => {
    const socket = open();
    socket.write("hello?\r\n\r\n");
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("names of files are not used", async () => {
    const form = new FormData();
    form.append("file", new Blob([sound]), "../../../../tmp/x\u0000.wav");
    const answer = await fetch(`${server.address}/v1/transcribe`, { method: "POST", body: form });
    expect(answer.status).toBe(200);
  });

  test("two hours in half a megabyte are refused as too long, without being decoded to the end", async () => {
    const silence = opusFile(new Uint8Array([0x18, 0xff, 0xfe]), 120_000, 2880);
    expect(silence.length).toBeLessThan(600_000);
    const begin = performance.now();
    const answer = await transcribe(new Uint8Array(silence));
    expect(answer.status).toBe(413);
    expect((await answer.json()).error.message).toContain("at most 3600 seconds of sound");
    expect(performance.now() - begin).toBeLessThan(30_000);
    expect(await (await fetch(`${server.address}/healthz`)).text()).toBe("ok\n");
  });

  test("forty minutes that are allowed take no more memory than one", async () => {
    const wide = await startTestServer(["--cache", "off"]);
    const silence = opusFile(new Uint8Array([0x18, 0xff, 0xfe]), 40_000, 2880);
    const resident = async () => {
      const metrics = await (await fetch(`${wide.address}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 1e6;
    };
    const ask = (file: Uint8Array, vad: string) => {
      return fetch(`${wide.address}/v1/transcribe`, { method: "POST", body: formOf(new Uint8Array(file), { vad }) });
    };
    await (await ask(silence.slice(0, 20_000), "energy")).text();
    const before = await resident();
    let most = 0;
    const watch = setInterval(async () => {
      most = Math.max(most, await resident());
    }, 100);
    const answer = await ask(silence, "energy");
    clearInterval(watch);
    expect(answer.status).toBe(200);
    expect((await answer.json()).duration).toBeCloseTo(2400, -1);
    expect(most - before).toBeLessThan(150);
    expect(await wide.stop()).toBe(0);
  });
});
