"""Asks FunASR what the right answer is, and writes it down: every golden there is.

    python -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt    3 GB
    VENV/bin/python scripts/make-goldens.py all                                or some of the parts
    VENV/bin/python scripts/make-goldens.py checkpoint --save FOLDER --assets FOLDER    936 MB, never committed

test/golden/README.md says which part writes which file. The tiny model is that of weights/tiny, or, with --model FOLDER,
its FunASR checkpoint: the answers are the same. FunASR adds noise (dither) to the sound by default; here it never does.
"""

import argparse
import json
import os
import re
import shutil
import wave
from importlib.metadata import version
from pathlib import Path

# Before numpy and torch are loaded: one thread and the instructions that every x86 CPU has, so that sums are taken
# in the same order everywhere, and the files come out byte for byte the same.
os.environ.update(OMP_NUM_THREADS="1", MKL_CBWR="COMPATIBLE", ATEN_CPU_CAPABILITY="default")

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from funasr.models.sense_voice.utils.ctc_alignment import ctc_forced_align
from funasr.utils.postprocess_utils import rich_transcription_postprocess

from funasr_tiny import ROOT, load_tiny
from golden_cases import align_cases, rich_texts
from golden_layers import GOLDEN, Recorder, random_model, random_small, tiny, write_json
from golden_vad import vad
from random_weights import SEED, fnv1a

# --- text and timestamps


def rich_text() -> None:
    lines = [{"raw": raw, "text": rich_transcription_postprocess(raw)} for raw in rich_texts()]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (GOLDEN / "rich-text.jsonl").write_text(text)
    print(f"rich-text.jsonl: {len(lines)} texts")


def align() -> None:
    cases = []
    for name, log_probs, tokens in align_cases():
        rows, vocab = log_probs.shape
        # Nine digits bring every f32 back.
        numbers = [float(f"{x:.9g}") for x in log_probs.flatten().tolist()]
        assert np.array_equal(np.float32(numbers), log_probs.flatten().numpy())
        case = {"name": name, "rows": rows, "vocab": vocab, "logits": numbers, "tokens": tokens}
        try:
            targets = torch.tensor([tokens], dtype=torch.long)
            path = ctc_forced_align(
                log_probs[None], targets, torch.tensor([rows]), torch.tensor([len(tokens)])
            )
            case["path"] = path[0].tolist()
        except Exception as error:
            case["error"] = type(error).__name__
        cases.append(case)
    (GOLDEN / "align.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(f"align.json: {len(cases)} cases")


# --- sound


def features() -> None:
    """Features before CMVN of parts of samples/zh-happy.wav, some shorter than a window: little-endian f32."""
    with wave.open(str(ROOT / "samples" / "zh-happy.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    sizes = dict(fs=16000, window="hamming", n_mels=80, frame_length=25, frame_shift=10, lfr_m=7, lfr_n=6)
    frontend = WavFrontend(**sizes, dither=0.0)
    for name, start, count in [("500ms", 4800, 8000), ("10ms", 9600, 160), ("2ms", 9600, 33)]:
        rows, _ = frontend(torch.from_numpy(samples[start : start + count])[None], [count])
        (ROOT / "test" / "audio" / "fixtures" / f"funasr-{name}.f32").write_bytes(rows.numpy().tobytes())
        print(f"funasr-{name}.f32: {rows.shape[1]} rows")


@torch.no_grad()
def evaluation(folder: str | None) -> None:
    """The tiny checkpoint on the clips of test/eval: tokens, texts, word times. The language is asked for in every
    third clip, ITN where the manifest has it.
    """
    auto = load_tiny(folder)
    recorder = Recorder(auto.model)
    clips = ROOT / "test" / "eval"
    lines = []
    for i, line in enumerate((clips / "manifest.jsonl").read_text().splitlines()):
        clip = json.loads(line)
        language = clip["text_language"].strip("<|>") if i % 3 == 0 else "auto"
        use_itn = clip["with_or_wo_itn"] == "<|withitn|>"
        asked = dict(language=language, use_itn=use_itn)
        [result] = auto.generate(str(clips / clip["source"]), output_timestamp=True, **asked)
        log_probs = recorder.outputs["logits"][0].log_softmax(-1)
        tokens = torch.unique_consecutive(log_probs.argmax(-1))
        tokens = tokens[tokens != 0].tolist()
        raw = result["text"]
        assert auto.kwargs["tokenizer"].decode(tokens) == raw, (clip["key"], raw)
        best = log_probs.topk(2).values
        answer = {"tokens": tokens, "margin": round((best[:, 0] - best[:, 1]).min().item(), 5), "raw": raw}
        answer |= {"text": rich_transcription_postprocess(raw)}
        answer |= {"words": result.get("words"), "timestamp": result.get("timestamp")}
        lines.append(json.dumps({"key": clip["key"], **asked, **answer}, ensure_ascii=False))
    (clips / "funasr.jsonl").write_text("".join(f"{line}\n" for line in lines))
    print(f"funasr.jsonl: {len(lines)} clips")


# --- the generator itself, and files made with it


def weights() -> None:
    """Some of the generator's numbers, as 32-bit patterns, for the TypeScript side to match."""
    state = random_model(SEED).state_dict()
    names = ["ctc.ctc_lo.weight", "ctc.ctc_lo.bias", "embed.weight", "encoder.tp_norm.weight"]
    names += [f"encoder.encoders0.0.{p}" for p in ("self_attn.linear_q_k_v.weight", "norm1.bias")]
    names += [f"encoder.encoders.48.{p}" for p in ("self_attn.fsmn_block.weight", "feed_forward.w_2.weight")]
    tensors = []
    for name in names:
        bits = state[name].numpy().view(np.uint32).ravel()
        at = [0, 1, 2, bits.size // 2, bits.size - 1]
        total = int(bits.astype(np.uint64).sum() % 2**32)
        tensors.append(
            {
                "name": name,
                "shape": list(state[name].shape),
                "at": at,
                "bits": bits[at].tolist(),
                "sumOfBits": total,
            }
        )
    write_json(
        "random-weights.json",
        {
            "seed": SEED,
            "fnv1a": {"": fnv1a(""), "embed.weight": fnv1a("embed.weight")},
            "parameterCount": sum(t.numel() for t in state.values()),
            "tensorCount": len(state),
            "tensors": tensors,
        },
    )


def save_checkpoint(folder: str, assets: str) -> None:
    """A FunASR folder of random weights: model.pt by torch.save, the small files copied from `assets`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    torch.save(random_model(SEED).state_dict(), Path(folder) / "model.pt")
    for file in Path(assets).iterdir():
        shutil.copyfile(file, Path(folder) / file.name)


def check_versions() -> None:
    """The goldens are those of the versions in requirements.txt."""
    for line in (Path(__file__).parent / "requirements.txt").read_text().splitlines():
        package = re.fullmatch(r"(\w+)==(.+)", line)
        if package and version(package[1]).split("+")[0] != package[2]:
            raise SystemExit(f"{package[1]}: expected version {package[2]}, got {version(package[1])}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="the tiny checkpoint as a FunASR folder; weights/tiny unless given")
    parser.add_argument("--save", help="checkpoint: the folder to write")
    parser.add_argument(
        "--assets", help="checkpoint: the folder with the real config.yaml, am.mvn, tokenizer"
    )
    run = {
        "rich-text": rich_text,
        "align": align,
        "weights": weights,
        "features": features,
        "random-small": random_small,
        "tiny": lambda: tiny(args.model),
        "eval": lambda: evaluation(args.model),
        "vad": vad,
    }
    others = {"checkpoint": lambda: save_checkpoint(args.save, args.assets)}
    names = ["all", *run, *others]
    parser.add_argument("parts", nargs="+", choices=names, metavar="PART", help=", ".join(names))
    args = parser.parse_args()
    check_versions()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for part in run if "all" in args.parts else args.parts:
        (run | others)[part]()


if __name__ == "__main__":
    main()
