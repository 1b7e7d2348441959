"""From a trained model to files that another machine runs.

``rewrite`` model to deploy form · ``signatures`` deploy form to entry points · ``tflite``, ``onnx``
entry points to files · ``contract``, ``golden``, ``bundle`` files to a folder that explains itself.
"""
