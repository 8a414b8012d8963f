"""Small networks in the shapes that people really export, with random weights from a fixed seed.

Plain torch, written for tests of the splitter: what counts is how their graphs look, not what they
compute.
"""

import torch
from nms import select
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 4
STRIDES = (8, 16, 32)
PICTURE_SIDE = 320


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """From and to [batch, tokens, width]."""
        batch, tokens, width = x.shape
        split = self.into(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        return self.out(seen.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    """A transformer's block: two residual branches, each after a layer norm."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal=causal)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """From and to [batch, tokens, width]."""
        x = x + self.attention(self.before_attention(x))
        return x + self.mlp(self.before_mlp(x))


class VisionTransformer(nn.Module):
    """A ViT-Ti: patches of 16, 12 blocks of width 192, a class token; dynamic batch."""

    def __init__(self, blocks: int = 12, width: int = 192, heads: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, 14 * 14 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, picture: Tensor) -> Tensor:
        """From [batch, 3, 224, 224] to [batch, 1000]."""
        x = self.patches(picture).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Decoder(nn.Module):
    """A GPT: 4 causal blocks of width 128, input and output embeddings tied; dynamic sequence."""

    def __init__(self, vocabulary: int = 1000, blocks: int = 4, width: int = 128) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(512, width)
        self.blocks = nn.Sequential(*(Block(width, 4, causal=True) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.words.weight  # tied: first and last segment share the tensor

    def forward(self, tokens: Tensor) -> Tensor:
        """From [batch, sequence] int64 to logits [batch, sequence, vocabulary]."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.places(places)
        return self.head(self.norm(self.blocks(x)))


def conv(into: int, out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Return the convolution, norm and activation that detectors are made of."""
    convolution = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.SiLU())


class CrossStage(nn.Module):
    """A CSP stage: half of the channels goes through bottlenecks, all meet again."""

    def __init__(self, into: int, out: int, depth: int = 1) -> None:
        super().__init__()
        half = out // 2
        self.half = half
        self.into = conv(into, out)
        self.steps = nn.ModuleList(
            nn.Sequential(conv(half, half, 3), conv(half, half, 3)) for _ in range(depth)
        )
        self.out = conv((2 + depth) * half, out)

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        parts = list(self.into(x).split(self.half, 1))
        for step in self.steps:
            parts.append(parts[-1] + step(parts[-1]))
        return self.out(torch.cat(parts, 1))


class Pooling(nn.Module):
    """Three poolings in a row, all four stages joined (SPPF)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.out = conv(width, width // 2), conv(2 * width, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        parts = [self.into(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.out(torch.cat(parts, 1))


class Detector(nn.Module):
    """A YOLO-like net: CSP backbone, FPN and PAN neck, three heads, decoded boxes, NMS inside."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w = [width * scale for scale in (1, 2, 4, 8, 16)]
        self.stem = nn.Sequential(
            conv(3, w[0], 3, 2), conv(w[0], w[1], 3, 2), CrossStage(w[1], w[1])
        )
        self.to_8 = nn.Sequential(conv(w[1], w[2], 3, 2), CrossStage(w[2], w[2], 2))
        self.to_16 = nn.Sequential(conv(w[2], w[3], 3, 2), CrossStage(w[3], w[3], 2))
        self.to_32 = nn.Sequential(conv(w[3], w[4], 3, 2), CrossStage(w[4], w[4]), Pooling(w[4]))
        self.up_16, self.up_8 = CrossStage(w[4] + w[3], w[3]), CrossStage(w[3] + w[2], w[2])
        self.down_16 = conv(w[2], w[2], 3, 2)
        self.down_32 = conv(w[3], w[3], 3, 2)
        self.out_16 = CrossStage(w[2] + w[3], w[3])
        self.out_32 = CrossStage(w[3] + w[4], w[4])
        self.boxes = nn.ModuleList(self._head(channels, 4) for channels in w[2:])
        self.classes = nn.ModuleList(self._head(channels, CLASSES) for channels in w[2:])
        self.bigger = nn.Upsample(scale_factor=2.0, mode="nearest")
        centres, strides = self._grid()
        self.register_buffer("centres", centres)
        self.register_buffer("strides", strides)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From [1, 3, 320, 320] to what was found: boxes [n, 4], scores [n], classes [n]."""
        at_8 = self.to_8(self.stem(picture))
        at_16 = self.to_16(at_8)
        at_32 = self.to_32(at_16)
        up_16 = self.up_16(torch.cat([self.bigger(at_32), at_16], 1))
        up_8 = self.up_8(torch.cat([self.bigger(up_16), at_8], 1))
        out_16 = self.out_16(torch.cat([self.down_16(up_8), up_16], 1))
        out_32 = self.out_32(torch.cat([self.down_32(out_16), at_32], 1))
        levels = (up_8, out_16, out_32)
        distances = self._joined(self.boxes, levels).exp().transpose(1, 2) * self.strides
        scores = self._joined(self.classes, levels).sigmoid()
        boxes = torch.cat(
            [self.centres - distances[..., :2], self.centres + distances[..., 2:]], -1
        )
        found = select(boxes, scores, most=50, overlap=0.5, threshold=0.5)
        kinds, places = found[:, 1], found[:, 2]
        return boxes[0][places], scores[0].transpose(0, 1)[places, kinds], kinds

    @staticmethod
    def _head(channels: int, out: int) -> nn.Sequential:
        return nn.Sequential(conv(channels, channels, 3), nn.Conv2d(channels, out, 1))

    @staticmethod
    def _joined(heads: nn.ModuleList, levels: tuple[Tensor, ...]) -> Tensor:
        each = [head(level).flatten(2) for head, level in zip(heads, levels, strict=True)]
        return torch.cat(each, 2)

    @staticmethod
    def _grid() -> tuple[Tensor, Tensor]:
        centres, strides = [], []
        for stride in STRIDES:
            steps = (torch.arange(PICTURE_SIDE // stride) + 0.5) * stride
            rows, columns = torch.meshgrid(steps, steps, indexing="ij")
            centres.append(torch.stack([columns, rows], -1).reshape(-1, 2))
            strides.append(torch.full((centres[-1].shape[0], 1), float(stride)))
        return torch.cat(centres)[None], torch.cat(strides)[None]


class ConvNet(nn.Module):
    """A few convolutions with a skip, for half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 32, 3, 1, 1)
        self.third, self.head = nn.Conv2d(32, 64, 3, 2, 1), nn.Linear(64, 10)

    def forward(self, picture: Tensor) -> Tensor:
        """From [batch, 3, 64, 64] to [batch, 10]."""
        x = self.first(picture).relu()
        x = self.third(x + self.second(x).relu()).relu()
        return self.head(x.mean((2, 3)))


class Branching(nn.Module):
    """Which of two branches runs depends on the input; both read tensors of outside."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(width, width), nn.Linear(width, width)
        self.left, self.right = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """From and to [batch, 64], by torch.cond: what torch.export understands."""
        hidden = self.before(x).relu()
        chosen = torch.cond(
            hidden.sum() > x.sum(),
            lambda h, given: self.left(h) + given,
            lambda h, given: self.right(h).relu() * given,
            (hidden, x),
        )
        return self.after(chosen + hidden).relu()


class ScriptedBranching(Branching):
    """The same with plain ``if`` and ``for``: what torch.jit.script understands."""

    def forward(self, x: Tensor) -> Tensor:
        """From and to [batch, 64]; the number of rounds depends on the input."""
        hidden = self.before(x).relu()
        if bool(hidden.sum() > x.sum()):
            chosen = self.left(hidden) + x
        else:
            chosen = self.right(hidden).relu() * x
        for _ in range(int((x[0, 0] > 0.0).long()) + 1):
            chosen = chosen + self.left(chosen).tanh()
        return self.after(chosen + hidden).relu()
