"""Just enough DER to write odd certificates lists and requests, and to take answers apart byte by byte."""


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts):
    return tlv(0x30, *parts)


def explicit(number, *parts):
    return tlv(0xA0 | number, *parts)


def integer(value):
    size = ((value if value >= 0 else value + 1).bit_length()) // 8 + 1
    return tlv(0x02, value.to_bytes(size, "big", signed=True))


def enumerated(value):
    return tlv(0x0A, bytes([value]))


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def octets(value):
    return tlv(0x04, value)


def bits(value):
    return tlv(0x03, b"\x00", value)


NULL = tlv(0x05)


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for arc in [first * 40 + second, *rest]:
        chunk = [arc & 0x7F]
        while arc := arc >> 7:
            chunk.append(0x80 | arc & 0x7F)
        body += bytes(reversed(chunk))
    return tlv(0x06, body)


def time(moment):
    """UTCTime before 2050, GeneralizedTime from then on (RFC 5280 §5.1.2.4)."""
    if moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def extension(dotted, value, critical=False):
    return sequence(oid(dotted), boolean(True) if critical else b"", octets(value))


def read(data):
    """Splits the first element off: (tag, content, whole element, rest)."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    assert start + length <= len(data), "element runs past its end"
    end = start + length
    return tag, data[start:end], data[:end], data[end:]


def children(content):
    """The elements side by side in `content`, each as (tag, content, whole element)."""
    found = []
    while content:
        tag, body, whole, content = read(content)
        found.append((tag, body, whole))
    return found
