import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeRedis, startRedis } from "../support/redis.ts";
import { startProgram } from "../support/service.ts";
import { makeSpeakerModel } from "../support/speakerModel.ts";
import { startTestServer, type TestServer } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const SOUND = "samples/zh-happy.wav";
const TEXT = "祝你生日快乐😊"; // samples/expected.jsonl

test("every example is run here", () => {
  const named = ["browserMicrophone.html", "bullmqProducer.ts", "curl.sh", "diarized.ts", "openaiClient.ts"];
  expect(readdirSync(`${root}examples/service`).sort()).toEqual(named);
});

describe("examples of a service's users", () => {
  let server: TestServer;
  let speaker: Awaited<ReturnType<typeof makeSpeakerModel>>;
  beforeAll(async () => {
    speaker = await makeSpeakerModel();
    server = await startTestServer(["--speaker-model", speaker.dir]);
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    speaker.remove();
  });
  const run = async (command: string, ...args: string[]) => {
    return (await promisify(execFile)(command, [...args, SOUND, server.address], { cwd: root })).stdout;
  };

  test("examples/service/openaiClient.ts", async () => {
    const output = await run(process.execPath, "--import", "tsx", "examples/service/openaiClient.ts");
    expect(output).toBe(`${TEXT}\n${TEXT}\n`);
  });

  test("examples/service/diarized.ts", async () => {
    const args = ["--import", "tsx", "examples/service/diarized.ts", SOUND, server.address];
    const run = async (...more: string[]) => {
      return (await promisify(execFile)(process.execPath, [...args, ...more], { cwd: root })).stdout;
    };
    expect(await run()).toBe(`A: ${TEXT}\n`);
    expect(await run("Jane", "samples/en.wav")).toBe(`Jane: ${TEXT}\n`); // the test's model knows one voice only
  });

  test("examples/service/curl.sh", async () => {
    const output = await run("examples/service/curl.sh");
    expect(output).toMatch(new RegExp(`^${TEXT}\n1\r\n00:00:00,000 --> .*\r\n${TEXT}\r\n`));
    expect(output).toContain(`data: {"type":"transcript.text.done","text":"${TEXT}"`);
    expect(output).toContain('"language":"zh","emotion":"happy"');
  });
});

describeRedis("with a queue", () => {
  test("examples/service/bullmqProducer.ts", async () => {
    const redis = await startRedis();
    const worker = await startProgram(["worker", "--queue", redis.url, "--model", "tiny", "--device", "cpu"]);
    try {
      const command = ["--import", "tsx", "examples/service/bullmqProducer.ts", redis.url, SOUND];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
      expect(stdout).toBe(`${TEXT}\n`);
    } finally {
      await worker.stop("SIGKILL");
      await redis.stop();
    }
  });
});
