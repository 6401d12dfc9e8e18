"""Files as disks, transfers and attackers leave them."""


def damaged(content, rng):
    """`content` with a few bytes flipped, cut out, doubled, set to an extreme, put in, or its end cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 9))
        match rng.integers(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.integers(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = rng.bytes(length)
            case 3:
                data[at : at + length] = bytes([rng.choice([0, 255, 127, 128, 48, 45])]) * length
            case 4:
                data[at:at] = data[at : at + 40]
            case 5 if rng.random() < 0.2:
                del data[at:]
    return bytes(data)
