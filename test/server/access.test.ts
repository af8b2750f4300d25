import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { AuthenticationError, RateLimitError, toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SAMPLES, startTestServer, type TestServer } from "./support.ts";

const sound = readFileSync(join(SAMPLES, "zh-happy.wav"));

describe("a service with keys", () => {
  const dir = mkdtempSync(join(tmpdir(), "sensevoice-access-"));
  const keys = join(dir, "keys");
  const line = (name: string, key: string, perMinute = "") => {
    return `${name} ${createHash("sha256").update(key).digest("hex")} ${perMinute}\n`;
  };
  let server: TestServer;
  const client = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${server.address}/v1`, maxRetries: 0 });
  const transcribe = async (apiKey: string) => {
    return client(apiKey).audio.transcriptions.create({ file: await toFile(sound, "a.wav"), model: "m" });
  };
  beforeAll(async () => {
    writeFileSync(keys, line("alice", "sv-alice") + line("bob", "sv-bob", "3"));
    server = await startTestServer(["--keys", keys]);
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    rmSync(dir, { recursive: true });
  });

  test("who has one is heard, who has none gets 401", async () => {
    expect((await transcribe("sv-alice")).text).toBe("祝你生日快乐😊");
    await expect(transcribe("sv-mallory")).rejects.toThrow(AuthenticationError);
    const bare = await fetch(`${server.address}/v1/models`);
    expect(bare.status).toBe(401);
    expect(bare.headers.get("www-authenticate")).toBe("Bearer");
    expect((await bare.json()).error.message).toBe("expected a key: Authorization: Bearer KEY; got none");
  });

  test("health and the description are for everybody", async () => {
    for (const route of ["/healthz", "/readyz", "/openapi.json"]) {
      expect((await fetch(server.address + route)).status).toBe(200);
    }
    expect((await fetch(`${server.address}/metrics`)).status).toBe(401);
  });

  test("a key has its own number of requests a minute", async () => {
    for (let i = 0; i < 3; i++) await transcribe("sv-bob");
    const refused = await transcribe("sv-bob").catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RateLimitError);
    expect(Number((refused as RateLimitError).headers?.get("retry-after"))).toBeGreaterThan(0);
    expect((await transcribe("sv-alice")).text).toBe("祝你生日快乐😊");
  });

  test("a key that was taken out of the file no longer counts", async () => {
    writeFileSync(keys, line("bob", "sv-bob", "3"));
    await expect
      .poll(() => transcribe("sv-alice").catch(({ status }) => status), { timeout: 5000, interval: 400 })
      .toBe(401);
    writeFileSync(keys, line("alice", "sv-alice") + line("bob", "sv-bob", "3"));
    await expect
      .poll(() => transcribe("sv-alice").catch(({ status }) => status), { timeout: 5000, interval: 400 })
      .not.toBe(401);
  });

  test("10 000 keys cannot be tried: after some the address has to wait", async () => {
    const seen = new Map<number, number>();
    let slowest = 0;
    for (let i = 0; i < 10_000; i += 50) {
      const answers = Array.from({ length: 50 }, async (_, j) => {
        const { status } = await fetch(`${server.address}/v1/models`, {
          headers: { authorization: `Bearer sv-${i + j}` },
        });
        seen.set(status, (seen.get(status) ?? 0) + 1);
      });
      const begin = performance.now();
      expect((await fetch(`${server.address}/healthz`)).status).toBe(200);
      slowest = Math.max(slowest, performance.now() - begin);
      await Promise.all(answers);
    }
    expect(seen.get(401) ?? 0).toBeLessThanOrEqual(20);
    expect((seen.get(401) ?? 0) + (seen.get(429) ?? 0)).toBe(10_000);
    expect(slowest).toBeLessThan(1000);
  });
});

describe("pages", () => {
  test("of a named origin may use the service, others may not", async () => {
    const server = await startTestServer(["--cors", "https://app.example.org"]);
    const ask = (origin: string) => fetch(`${server.address}/v1/models`, { headers: { origin } });
    const named = await ask("https://app.example.org");
    expect(named.headers.get("access-control-allow-origin")).toBe("https://app.example.org");
    expect((await ask("https://evil.example")).status).toBe(403);
    expect(await server.stop()).toBe(0);
  });
});
