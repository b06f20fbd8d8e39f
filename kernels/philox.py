"""The loop that makes standard Gaussians by number; see `kernels.normals`."""

import math

import numpy as np

from kernels.compiling import compiled

LANES = 64
GROUP = 4 * LANES

_float, _int, _word, _long = np.float32, np.int32, np.uint32, np.uint64
_M0, _M1 = _long(0xD2511F53), _long(0xCD9E8D57)
_W0, _W1 = _word(0x9E3779B9), _word(0xBB67AE85)
_HALF_WORD = _long(32)
_UNIT, _HALF_UNIT = _float(2.0**-32), _float(2.0**-33)
_QUARTER_TURN = _float(math.pi / 2 * 2.0**-30)
_ONE, _HALF, _MINUS_TWO, _LOG2 = _float(1.0), _float(0.5), _float(-2.0), _float(math.log(2.0))
_TWO_THIRDS, _MANTISSA = _int(0x3F2AAAAB), _int(23)
_QUADRANT, _FIRST, _SECOND = _int(3), _int(1), _int(2)
# Polynomials by least maximal error: log(1 + m) = m - m^2/2 + m^3 L(m) on |m| <= 1/3, and sine and cosine to an eighth
# of a turn, t + t^3 S(t^2) and 1 - t^2/2 + t^4 C(t^2).
_L0, _L1, _L2, _L3 = _float(0.333333194), _float(-0.249999434), _float(0.200038359), _float(-0.166733980)
_L4, _L5, _L6, _L7 = _float(0.141169786), _float(-0.122872368), _float(0.134337738), _float(-0.124298662)
_S0, _S1, _S2 = _float(-0.1666666418), _float(0.0083327489), _float(-0.0001958795)
_C0, _C1, _C2 = _float(0.0416666642), _float(-0.0013888304), _float(0.0000245480)


@compiled
def fill_groups(
    out: np.ndarray,
    groups: int,
    first: int,
    stream: int,
    step: int,
    low: int,
    high: int,
    angles: np.ndarray,
    radii: np.ndarray,
) -> None:
    """Numbers of whole groups, from this one on, into a float32 vector; the last two are room to work in."""
    bits = radii.view(np.int32)
    for group in range(groups):
        begin = _long(first + group) * _long(LANES)
        for lane in range(LANES):
            counter = begin + _long(lane)
            c0, c1, c2, c3 = _word(counter), _word(counter >> _HALF_WORD), _word(step), _word(stream)
            k0, k1 = _word(low), _word(high)
            for _ in range(10):
                p0, p1 = _M0 * _long(c0), _M1 * _long(c2)
                c0, c1, c2, c3 = (
                    _word(p1 >> _HALF_WORD) ^ c1 ^ k0,
                    _word(p1),
                    _word(p0 >> _HALF_WORD) ^ c3 ^ k1,
                    _word(p0),
                )
                k0, k1 = _word(k0 + _W0), _word(k1 + _W1)
            bits[lane], bits[LANES + lane] = _int(c0), _int(c2)
            angles[lane], angles[LANES + lane] = _int(c1), _int(c3)
        for lane in range(2 * LANES):
            radii[lane] = _float(_word(bits[lane])) * _UNIT + _HALF_UNIT
        place = group * GROUP
        for lane in range(2 * LANES):
            # log of the mantissa, brought to [2/3, 4/3), and of the power of two.
            power = (bits[lane] - _TWO_THIRDS) >> _MANTISSA
            bits[lane] = bits[lane] - (power << _MANTISSA)
            m = radii[lane] - _ONE
            tail = _L4 + m * (_L5 + m * (_L6 + m * _L7))
            tail = _L0 + m * (_L1 + m * (_L2 + m * (_L3 + m * tail)))
            logarithm = _float(power) * _LOG2 + (m + m * m * (m * tail - _HALF))
            length = np.sqrt(_MINUS_TWO * logarithm)
            # Two bits choose a quarter of the turn, the others the angle from its middle.
            word = angles[lane]
            quarter = word & _QUADRANT
            t = _float(word >> _SECOND) * _QUARTER_TURN
            t2 = t * t
            sine = t + t * t2 * (_S0 + t2 * (_S1 + t2 * _S2))
            cosine = _ONE - _HALF * t2 + t2 * t2 * (_C0 + t2 * (_C1 + t2 * _C2))
            turned = (quarter & _FIRST) == _FIRST
            across, up = (sine, cosine) if turned else (cosine, sine)
            # The first is negative in the second and third quarter, the other one in the last two.
            if (quarter + _FIRST) & _SECOND:
                across = -across
            if quarter & _SECOND:
                up = -up
            out[place + lane], out[place + 2 * LANES + lane] = length * across, length * up


def room() -> tuple[np.ndarray, np.ndarray]:
    """What `fill_groups` works in."""
    return np.empty(2 * LANES, dtype=np.int32), np.empty(2 * LANES, dtype=np.float32)
