"""The identity of a row: a 64-bit hash of its key that is the same in every version, on every machine, for every order of rows.

The hash is specified here and pinned by known answers in the tests, because a library's own hash may change with its version:

    mix(z)    = SplitMix64's finaliser: z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31
    number    a whole number below 2**63 in size, or a text that is one as Python writes it: mix(two's complement ^ NUMBER);
              so 1, 1.0, true and "1" are one. Any other number: mix(bits of its IEEE 754 double ^ FRACTION)
    text      h = mix(byte length ^ TEXT); for each 8 bytes of its UTF-8 (little-endian, zeros at the end): h = mix(h ^ word)
    date      mix(days since 1970-01-01 ^ DATE); point in time: mix(microseconds since then, UTC ^ INSTANT)
    array     h = mix(how many numbers ^ ARRAY); for each two of them, as IEEE 754 singles (little-endian, 0 at the end):
              h = mix(h ^ word)
    missing   mix(MISSING)
    key       h = mix(number of columns); for each column in order of its name: h = mix(h ^ its hash)

All arithmetic is modulo 2**64. (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014, for SplitMix64.)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

NUMBER = 0x9E3779B97F4A7C15
FRACTION = 0xC2B2AE3D27D4EB4F
TEXT = 0x165667B19E3779F9
DATE = 0x27D4EB2F165667C5
INSTANT = 0x85EBCA77C2B2AE63
ARRAY = 0xFF51AFD7ED558CCD
MISSING = 0xD6E8FEB86659FD93
SEED = 0xA0761D6478BD642F

_U = np.uint64
_A, _B = _U(0xBF58476D1CE4E5B9), _U(0x94D049BB133111EB)
_WORD = np.array([(1 << 8 * size) - 1 for size in range(8)] + [2**64 - 1], dtype=np.uint64)
_DIGITS = np.frombuffer(b"-0123456789", dtype=np.uint8)
_BLOCK = 1 << 15  # rows that are hashed at a time: their temporaries stay in the processor's cache


def mix(z: Hashes) -> Hashes:
    """Scramble 64-bit numbers, one to one, so that every input bit moves every output bit."""
    z = z ^ (z >> _U(30))
    z *= _A
    z ^= z >> _U(27)
    z *= _B
    z ^= z >> _U(31)
    return z


def keys(data: pl.LazyFrame, columns: Sequence[str]) -> Hashes:
    """Return the key hash of every row of a lazy table, in its order, streaming; 8 bytes a row are kept."""
    names = sorted(columns)
    hashed = data.select(names).map_batches(_hashed, schema={"key": pl.UInt64}, streamable=True)
    return hashed.collect(engine="streaming")["key"].to_numpy()


def _hashed(batch: pl.DataFrame) -> pl.DataFrame:
    key = np.empty(batch.height, dtype=np.uint64)
    for start in range(0, batch.height, _BLOCK):
        block = batch.slice(start, _BLOCK)
        found = mix(np.full(block.height, block.width, dtype=np.uint64))
        for name in block.columns:
            found = mix(found ^ column(block[name]))
        key[start : start + block.height] = found
    return pl.DataFrame({"key": key}, schema={"key": pl.UInt64})


def column(values: pl.Series) -> Hashes:
    """Return the hash of each value of a column. Raises TypeError for a column of lists, records or bytes."""
    dtype = values.dtype
    if dtype == pl.String:
        found = _texts(values)
    elif dtype == pl.Boolean or dtype.is_integer():
        found = _tagged(values.cast(pl.Int64, wrap_numerical=True), NUMBER)
    elif dtype.is_float():
        values = values.cast(pl.Float64).fill_nan(None)
        found = _floats(values.fill_null(0.0).to_numpy())
    elif dtype in (pl.Date, pl.Datetime):
        whole = values.cast(pl.Int64) if dtype == pl.Date else values.dt.cast_time_unit("us").cast(pl.Int64)
        found = _tagged(whole, DATE if dtype == pl.Date else INSTANT)
    elif isinstance(dtype, pl.Array):
        found = _arrays(values.to_numpy())
    elif dtype == pl.Null:
        found = np.zeros(len(values), dtype=np.uint64)
    else:
        raise TypeError(f"`{values.name}` holds {dtype}, which has no identity")
    if values.null_count():
        found[values.is_null().to_numpy()] = mix(np.array([MISSING], dtype=np.uint64))[0]
    return found


def _tagged(whole: pl.Series, tag: int) -> Hashes:
    return mix(whole.fill_null(0).to_numpy().view(np.uint64) ^ _U(tag))


def _floats(numbers: NDArray[Any]) -> Hashes:
    is_whole = (np.floor(numbers) == numbers) & (np.abs(numbers) < 2.0**63)
    with np.errstate(invalid="ignore"):
        whole = mix(numbers.astype(np.int64).view(np.uint64) ^ _U(NUMBER))
    if is_whole.all():
        return whole
    return np.where(is_whole, whole, mix(numbers.view(np.uint64) ^ _U(FRACTION)))


def _arrays(numbers: NDArray[Any]) -> Hashes:
    rows = numbers.reshape(len(numbers), math.prod(numbers.shape[1:])).astype("<f4")
    words = np.ascontiguousarray(np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))).view("<u8")
    found = mix(np.full(len(rows), rows.shape[1], dtype=np.uint64) ^ _U(ARRAY))
    for word in np.ascontiguousarray(words.T):
        found = mix(found ^ word)
    return found


def _texts(values: pl.Series) -> Hashes:
    """Hash texts eight bytes at a time, all rows at once: each round takes the next word of the rows that have one left."""
    texts = values.fill_null("")
    sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
    joined = np.frombuffer(str(texts.str.join("").item()).encode() + b"\0" * 8, dtype=np.uint8)
    words = np.ndarray((len(joined) - 7,), dtype="<u8", buffer=joined, strides=(1,))  # the word that starts at each byte
    place = np.cumsum(sizes) - sizes
    numeric = np.isin(joined[place], _DIGITS)
    found = mix(sizes.astype(np.uint64) ^ _U(TEXT))
    left = sizes
    rows = np.flatnonzero(left > 0)
    while rows.size:
        taken = np.minimum(left[rows], 8)
        found[rows] = mix(found[rows] ^ (words[place[rows]] & _WORD[taken]))
        place[rows] += 8
        left[rows] -= 8
        rows = rows[left[rows] > 0]
    if numeric.any():
        _number_texts(texts, np.flatnonzero(numeric), found)
    return found


def _number_texts(texts: pl.Series, rows: NDArray[Any], found: Hashes) -> None:
    """Give texts that write a whole number as Python does the hash of that number."""
    some = texts.gather(rows)
    whole = some.cast(pl.Int64, strict=False)
    same = (whole.cast(pl.String) == some).fill_null(False).to_numpy()
    found[rows[same]] = _tagged(whole, NUMBER)[same]


def lots(key: Hashes, seed: int) -> Hashes:
    """Return the lot that each key draws under a seed: mix(key ^ mix(seed ^ SEED)), uniform over 64 bits."""
    drawn = np.empty_like(key)
    salt = mix(np.array([seed % 2**64 ^ SEED], dtype=np.uint64))
    for start in range(0, len(key), _BLOCK):
        drawn[start : start + _BLOCK] = mix(key[start : start + _BLOCK] ^ salt)
    return drawn


def prints(columns: Sequence[str]) -> pl.Expr:
    """Return Polars' own 64-bit hash of some columns of a row as an expression.

    It is fast and tells rows apart within one process; it must not be kept, as another version may hash otherwise. Columns
    are combined as h * PRIME ^ hash, modulo 2**64, which takes half the time of the hash of a struct (measured).
    """
    prime = pl.lit(NUMBER, dtype=pl.UInt64)
    first, *others = (pl.col(name).hash(1) for name in columns)
    return reduce(lambda whole, one: (whole * prime) ^ one, others, first)


def digest(key: Hashes) -> str:
    """Return the SHA-256, in hex, of sorted keys as little-endian words: the same rows in any order have the same digest."""
    return hashlib.sha256(np.sort(key).astype("<u8").tobytes()).hexdigest()
