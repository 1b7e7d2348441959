"""Runs a saved model somewhere else, and writes its answers: ``elsewhere.py FORM MODEL INPUTS OUT``.

A program of its own, since a converter may take the process down with it, and a process has one
Keras backend. FORM is ``keras`` (on the backend of KERAS_BACKEND), ``tflite`` or ``onnx``.
"""

import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from emotionnet.systems import load_model


def specs(model, make):
    return {
        name: make((1, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }


def run_keras(model, inputs):
    print("backend", keras.backend.backend())
    return model.predict_on_batch(inputs)


def run_tflite(model, inputs):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    signature = list(specs(model, tf.TensorSpec).values())
    names = [spec.name for spec in signature]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve", lambda *values: model(dict(zip(names, values)), training=False), signature
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    interpreter = Interpreter(model_content=content)
    operators = {op["op_name"] for op in interpreter._get_ops_details()}
    print("operators", *sorted(operators))
    print("bytes", len(content))
    return one_by_one(interpreter.get_signature_runner("serve"), inputs)


def run_onnx(model, inputs):
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    serve = tf.function(lambda named: model(named, training=False), autograph=False)
    proto, _ = tf2onnx.convert.from_function(
        serve, input_signature=[specs(model, tf.TensorSpec)], opset=17
    )
    print("operators", *sorted({node.domain + node.op_type for node in proto.graph.node}))
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]

    def run(**named):
        return dict(zip(names, session.run(None, named)))

    return one_by_one(run, inputs)


def one_by_one(run, inputs):
    count = len(next(iter(inputs.values())))
    answers = [run(**{k: v[i : i + 1] for k, v in inputs.items()}) for i in range(count)]
    return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}


if __name__ == "__main__":
    form, path, given, out = sys.argv[1:]
    run = {"keras": run_keras, "tflite": run_tflite, "onnx": run_onnx}[form]
    answers = run(load_model(path), dict(np.load(given)))
    np.savez(out, **{name: np.asarray(value) for name, value in answers.items()})
