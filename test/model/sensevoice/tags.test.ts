import { expect, test } from "vitest";
import { readTags } from "../../../src/model/sensevoice/tags.ts";

test("reads language, emotion and events", () => {
  expect(readTags("<|en|><|HAPPY|><|Laughter|><|woitn|>good morning")).toEqual({
    language: "en",
    emotion: "happy",
    events: ["laughter"],
  });
});

test("names what the model does not know", () => {
  expect(readTags("<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>")).toEqual({
    language: "nospeech",
    emotion: "unknown",
    events: ["unknown"],
  });
  expect(readTags("no tags, <|not one|> <||> <|")).toEqual({
    language: "unknown",
    emotion: "unknown",
    events: [],
  });
});

test("takes the first language and emotion, and each event once", () => {
  expect(readTags("<|yue|><|SAD|><|Speech|>一<|BGM|>二<|Speech|><|zh|><|ANGRY|>")).toEqual({
    language: "yue",
    emotion: "sad",
    events: ["speech", "bgm"],
  });
});

test("knows the vocabulary's other languages from its other tags", () => {
  expect(readTags("<|withitn|><|haw|>aloha").language).toBe("haw");
  expect(readTags("<|ASR|><|OTHER|><|/Speech|>")).toEqual({
    language: "unknown",
    emotion: "unknown",
    events: [],
  });
});
