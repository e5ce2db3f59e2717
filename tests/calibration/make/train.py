"""train.py lenet5|resnet20 FOLDER [SECONDS]: trains a small network on the CPU and exports it.

LeNet-5 on Fashion-MNIST; ResNet-20 with a first stride of 2 on CIFAR-10, so that minutes suffice.
"""

import math
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

import images
import networks

BATCH = 128


def batches(x, y, mirror):
    while True:
        for part in torch.randperm(len(x)).split(BATCH):
            image = x[part]
            if mirror:
                flip = torch.rand(len(part)) < 0.5
                image[flip] = image[flip].flip(-1)
            yield image, y[part]


def train(model, x, y, seconds, mirror, rate):
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4,
                                nesterov=True)
    start = time.process_time()
    seen = 0
    for image, label in batches(x, y, mirror):
        done = (time.process_time() - start) / seconds
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = rate * min(1, 20 * done) * (1 + math.cos(math.pi * done)) / 2
        loss = F.cross_entropy(model(image), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(image)
    print(f"{seen} images seen in {seconds:.0f} s of processor time")


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        right = sum(int((model(a).argmax(1) == b).sum()) for a, b in zip(x.split(500), y.split(500)))
    return right / len(y)


def main(name, folder, seconds):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dataset, model, rate = {"lenet5": ("fashion-mnist", networks.LeNet5(), 0.02),
                            "resnet20": ("cifar10", networks.ResNet20(stride=2), 0.1)}[name]
    x, y = (torch.from_numpy(np.ascontiguousarray(a)) for a in images.load(dataset, True))
    train(model, x, y, seconds, dataset == "cifar10", rate)
    test = [torch.from_numpy(a) for a in images.load(dataset, False)]
    print(f"{name}: {100 * accuracy(model, *test):.2f} % of {len(test[1])} test images")
    networks.export(model, x.shape[1:], f"{folder}/{name}.onnx")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 300)
