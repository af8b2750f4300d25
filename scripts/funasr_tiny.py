"""The tiny model in FunASR: its checkpoint rebuilt from weights/tiny, and loaded without dither."""

import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import torch
from funasr import AutoModel
from funasr.frontends.wav_frontend import WavFrontend

ROOT = Path(__file__).resolve().parent.parent


def read_safetensors(file: Path) -> dict[str, np.ndarray]:
    """https://huggingface.co/docs/safetensors: u64 header length, JSON header, the data in the same order."""
    data = file.read_bytes()
    [length] = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        dtype = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
        numbers = np.frombuffer(data[8 + length + start : 8 + length + end], dtype)
        tensors[name] = numbers.reshape(entry["shape"]).astype(np.float32)
    return tensors


def write_funasr_folder(folder: Path) -> None:
    """weights/tiny as FunASR loads it. Its conversion rounded nothing, so these are the checkpoint's own numbers."""
    source = ROOT / "weights" / "tiny"
    tensors = read_safetensors(source / "model.safetensors")
    shift, scale = tensors.pop("frontend.cmvn.shift"), tensors.pop("frontend.cmvn.scale")
    state = {}
    for name, t in tensors.items():
        taps = name.endswith("fsmn_block.weight")  # torch has a middle dimension of 1 there
        state[name] = torch.from_numpy(t[:, None] if taps else t).clone()
    torch.save(state, folder / "model.pt")
    (folder / "tokenizer.model").write_bytes((source / "tokenizer.model").read_bytes())

    def row(numbers):  # nine digits bring every f32 back
        return f"<LearnRateCoef> 0 [ {' '.join(f'{x:.9g}' for x in numbers.tolist())} ]"

    width = len(shift)
    (folder / "am.mvn").write_text(
        f"<Nnet>\n<AddShift> {width} {width}\n{row(shift)}\n<Rescale> {width} {width}\n{row(scale)}\n</Nnet>\n"
    )
    config = json.loads((source / "config.json").read_text())
    encoder, frontend = config["encoder"], config["frontend"]
    yaml = {  # JSON is YAML
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {
            "output_size": encoder["outputSize"],
            "attention_heads": encoder["attentionHeads"],
            "linear_units": encoder["linearUnits"],
            "num_blocks": encoder["numBlocks"],
            "tp_blocks": encoder["tpBlocks"],
            "kernel_size": encoder["kernelSize"],
            "sanm_shfit": 0,
            "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder",
            "normalize_before": True,
            "selfattention_layer_type": "sanm",
        },
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": frontend["sampleRate"],
            "window": "hamming",
            "n_mels": frontend["mels"],
            "frame_length": frontend["frameLengthMs"],
            "frame_shift": frontend["frameShiftMs"],
            "lfr_m": frontend["lfrM"],
            "lfr_n": frontend["lfrN"],
            "cmvn_file": None,
        },
    }
    (folder / "config.yaml").write_text(json.dumps(yaml))
    paths = {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"bpemodel": "tokenizer.model"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    }
    (folder / "configuration.json").write_text(json.dumps({"model": {"type": "funasr"}, "file_path_metas": paths}))


def load_tiny(folder: str | None) -> AutoModel:
    """FunASR's AutoModel of the folder, or of weights/tiny; it never dithers from here on."""
    forward = WavFrontend.forward

    def forward_without_dither(self, *args, **kwargs):
        self.dither = 0.0  # generate() restores its own copy of the frontend, so it is set at every call
        return forward(self, *args, **kwargs)

    WavFrontend.forward = forward_without_dither
    options = {"device": "cpu", "disable_update": True, "disable_pbar": True}
    if folder:
        return AutoModel(model=folder, **options)
    with tempfile.TemporaryDirectory() as rebuilt:
        write_funasr_folder(Path(rebuilt))
        return AutoModel(model=rebuilt, **options)
