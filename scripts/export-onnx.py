"""Writes the peers' model: the random full-size checkpoint as ONNX, f32 and int8, for `npm run bench:peers`.

    pip install funasr==1.4.16 torch==2.11.0 torchaudio==2.11.0 onnx onnxruntime onnxscript numpy
    python scripts/export-onnx.py FOLDER

The graph is FunASR's own export of SenseVoiceSmall (features in, logits out); the numbers are those of
scripts/random_weights.py. int8 is onnxruntime's dynamic quantisation of all MatMuls, per channel, as sherpa-onnx
ships SenseVoice.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import onnx
import torch
from funasr.models.sense_voice.export_meta import export_rebuild_model
from onnxruntime.quantization import QuantType, quantize_dynamic

SMALL_GOLDEN_SEED = 12  # of test/golden/random-small.json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(Path(__file__).parent))
    model = import_module("golden_layers").random_model(SMALL_GOLDEN_SEED)
    model = export_rebuild_model(model, device="cpu", max_seq_len=512)
    f32 = folder / "model.onnx"
    torch.onnx.export(
        model,
        model.export_dummy_inputs(),
        str(f32),
        opset_version=14,
        input_names=model.export_input_names(),
        output_names=model.export_output_names(),
        dynamic_axes=model.export_dynamic_axes(),
        dynamo=False,
    )
    graph = onnx.load(f32)
    names = [node.name for node in graph.graph.node if node.op_type == "MatMul"]
    print(f"{f32}: {f32.stat().st_size / 1e6:.0f} MB, {len(names)} MatMuls")
    int8 = folder / "model.int8.onnx"
    quantize_dynamic(
        f32, int8, op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=False, weight_type=QuantType.QInt8
    )
    print(f"{int8}: {int8.stat().st_size / 1e6:.0f} MB")


main()
