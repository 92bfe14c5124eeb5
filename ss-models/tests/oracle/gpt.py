"""Reference values of a small GPT for tests/gpt.rs: parameter count, logits and gradients in PyTorch, f64.

    python3 tests/oracle/gpt.py      (PyTorch)

A plain PyTorch GPT: pre-normalised blocks, learned positions, tied classifier, exact GELU. Weights are a fixed pattern that both
sides make: value i of a parameter named N is sin(0.37 i + 0.11 len(N)) / sqrt(fan-in); scales of layer normalisations are
1 + 0.1 sin(i), shifts and biases 0.1 cos(i).
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (p.reshape(n, t, self.heads, d // self.heads).transpose(1, 2) for p in self.c_attn(x).split(d, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(n, t, d))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Attention(width, heads)
        self.ln_2, self.mlp = nn.LayerNorm(width), MLP(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocabulary, width),
                wpe=nn.Embedding(context, width),
                h=nn.ModuleList(Block(width, heads) for _ in range(layers)),
                ln_f=nn.LayerNorm(width),
            )
        )

    def forward(self, x):
        t = self.transformer
        h = t.wte(x) + t.wpe(torch.arange(x.shape[1]))
        for block in t.h:
            h = block(h)
        hidden = t.ln_f(h)
        return hidden, hidden @ t.wte.weight.T


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    print("torch", torch.__version__)
    count = lambda *numbers: sum(p.numel() for p in GPT(*numbers).parameters())
    print("parameters", count(2, 128, 4, 64, 8192), count(12, 768, 12, 1024, 50257))

    net = GPT(2, 8, 2, 6, 11)
    with torch.no_grad():
        for name, p in net.named_parameters():
            i = torch.arange(p.numel(), dtype=torch.float64)
            if p.dim() == 1:
                scale = name.endswith("weight")
                v = 1 + 0.1 * torch.sin(i) if scale else 0.1 * torch.cos(i)
            else:
                v = torch.sin(0.37 * i + 0.11 * len(name)) / math.sqrt(p[0].numel())
            p.copy_(v.reshape(p.shape))
    windows = torch.tensor([[(7 * w + 3 * t + w * t * t) % 11 for t in range(6)] for w in range(3)])
    x, y = windows[:, :-1], windows[:, 1:]
    hidden, logits = net(x)
    loss = F.cross_entropy(logits.reshape(-1, 11), y.reshape(-1))
    loss.backward()
    print("logits of window 1, last token", logits[1, -1].tolist())
    print("hidden sum", hidden.sum().item(), "loss", loss.item())
    for name in ["transformer.wte.weight", "transformer.wpe.weight", "transformer.h.0.attn.c_attn.weight",
                 "transformer.h.1.mlp.c_proj.weight", "transformer.h.0.ln_1.bias", "transformer.ln_f.weight"]:
        g = dict(net.named_parameters())[name].grad
        i = torch.arange(g.numel(), dtype=torch.float64)
        print(name, g.norm().item(), (g.reshape(-1) * torch.sin(i)).sum().item())
