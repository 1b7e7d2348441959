"""HDR pictures, as phones record them, brought to the brightness and colours of everyday video.

Detectors and networks were trained on ordinary video. A PQ or HLG picture that is read as one is grey and flat.
Here its diffuse white (203 cd/m²) becomes white, what is brighter is pressed into the last quarter below
it, and the wide colours of BT.2020 become those of BT.709.

Source: ITU-R BT.2100 (PQ and HLG), BT.2408 (diffuse white), BT.2087 (colours), BT.1886 (everyday video).
"""

from functools import cache

import numpy as np

#: Transfer characteristics and colour primaries, as ITU-T H.273 numbers them.
PQ, HLG = 16, 18
_BT2020 = 9
#: cd/m² of a white sheet of paper, and of the brightest that HLG shows on its usual screen.
DIFFUSE_WHITE, HLG_PEAK = 203.0, 1000.0
#: From here on brightness is pressed together; 1 is white.
KNEE = 0.75
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)


def is_hdr(frame) -> bool:
    """Whether the brightness of an `av.VideoFrame` is coded as PQ or HLG."""
    return frame.color_trc in (PQ, HLG)


def to_sdr(pixels: np.ndarray, frame) -> np.ndarray:
    """A picture as everyday video.

    Args:
        pixels: (height, width, 3) uint16 RGB, coded as the frame is.
        frame: the `av.VideoFrame` that it comes from.

    Returns:
        (height, width, 3) uint8.
    """
    light = _light(frame.color_trc)[pixels]  # 1 is diffuse white
    if frame.color_trc == HLG:
        # What a screen makes of the scene: its overall gamma of 1.2.
        light *= ((light @ _LUMINANCE) * (DIFFUSE_WHITE / HLG_PEAK))[..., None] ** np.float32(0.2)
    if frame.color_primaries == _BT2020:
        light = np.maximum(light @ _TO_BT709.T, 0)
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - KNEE, 0)
    pressed = np.minimum(brightest, KNEE) + over * (1 - KNEE) / (over + 1 - KNEE)
    light *= pressed / np.maximum(brightest, 1e-6)
    return _codes()[np.rint(light * 65535).astype(np.uint16)]


@cache
def _light(transfer: int) -> np.ndarray:
    """Light, in diffuse whites, of each of the 65536 codes."""
    code = np.arange(65536, dtype=np.float64) / 65535
    if transfer == PQ:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = code ** (1 / m2)
        light = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    else:
        a = 0.17883277
        b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
        light = HLG_PEAK * np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return (light / DIFFUSE_WHITE).astype(np.float32)


@cache
def _codes() -> np.ndarray:
    """The 8-bit code of each of 65536 steps of light up to white (gamma 2.4)."""
    light = np.arange(65536, dtype=np.float64) / 65535
    return np.rint(255 * light ** (1 / 2.4)).astype(np.uint8)
