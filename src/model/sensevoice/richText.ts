/** Emoji of each emotion, in the order in which the reference compares their counts (`emo_dict`). */
const EMOTION_EMOJI = {
  "<|HAPPY|>": "😊",
  "<|SAD|>": "😔",
  "<|ANGRY|>": "😡",
  "<|NEUTRAL|>": "",
  "<|FEARFUL|>": "😰",
  "<|DISGUSTED|>": "🤢",
  "<|SURPRISED|>": "😮",
} as const;

/** Emoji of each sound event, in the order in which the reference puts them in front (`event_dict`). */
const EVENT_EMOJI = {
  "<|BGM|>": "🎼",
  "<|Speech|>": "",
  "<|Applause|>": "👏",
  "<|Laughter|>": "😀",
  "<|Cry|>": "😭",
  "<|Sneeze|>": "🤧",
  "<|Breath|>": "",
  "<|Cough|>": "🤧",
} as const;

const LANGUAGE_TAGS = ["<|zh|>", "<|en|>", "<|yue|>", "<|ja|>", "<|ko|>", "<|nospeech|>"] as const;

const NO_SPEECH = "<|nospeech|><|Event_UNK|>";

/** Tags that are counted and deleted, in this order (the keys of `emoji_dict`). */
const TAGS = [
  NO_SPEECH,
  ...LANGUAGE_TAGS,
  "<|HAPPY|>",
  "<|SAD|>",
  "<|ANGRY|>",
  "<|NEUTRAL|>",
  "<|BGM|>",
  "<|Speech|>",
  "<|Applause|>",
  "<|Laughter|>",
  "<|FEARFUL|>",
  "<|DISGUSTED|>",
  "<|SURPRISED|>",
  "<|Cry|>",
  "<|EMO_UNKNOWN|>",
  "<|Sneeze|>",
  "<|Breath|>",
  "<|Cough|>",
  "<|Sing|>",
  "<|Speech_Noise|>",
  "<|withitn|>",
  "<|woitn|>",
  "<|GBG|>",
  "<|Event_UNK|>",
];

const EMOTIONS = ["😊", "😔", "😡", "😰", "🤢", "😮"];
// 😷 stands for no event above, and yet the reference counts it as one (`event_set`).
const EVENTS = ["🎼", "👏", "😀", "😭", "🤧", "😷"];

/**
 * The readable text of a raw transcript: tags out, an emoji for the emotion and for each event in.
 * `<|en|><|HAPPY|><|Laughter|><|woitn|>good morning` becomes `😀good morning😊`. Of several segments in a row,
 * each opening with its language, an emotion that goes on is written once, behind the last. Any text is
 * accepted; one without words or emoji gives the empty text.
 *
 * Source: `rich_transcription_postprocess` in funasr/utils/postprocess_utils.py, oddities included: "The." is
 * deleted wherever it stands, a coughing segment shows a sneeze, and an event that goes on is left out of every
 * second segment only.
 */
export function richText(raw: string): string {
  let text = raw.replaceAll(NO_SPEECH, "❓");
  for (const tag of LANGUAGE_TAGS) text = text.replaceAll(tag, "<|lang|>");
  const [first, ...rest] = text.split("<|lang|>").map(formatSegment);
  let out = ` ${first}`;
  // None yet, for `out` starts with a space: an event of the text before the first tag is written again.
  let currentEvent: string | undefined;
  for (const formatted of rest) {
    const opening = eventAtStart(formatted);
    const repeated = opening !== undefined && opening === currentEvent;
    const segment = repeated ? formatted.slice(opening.length) : formatted;
    if (segment === "") continue;
    // Without the event that was just dropped: hence the every second segment.
    currentEvent = eventAtStart(segment);
    const emotion = emotionAtEnd(segment);
    if (emotion !== undefined && emotion === emotionAtEnd(out)) out = out.slice(0, -emotion.length);
    out += strip(segment);
  }
  return strip(out.replaceAll("The.", " "));
}

/** One segment without its tags, its events in front and its emotion behind (`format_str_v2`). */
function formatSegment(segment: string): string {
  const counts = new Map<string, number>();
  let text = segment;
  for (const tag of TAGS) {
    const parts = text.split(tag);
    counts.set(tag, parts.length - 1);
    text = parts.join("");
  }
  const count = (tag: string): number => counts.get(tag) ?? 0;
  let emotion: keyof typeof EMOTION_EMOJI = "<|NEUTRAL|>";
  for (const tag of keysOf(EMOTION_EMOJI)) if (count(tag) > count(emotion)) emotion = tag;
  for (const tag of keysOf(EVENT_EMOJI)) if (count(tag) > 0) text = EVENT_EMOJI[tag] + text;
  text += EMOTION_EMOJI[emotion];
  for (const emoji of [...EMOTIONS, ...EVENTS]) {
    text = text.replaceAll(` ${emoji}`, emoji).replaceAll(`${emoji} `, emoji);
  }
  return strip(text);
}

function eventAtStart(text: string): string | undefined {
  return EVENTS.find((emoji) => text.startsWith(emoji));
}

function emotionAtEnd(text: string): string | undefined {
  return EMOTIONS.find((emoji) => text.endsWith(emoji));
}

function keysOf<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record) as Key[];
}

/** What Python's str.strip() removes; trim() would leave \x1c to \x1f and \x85, and take \ufeff. */
const WHITESPACE =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
  "\u2028\u2029\u202f\u205f\u3000";

function strip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && WHITESPACE.includes(text[start])) start++;
  while (end > start && WHITESPACE.includes(text[end - 1])) end--;
  return text.slice(start, end);
}
