"""Five published networks, written out small: each has `features`, whose maps keep their place, and a `head`."""

from torch import nn


class Network(nn.Module):
    def __init__(self, features, head):
        super().__init__()
        self.features, self.head = nn.Sequential(*features), nn.Sequential(*head)

    def forward(self, x):
        return self.head(self.features(x))


def vgg16(width=2, pool=nn.MaxPool2d):
    """Simonyan & Zisserman, 2015, configuration D; 64 channels of the paper are one width."""
    features, below = [], 3
    for channels in [1, 1, None, 2, 2, None, 4, 4, 4, None, 8, 8, 8, None, 8, 8, 8, None]:
        if channels is None:
            features.append(pool(2, 2))
        else:
            features += nn.Conv2d(below, channels * width, 3, padding=1), nn.ReLU(inplace=True)
            below = channels * width
    hidden = [nn.Linear(below * 49, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(), nn.Dropout()]
    return Network(features, [nn.AdaptiveAvgPool2d(7), nn.Flatten(), *hidden, nn.Linear(16, 10)])


def convolution(below, channels, kernel, stride=1, groups=1, activation=nn.ReLU6):
    """With padding that keeps the size, batch normalization, and an activation or none."""
    modules = [
        nn.Conv2d(below, channels, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
    ]
    return nn.Sequential(*modules, *([activation()] if activation else []))


class BasicBlock(nn.Module):
    def __init__(self, below, channels, stride):
        super().__init__()
        self.first = convolution(below, channels, 3, stride, activation=nn.ReLU)
        self.second = convolution(channels, channels, 3, activation=None)
        self.shortcut = convolution(below, channels, 1, stride, activation=None) if stride > 1 else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.second(self.first(x))
        y += self.shortcut(x)
        return self.relu(y)


def resnet18(width=2, pool=nn.MaxPool2d):
    """He et al., 2016."""
    features, below = [convolution(3, width, 7, 2, activation=nn.ReLU), pool(3, 2, 1)], width
    for stage, stride in enumerate((1, 2, 2, 2)):
        features += [BasicBlock(below, below := width * 2**stage, step) for step in (stride, 1)]
    return Network(features, [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(below, 10)])


def all_cnn_c(width=2):
    """Springenberg et al., 2015, for CIFAR-10; 96 channels of the paper are one width."""
    features, below = [nn.Dropout(0.2)], 3
    plan = [(1, 3, 1, 1)] * 2 + [(1, 3, 2, 1)] + [(2, 3, 1, 1)] * 2 + [(2, 3, 2, 1), (2, 3, 1, 0), (2, 1, 1, 0)]
    for channels, kernel, stride, padding in plan:
        features += nn.Conv2d(below, channels * width, kernel, stride, padding), nn.ReLU()
        below = channels * width
    features += nn.Conv2d(below, 10, 1), nn.ReLU()
    return Network(features, [nn.AvgPool2d(6), nn.Flatten()])


class InvertedResidual(nn.Module):
    def __init__(self, below, channels, stride, expansion):
        super().__init__()
        hidden = below * expansion
        expand = [convolution(below, hidden, 1)] if expansion > 1 else []
        depthwise = convolution(hidden, hidden, 3, stride, groups=hidden)
        self.branch = nn.Sequential(*expand, depthwise, convolution(hidden, channels, 1, activation=None))
        self.adds = stride == 1 and below == channels

    def forward(self, x):
        return x + self.branch(x) if self.adds else self.branch(x)


def mobilenet_v2(width=1):
    """Sandler et al., 2018; 8 channels of the paper are one width."""
    features, below = [convolution(3, 4 * width, 3, 2)], 4 * width
    plan = [(1, 2, 1, 1), (6, 3, 2, 2), (6, 4, 3, 2), (6, 8, 4, 2), (6, 12, 3, 1), (6, 20, 3, 2), (6, 40, 1, 1)]
    for expansion, channels, count, stride in plan:
        steps = [stride] + [1] * (count - 1)
        features += [InvertedResidual(below, below := channels * width, step, expansion) for step in steps]
    features.append(convolution(below, 160 * width, 1))
    return Network(features, [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(160 * width, 10)])


class Residual(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x


def convmixer(width=4, depth=4, kernel=9, patch=7):
    """Trockman & Kolter, 2022."""
    features = [nn.Conv2d(3, width, patch, stride=patch), nn.GELU(), nn.BatchNorm2d(width)]
    for _ in range(depth):
        mix = [nn.Conv2d(width, width, kernel, groups=width, padding="same"), nn.GELU(), nn.BatchNorm2d(width)]
        features += Residual(*mix), nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width)
    return Network(features, [nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(width, 10)])
