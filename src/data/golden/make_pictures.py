"""Writes the pictures of this folder and what Pillow and torchvision make of them.

    python -m venv venv && venv/bin/pip install pillow==11.3.0 numpy==2.2.6 torch==2.9.1 torchvision==0.24.1
    venv/bin/python make_pictures.py

decoded.txt:   file, mode after convert(), width, height, pixels [height, width, channels] in hex
resampled.txt: file, mode, "resize" (a side, or HxW, or -), "crop" (HxW or -), interpolation, then as above
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

HERE = pathlib.Path(__file__).parent


def waves(height, width, channels):
    """Smooth colours with edges and some noise."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    noise = np.random.default_rng(7).integers(-20, 20, (height, width, channels))
    values = 128 + 90 * np.sin(x / 3 + c) * np.cos(y / 4 - c) + 60 * ((x + y) % 11 > 5) + noise
    return np.clip(values, 0, 255).astype(np.uint8)


def png16(array):
    """A PNG file of 16 bits a sample, which Pillow does not write in colour."""
    height, width, channels = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def write_pictures():
    colour = Image.fromarray(waves(9, 14, 3))
    grey = Image.fromarray(waves(9, 14, 1)[:, :, 0])
    alpha = Image.fromarray(waves(9, 14, 4))
    palette = colour.quantize(16)
    colour.save(HERE / "rgb.png")
    grey.save(HERE / "grey.png")
    alpha.save(HERE / "rgba.png")
    alpha.convert("LA").save(HERE / "grey_alpha.png")
    palette.save(HERE / "palette.png")
    palette.save(HERE / "palette_clear.png", transparency=3)
    grey.convert("1").save(HERE / "bits.png")
    (HERE / "rgb16.png").write_bytes(png16(waves(9, 14, 3).astype(np.uint16) * 257 - 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees, which Image.open leaves alone
    colour.save(HERE / "plain.jpg", quality=90, subsampling=0)
    colour.save(HERE / "halved.jpg", quality=75, subsampling=2, exif=exif)
    colour.save(HERE / "progressive.jpg", quality=75, progressive=True)
    grey.save(HERE / "grey.jpg", quality=80)
    colour.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    Image.fromarray(waves(29, 37, 4)).save(HERE / "large.png")


def fact(*words, image):
    array = np.asarray(image)
    return " ".join([*words, str(image.width), str(image.height), array.tobytes().hex()]) + "\n"


def write_decoded():
    with open(HERE / "decoded.txt", "w") as out:
        for path in sorted([*HERE.glob("*.png"), *HERE.glob("*.jpg")]):
            if path.name == "large.png":
                continue
            for mode in ("L", "RGB", "RGBA"):
                out.write(fact(path.name, mode, image=Image.open(path).convert(mode)))


def write_resampled():
    cases = [("16", "12x12"), ("16", "-"), ("20x13", "-"), ("-", "9x12"), ("-", "31x40"),
             ("45", "22x21"), ("11", "13x12"), ("28x37", "-"), ("29x36", "8x9"), ("5", "4x7")]
    with open(HERE / "resampled.txt", "w") as out:
        for mode in ("L", "RGB", "RGBA"):
            image = Image.open(HERE / "large.png").convert(mode)
            for resize, crop in cases:
                for name in ("bilinear", "bicubic"):
                    steps = []
                    if resize != "-":
                        size = [int(side) for side in resize.split("x")]
                        steps.append(Resize(size if len(size) == 2 else size[0],
                                            InterpolationMode(name), antialias=True))
                    if crop != "-":
                        steps.append(CenterCrop([int(side) for side in crop.split("x")]))
                    out.write(fact("large.png", mode, resize, crop, name, image=Compose(steps)(image)))


write_pictures()
write_decoded()
write_resampled()
