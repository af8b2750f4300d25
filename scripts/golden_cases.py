"""What make-goldens.py asks FunASR about: raw texts for rich_transcription_postprocess, and log-probabilities
with tokens for the aligner. The same ones in the same order every time.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from funasr.utils.postprocess_utils import emo_dict, event_dict, lang_dict

from random_weights import random_tensor


def rich_texts() -> list[str]:
    """Raw texts that take every branch of rich_transcription_postprocess."""
    langs, emos, events = list(lang_dict), list(emo_dict), list(event_dict)
    header = "<|zh|><|HAPPY|><|BGM|><|woitn|>"
    out = ["", " ", "plain text", "两点开会", "The.", "The. end The.", "I said The.", "<|zh|>The.<|en|>The."]
    # One segment: every header there is, with and without text.
    for lang, emo in itertools.product(langs, emos + ["<|EMO_UNKNOWN|>"]):
        out.append(f"{lang}{emo}<|Speech|><|withitn|>hello 你好")
    for event in events + ["<|Event_UNK|>", "<|Sing|>", "<|Speech_Noise|>", "<|GBG|>"]:
        out += [f"<|en|><|SAD|>{event}<|woitn|>two words", f"<|nospeech|><|EMO_UNKNOWN|>{event}<|woitn|>"]
    # Tags counted: the most frequent emotion wins, the earlier on a tie, NEUTRAL if nothing beats it.
    for a, b in itertools.permutations(emos, 2):
        out.append(f"<|en|>{a}{b}<|Speech|>tie")
    out += [f"<|en|>{a}{b}{b}{a}{b}<|Speech|>three to two" for a, b in itertools.pairwise(emos)]
    # Several events in one segment are put in front in the order of the table.
    out += [f"<|en|><|NEUTRAL|>{a}{b}{a}text" for a, b in itertools.combinations(events, 2)]
    # Segments: the same event again is dropped, the same emotion only at the end stays.
    headers = list(itertools.product(["<|HAPPY|>", "<|ANGRY|>", "<|NEUTRAL|>"], events[:3]))
    for (e1, v1), (e2, v2) in itertools.product(headers, repeat=2):
        out.append(f"<|zh|>{e1}{v1}<|woitn|>一 <|en|>{e2}{v2}<|woitn|> two")
    out += [
        header + "a" + header + "b" + header + "c",
        header + header + header,
        header + "a" + header + header + "<|ja|><|HAPPY|><|Speech|>b",
        "<|zh|><|HAPPY|><|BGM|>a<|en|><|HAPPY|><|Speech|>b<|zh|><|HAPPY|><|BGM|>c",
        "<|zh|><|BGM|><|en|><|BGM|><|Laughter|>x<|ko|><|Laughter|>y",
        "<|zh|><|BGM|>🎼a<|en|><|BGM|>🎼b", "<|zh|>🎼<|en|>🎼🎼<|en|>🎼🎼🎼c",
        "<|BGM|>a<|zh|><|BGM|>b", "<|zh|><|BGM|>a<|en|>b", "😊<|zh|>😊<|en|>😊", "a 😊<|zh|>b 😊 <|en|> 😊 c",
        "before<|zh|>after", "<|zh|><|zh|><|zh|>", "<|zh|>你好<|HAPPY|>再见<|SAD|><|SAD|>", "<|lang|>a<|lang|>b",
        # Nothing is said.
        "<|nospeech|><|Event_UNK|>", "<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>",
        "<|nospeech|><|Event_UNK|><|nospeech|><|Event_UNK|>", "<|zh|>a<|nospeech|><|Event_UNK|>b",
        "<|nospeech|><|Event_UNK|><|HAPPY|>", "<|HAPPY|><|nospeech|><|Event_UNK|><|BGM|><|en|>x",
        # Spaces and emoji: one space goes on each side, of the emoji known to the table only.
        "a 😊 b", "a  😊  b", "a   😊   b", "😊 😊", "😊  😡", " 🎼 👏 ", "a ❓ b", "a 😷 b", "a 🎉 b", "😊", "🎼",
        "<|en|><|HAPPY|><|BGM|> a ", "<|en|><|HAPPY|> a😊 b", "<|en|><|HAPPY|>a 😊", "<|en|><|BGM|>🎼 a",
        "<|zh|><|HAPPY|>a😊<|en|><|HAPPY|>b", "<|zh|><|SAD|>a<|en|>😔", "<|zh|><|BGM|> <|en|> <|BGM|>",
        # What Python's strip takes and JavaScript's trim does not, and the other way round.
        "\u3000全角\u3000", "\ufeffbom\ufeff", "\x85next line\x85", "\x1cseparator\x1f", "\u00a0nbsp\u00a0",
        "\u200bzero\u200b",
        "<|zh|>\u3000a\u3000<|en|>\ufeffb\ufeff<|ko|>\x1cc\x1c", "\t\na\r\n", "<|en|>\ta <|zh|>\n b\v\f",
        # Half tags, tags made by deleting tags, and text that only looks like a tag.
        "<|zh", "zh|>", "<||>", "<|ZH|>a", "<|xx|>a", "<|HAPPY", "a<|b|>c", "<|<|zh|>zh|>a", "<|<|HAPPY|>SAD|>a",
        "<|nospeech|> <|Event_UNK|>a", "<|nospeech|><|BGM|><|Event_UNK|>", "<|en|><|unk|>a", "<s>a</s>",
        "<|en|>The.The.", "<|en|>The .", "<|en|>THE.", "<|en|>a The. b", "<|en|><|HAPPY|>The.", "Bathe.The",
        # Characters outside the basic plane, where a JavaScript string counts two.
        "𠮷", "<|zh|>𠮷<|en|>𠮷", "<|zh|><|BGM|>𠮷<|en|><|BGM|>𠮷", "<|zh|><|HAPPY|>𠮷<|en|><|HAPPY|>𠮷",
        "👩‍👩‍👧 😊", "😶‍🌫️ 😮",
    ]  # fmt: skip
    return list(dict.fromkeys(out))


def align_cases() -> Iterator[tuple[str, torch.Tensor, list[int]]]:
    """(name, log-probabilities [rows, vocab], tokens), each as SenseVoice would hand them to the aligner."""

    def log_probs(name, rows, vocab, sharpness, zero_blank=False):
        logits = torch.from_numpy(random_tensor(f"align.{name}", (rows, vocab), scale=sharpness))
        out = torch.log_softmax(logits, -1)
        if zero_blank:  # as SenseVoiceSmall.inference does before it aligns
            out[out.argmax(-1) == 0, 0] = 0
        return out

    def case(name, rows, vocab, tokens, sharpness=4.0, zero_blank=False):
        return name, log_probs(name, rows, vocab, sharpness, zero_blank), tokens

    yield case("one row, one token", 1, 5, [3])
    yield case("one token", 9, 5, [2])
    yield case("one token, blank at 0", 9, 5, [2], zero_blank=True)
    yield case("rows == tokens", 4, 6, [1, 2, 3, 4])
    yield case("rows == tokens, blank at 0", 6, 7, [1, 2, 3, 4, 5, 6], zero_blank=True)
    yield case("a pair repeated, rows just enough", 3, 5, [2, 2])
    yield case("repeats, rows just enough", 8, 6, [1, 1, 2, 2, 2])
    yield case("repeats, one row to spare", 9, 6, [1, 1, 2, 2, 2])
    yield case("repeats with room", 20, 6, [3, 3, 3, 1, 3, 3])
    yield case("repeats with room, blank at 0", 24, 6, [3, 3, 3, 1, 3, 3], zero_blank=True)
    yield case("alternating", 15, 5, [1, 2, 1, 2, 1])
    for sharpness, zero_blank in itertools.product((0.01, 1.0, 10.0, 60.0), (False, True)):
        name = f"sharpness {sharpness}, blank at 0: {zero_blank}"
        yield case(name, 30, 10, [1, 5, 5, 9, 2, 7], sharpness, zero_blank)
    for i in range(12):
        rows, vocab, length = 6 + 3 * i, 5 + i % 8, 1 + (5 * i) % 11
        half = (vocab - 1) / 2  # ids from 1 to vocab - 1
        ids = random_tensor(f"align.tokens.{i}", (min(length, rows // 2),), scale=half, offset=half + 1)
        yield case(f"random {i}", rows, vocab, np.floor(ids).astype(int).tolist(), 3.0 + i, i % 2 == 1)
    # Ties: stay wins over step, step over skip, the last token over the last blank.
    yield "all equal", torch.full((7, 5), -1.5), [1, 2]
    yield "all equal, repeats", torch.full((8, 5), -1.5), [3, 3, 3]
    yield "all equal, rows == tokens", torch.full((3, 5), -1.5), [4, 1, 2]
    yield "all zero", torch.zeros(12, 5), [1, 2, 3]
    yield "multiples of a quarter", torch.round(log_probs("quarters", 20, 6, 2.0) * 4) / 4, [1, 2, 2, 5, 1]
    # Odd corners: what the reference makes of them, right or not.
    yield case("fewer rows than tokens", 3, 6, [1, 2, 3, 4, 5])
    yield case("too few rows for the repeats", 3, 6, [2, 2, 2])
    yield case("one row, two tokens", 1, 5, [1, 2])
    yield case("blank among the tokens", 10, 5, [1, 0, 2])
    yield case("no tokens", 5, 5, [])
