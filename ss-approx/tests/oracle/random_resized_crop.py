"""The expected values of src/random_resized_crop.rs. Run with torch 2.15, torchvision 0.29, numpy 2.4."""

import math

import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import RandomResizedCrop

RATIO = (3 / 4, 4 / 3)


class Uniform:
    """Puts given numbers in [0, 1) in the place of torch's, ten attempts of them, and counts what is asked for."""

    def __init__(self, share, ratio):
        self.values, self.asked = [share, ratio] * 10, 0

    def __enter__(self):
        self.saved = torch.Tensor.uniform_

        def fill(tensor, low, high):
            unit = self.values[self.asked]
            self.asked += 1
            return tensor.fill_(low + unit * (high - low))

        torch.Tensor.uniform_ = fill
        return self

    def __exit__(self, *_):
        torch.Tensor.uniform_ = self.saved


def params(width, height, smallest, share, ratio):
    torch.set_default_dtype(torch.float64)
    with Uniform(share, ratio) as uniform:
        top, left, h, w = RandomResizedCrop.get_params(torch.zeros(3, height, width), [smallest, 1.0], list(RATIO))
    torch.set_default_dtype(torch.float32)
    return (w, h) if uniform.asked == 2 else None, (left, top, w, h)


for (width, height, smallest), (share, ratio) in [
    ((500, 375, 0.08), (0.25, 0.5)),
    ((500, 375, 0.08), (0.9, 0.95)),
    ((500, 375, 0.08), (0.6, 0.1)),
    ((375, 500, 0.08), (0.0, 0.99)),
    ((32, 32, 0.3), (0.4, 0.75)),
    ((7, 3, 0.08), (0.5, 0.5)),
    ((1, 1, 0.08), (0.999, 0.5)),
]:
    print("size", width, height, smallest, share, ratio, params(width, height, smallest, share, ratio)[0])

for width, height in [(500, 100), (100, 500), (301, 10), (50, 50)]:
    print("centre", width, height, params(width, height, 0.999, 0.99, 0.0)[1])

for side, width, height in [(224, 500, 375), (224, 375, 500), (32, 32, 32), (16, 20, 9)]:
    # The columns and rows that are left tell the place: an image of coordinates, resized without interpolation.
    shorter = round(side * 256 / 224)
    size = F.resize(Image.new("RGB", (width, height)), shorter).size
    at = np.indices((size[1], size[0]))
    view = F.center_crop(torch.tensor(at), [side, side])
    print("view", side, width, height, size, (int(view[1, 0, 0]), int(view[0, 0, 0])))

torch.manual_seed(0)
image = torch.zeros(1, 375, 500)
shares = []
for _ in range(200_000):
    _, _, h, w = RandomResizedCrop.get_params(image, [0.08, 1.0], list(RATIO))
    shares.append(h * w / (500 * 375))
print("mean", np.mean(shares), "std", np.std(shares))

# What an image of 5x4 pixels looks like scaled to other sizes: Pillow's BILINEAR, which is a triangle filter.
pixels = np.array([[(37 * (5 * y + x) + 11 * c) % 251 for c in range(3)] for y in range(4) for x in range(5)], np.uint8)
picture = Image.fromarray(pixels.reshape(4, 5, 3))
for box, size in [((1, 0, 4, 4), (2, 3)), ((0, 1, 5, 3), (7, 5))]:
    part = F.resized_crop(picture, box[1], box[0], box[3] - box[1], box[2] - box[0], [size[1], size[0]])
    print("resized", box, size, np.asarray(part).reshape(-1).tolist())
