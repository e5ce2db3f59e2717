"""Float networks as people write them in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    """For 1x28x28; ReLU behind the pools, as in most examples."""

    def __init__(self, width=1.0):
        super().__init__()
        a, b, c, d = (max(int(n * width), 2) for n in (6, 16, 120, 84))
        self.conv1 = nn.Conv2d(1, a, 5, padding=2)
        self.conv2 = nn.Conv2d(a, b, 5)
        self.fc1 = nn.Linear(b * 25, c)
        self.fc2 = nn.Linear(c, d)
        self.fc3 = nn.Linear(d, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                          nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of `blocks` blocks; the first convolution takes every `stride`-th pixel."""

    def __init__(self, width=16, blocks=3, stride=1, inputs=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(inputs, width, 3, stride, 1, bias=False),
                                  nn.BatchNorm2d(width), nn.ReLU())
        layers, channels = [], width
        for stage in range(3):
            for block in range(blocks):
                out = width << stage
                layers.append(Block(channels, out, 2 if stage > 0 and block == 0 else 1))
                channels = out
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.layers(self.stem(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand, activation):
        super().__init__()
        hidden = inputs * expand
        self.skip = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), activation(),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden), activation(),
            nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.body(x)
        return x + y if self.skip else y


class MobileNetV2(nn.Module):
    """Inverted residuals with ReLU6."""

    def __init__(self, width=8, expand=3, activation=nn.ReLU6):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False),
                                  nn.BatchNorm2d(width), activation())
        self.blocks = nn.Sequential(
            InvertedResidual(width, width, 1, expand, activation),
            InvertedResidual(width, 2 * width, 2, expand, activation),
            InvertedResidual(2 * width, 2 * width, 1, expand, activation))
        self.fc = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * width, 10))

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean([2, 3]))


class SqueezeExcite(nn.Module):
    """HardSwish, squeeze and excite, Concat, LeakyReLU and Softmax."""

    def __init__(self, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.left = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.right = nn.Conv2d(width, width, (1, 3), padding=(0, 1), groups=2)
        self.reduce = nn.Conv2d(2 * width, width // 2, 1)
        self.expand = nn.Conv2d(width // 2, 2 * width, 1)
        self.conv2 = nn.Conv2d(2 * width, width, 3, stride=2)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        x = F.hardswish(self.conv1(x))
        x = torch.cat([F.leaky_relu(self.left(x), 0.1), torch.tanh(self.right(x))], 1)
        s = F.relu(self.reduce(x.mean([2, 3], keepdim=True)))
        x = x * F.hardsigmoid(self.expand(s))
        x = F.silu(self.conv2(x))
        x = F.avg_pool2d(x, 3, 2, 1)
        return F.softmax(self.fc(x.mean([2, 3])), 1)


def export(model, image, path):
    """Opset 17, dynamic batch, batch norm left as it is."""
    model.eval()
    torch.onnx.export(model, (torch.zeros(1, *image),), path, input_names=["image"],
                      output_names=["logits"], opset_version=17, dynamo=False,
                      dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
