"""Chapter 6's exercises: the usual mistakes, and a part of the sentence that names each."""

from __future__ import annotations

import pytest
from answers import assert_called_by_name

PRELUDE = """
import torch
from torch import nn
from torch.nn import functional as F

sp = F.softplus


def inside(z):
    return z.sigmoid().clamp(1e-6, 1 - 1e-6)


def fold(weight, bias, gamma, beta, mean, variance, eps):
    a = gamma / torch.sqrt(variance + eps)
    return weight * a.view(-1, 1, 1, 1), beta + a * (bias - mean)


def median(t, p):
    values, order = t.sort(0)
    return values.gather(0, (p[order].cumsum(0) >= 0.5).float().argmax(0)[None])[0]


def stages_of(change=lambda x: x, collect=lambda parts: torch.stack(parts).mean(), part=F.mse_loss):
    def loss(stages, sr, hr):
        sr, parts = change(sr), []
        for stage in stages:
            sr, hr = stage(sr), stage(hr)
            parts.append(part(sr, hr))
        return collect(parts)
    return loss


def game(d_loss=lambda real, fake: sp(-real).mean() + sp(fake).mean(), g_loss=lambda z: 1e-3 * sp(-z).mean(),
         clear=True, content=F.mse_loss, g_moves=True, d_moves=True, detach=False):
    def step(generator, discriminator, g, d, lr, hr):
        sr = generator(lr)
        if clear:
            d.zero_grad()
        d_loss(discriminator(hr), discriminator(sr.detach())).backward()
        if d_moves:
            d.step()
        g.zero_grad()
        (content(sr, hr) + g_loss(discriminator(sr.detach() if detach else sr))).backward()
        if g_moves:
            g.step()
    return step


def generator_first(generator, discriminator, g, d, lr, hr):
    sr = generator(lr)
    g.zero_grad()
    (F.mse_loss(sr, hr) + 1e-3 * sp(-discriminator(sr)).mean()).backward()
    g.step()
    d.zero_grad()
    (sp(-discriminator(hr)).mean() + sp(discriminator(generator(lr).detach())).mean()).backward()
    d.step()
"""

MISTAKES: list[tuple[str, str, str]] = [
    ("6.1", "lambda z, t: F.binary_cross_entropy_with_logits(z, t)", "what it should build"),
    ("6.1", "lambda z, t: (sp(z) - t * z).sum()", "the sum over the pictures"),
    ("6.1", "lambda z, t: -(sp(z) - t * z).mean()", "the sign is wrong"),
    ("6.1", "lambda z, t: (sp(z) - (1 - t) * z).mean()", "exchanged"),
    ("6.1", "lambda z, t: (t * sp(-z)).mean()", "only the real pictures"),
    ("6.1", "lambda z, t: (sp(z.sigmoid()) - t * z.sigmoid()).mean()", "applied twice"),
    ("6.1", "lambda z, t: (z.sigmoid() - t).square().mean()", "squared error"),
    ("6.1", "lambda z, t: (sp(z) - t * z).mean() + 1", "for moderate logits"),
    (
        "6.1",
        "lambda z, t: -(t * z.sigmoid().log() + (1 - t) * (1 - z.sigmoid()).log()).mean()",
        "the loss is nan",
    ),
    ("6.1", "lambda z, t: (torch.log(1 + z.exp()) - t * z).mean()", "the loss is inf"),
    (
        "6.1",
        "lambda z, t: -(t * inside(z).log() + (1 - t) * (1 - inside(z)).log()).mean()",
        "clipped away",
    ),
    ("6.1", "lambda z, t: (sp(z) - t * z).mean().item()", "one number, so that it has a gradient"),
    ("6.1", "lambda z, t: (sp(z) - t * z).mean().detach()", "no gradient"),
    ("6.1", "lambda z, t: sp(z) - t * z", "the mean over all"),
    (
        "6.2",
        "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, 0)[0], fold(w, b, g, t, m, v, 0)[1])",
        "under the root",
    ),
    ("6.2", "lambda w, b, g, t, m, v, e: (w * (g / (v + e)).view(-1, 1, 1, 1), t)", "the root is missing"),
    ("6.2", "lambda w, b, g, t, m, v, e: (w / (v + e).sqrt().view(-1, 1, 1, 1), t)", "γ is missing"),
    ("6.2", "lambda w, b, g, t, m, v, e: (w, t)", "output map by output map"),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], t - g / (v + e).sqrt() * m)", "own bias"),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], t + g / (v + e).sqrt() * b)", "taken off"),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], fold(w, b, g, t, m, v, e)[1] - t)", "β is"),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], t + b - m)", "scaled like the weights"),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], t + b - g / (v + e).sqrt() * m)", "too."),
    ("6.2", "lambda w, b, g, t, m, v, e: (fold(w, b, g, t, m, v, e)[0], b)", "the biases are not"),
    ("6.2", "lambda w, b, g, t, m, v, e: fold(w, b, g, t, m, v, e)[0]", "two things"),
    ("6.3", "lambda t, p: (t.mean(0), median(t, p))", "plain mean"),
    ("6.3", "lambda t, p: (p @ t, p @ t)", "not best for the absolute error"),
    ("6.3", "lambda t, p: (median(t, p), p @ t)", "not the one with the least expected squared"),
    ("6.3", "lambda t, p: (p @ t, t.median(0).values)", "plain median"),
    ("6.3", "lambda t, p: (p @ t, t[p.argmax()])", "likeliest truth"),
    ("6.3", "lambda t, p: (p @ t, t.amax(0))", "can be had"),
    ("6.3", "lambda t, p: p @ t", "two pictures"),
    ("6.4", "stages_of(collect=lambda parts: torch.tensor([p.item() for p in parts]).mean())", "without a history"),
    ("6.4", "stages_of(change=lambda x: torch.round(255 * x) / 255)", "zero everywhere"),
    ("6.4", "stages_of(change=lambda x: x.clamp(0, 1))", "outside [0, 1]"),
    ("6.4", "stages_of(change=lambda x: x.detach() + 0 * torch.zeros(1, requires_grad=True))", "not to sr"),
    ("6.4", "stages_of(collect=sum)", "the sum over the stages"),
    ("6.4", "stages_of(part=F.l1_loss)", "the mean over the stages is"),
    ("6.4", "stages_of(collect=lambda parts: parts[0].detach() / 2 + parts[1] / 2)", "a part of its gradient"),
    ("6.4", "stages_of(collect=lambda parts: [p.item() for p in parts])", "must be a tensor"),
    ("6.5", "game(g_moves=False)", "the generator has not moved"),
    ("6.5", "game(d_moves=False)", "the discriminator has not moved"),
    ("6.5", "lambda *players: None", "neither network has moved"),
    ("6.5", "game(d_loss=lambda real, fake: sp(real).mean() + sp(-fake).mean())", "learns the opposite"),
    ("6.5", "game(g_loss=lambda z: -1e-3 * sp(z).mean())", "saturating"),
    ("6.5", "game(g_loss=lambda z: sp(-z).mean())", "needs its weight"),
    ("6.5", "game(detach=True)", "does not reach the generator"),
    ("6.5", "game(g_loss=lambda z: -1e-3 * sp(-z).mean())", "found out"),
    ("6.5", "game(d_loss=lambda real, fake: sp(-real).mean() / 2 + sp(fake).mean() / 2)", "not their mean"),
    ("6.5", "game(clear=False)", "of the step before"),
    ("6.5", "game(content=F.l1_loss)", "the discriminator's half is right"),
    ("6.5", "game(d_loss=lambda real, fake: -real.mean() + fake.mean())", "look at one half"),
    ("6.5", "generator_first", "moved first"),
]


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES])
def test_a_usual_mistake_is_called_by_its_name(name: str, answer: str, words: str) -> None:
    assert_called_by_name(name, answer, words, PRELUDE)
