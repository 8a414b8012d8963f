"""Pictures in and out: what a manifest's ``preprocess`` and ``postprocess`` blocks ask for.

``preprocess`` turns a picture into the input tensor, ``postprocess`` output tensors into labels or
text boxes in the picture's own coordinates, ``drawing`` paints those on the picture. Pillow is an
extra and imported on first use: a device, or a pipeline without pictures, does not need it.
"""
