#!/usr/bin/python3
"""gpt_torch - the time of a training step of `plumb run gpt` in PyTorch, compiled, in ns.

    gpt_torch.py THREADS [eager]

The model of runtime/work_gpt.c: two blocks, two heads, width 32, 32 characters, a batch of 8, AdamW.
Loss, gradients and optimiser are compiled; the best of ten rounds of twenty steps is printed.
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BLOCKS, HEADS, WIDTH, CONTEXT, BATCH, VOCABULARY = 2, 2, 32, 32, 8, 29


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(self.ln_1(x)).view(BATCH, CONTEXT, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.permute(0, 2, 1, 3).reshape(BATCH, CONTEXT, WIDTH))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.wpe = nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens, label):
        x = self.wte(tokens) + self.wpe(torch.arange(CONTEXT))
        for block in self.h:
            x = block(x)
        return F.cross_entropy(self.head(self.ln_f(x)).view(-1, VOCABULARY), label)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(1)
    model = Gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01, fused=True)
    tokens = torch.randint(VOCABULARY, (BATCH, CONTEXT))
    label = torch.randint(VOCABULARY, (BATCH * CONTEXT,))
    loss = model if sys.argv[2:] == ["eager"] else torch.compile(model)

    def step():
        optimizer.zero_grad()
        loss(tokens, label).backward()
        optimizer.step()

    for _ in range(10):
        step()
    best = 1e18
    for _ in range(10):
        begin = time.perf_counter_ns()
        for _ in range(20):
            step()
        best = min(best, (time.perf_counter_ns() - begin) / 20)
    print(f"{best:.0f}")


main()
