# SPDX-License-Identifier: MIT
"""Bencoding (BEP 3), both ways.

The encoder writes dictionaries with sorted keys; `Raw` puts bytes of one's own
in their place, which is how tests make what no honest encoder would write.
"""


class Raw:
    """Bytes that stand for themselves inside a value."""

    def __init__(self, encoded):
        self.encoded = encoded


def _key(key):
    return key.encode() if isinstance(key, str) else bytes(key)


def encode(value):
    """The bencoded form of a value; text is written as UTF-8."""
    if isinstance(value, Raw):
        return value.encoded
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b"%d:" % len(value) + bytes(value)
    if isinstance(value, (list, tuple)):
        return b"l" + b"".join(encode(item) for item in value) + b"e"
    if isinstance(value, dict):
        pairs = sorted((_key(key), item) for key, item in value.items())
        return b"d" + b"".join(encode(key) + encode(item) for key, item in pairs) + b"e"
    raise TypeError(f"bencode: {type(value).__name__}")


def decode(data):
    """The value of a bencoded string and the offset behind it; keys are bytes."""
    return _decode(bytes(data), 0)


def _decode(data, at):
    lead = data[at:at + 1]
    if lead == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if lead == b"l":
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = _decode(data, at)
            items.append(item)
        return items, at + 1
    if lead == b"d":
        pairs, at = {}, at + 1
        while data[at:at + 1] != b"e":
            key, at = _decode(data, at)
            pairs[key], at = _decode(data, at)
        return pairs, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("bencode: string runs past the end")
    return data[colon + 1:end], end
