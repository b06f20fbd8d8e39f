"""Particles on a graphics card: its programs, in Triton's interpreter and compiled for cards, and on a card."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from kernels.experiment import Experiment
from kernels.gaussian import Gaussian
from kernels.grids import Uniform
from kernels.normals import normals
from kernels.particles import Moments, Sampling, fused, has_law, sample
from kernels.particles.plan import Plan
from kernels.report import report
from kernels.samplers import EulerMaruyama
from kernels.spectra import PowerLaw
from tests.compiled import AGES, compiled_for, has_card, has_triton, ran
from tests.kernels.test_particles import EVERY, agree, name, on_a_mixture

CALL = "from tests.kernels.test_particles_card import {0}; {0}(); print('done')"


def programs_agree() -> None:
    """The programs against the loops of the processor, on the same random numbers."""
    from kernels.particles import card

    place = torch.device("cpu")
    numbers = card.normals(5, 2, 7, 1000, 3000, place) - normals(5, 2, 7, 1000, 3000)
    assert float(numbers.abs().max()) < 2e-4
    for where, dtype in product(EVERY, (torch.float32, torch.float64)):
        plan, found = Plan(where, where.data, dtype), list[tuple[torch.Tensor, torch.Tensor]]()
        for advance in (card.advance, fused.advance):
            state = torch.zeros(plan.components, 30, plan.modes, dtype=dtype)
            kept = torch.zeros(2, 30, plan.modes, dtype=dtype)
            advance(state, plan.start(), 3, 11, {}, kept)
            for tables in plan.tables():
                advance(state, tables, 3, 11, {3: 0, 8: 1}, kept)
            found.append((state, kept))
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-4 * float(b.abs().max()))


@has_triton
def test_the_program_for_graphics_cards_gives_the_same_cloud() -> None:
    assert ran(CALL.format("programs_agree"), interpreted=True) == "done\n"


def programs_compile() -> None:
    """Every program as it is launched; Triton takes a number for a constant where it is 1, and for 64 bits if large."""
    from kernels.particles import card

    nowhere = torch.device("meta")
    tiny = Experiment(spectrum=PowerLaw(modes=1), grid=Uniform(steps=1))
    dtypes = torch.float32, torch.float64
    launches = [
        *product(EVERY, dtypes, [(30, 1, 11, 2)]),
        (tiny, torch.float32, (1, 0, 1, 1)),
        (EVERY[0], torch.float32, (2**30, 2**40, 2**53, 0)),
    ]
    for age in AGES:
        with compiled_for(age) as launched:
            for numbers in ((1, 1, 1, 1, 1), (0, 0, 0, 0, 1000), (2**53, 3, 160, 2**40, 2**33)):
                card.normals(*numbers, nowhere)
            for where, dtype, (particles, particle, seed, snapshots) in launches:
                plan = Plan(where, where.data, dtype)
                state, path = (
                    torch.empty(count, particles, plan.modes, dtype=dtype, device=nowhere)
                    for count in (plan.components, snapshots)
                )
                for tables in (plan.start(), *plan.tables()):
                    card.advance(state, tables, particle, seed, {tables.first + 1: 0} if snapshots else {}, path)
        made = {
            (program.arguments["state"].dtype, program.arguments["moved"], program.arguments["pair"])
            for program in launched
            if program.name == "_advance"
        }
        assert made == set(product(dtypes, (False, True), (False, True)))


@has_triton
def test_the_programs_compile_for_cards() -> None:
    assert ran(CALL.format("programs_compile"), interpreted=False) == "done\n"


@has_card
@pytest.mark.parametrize("where", [*EVERY, on_a_mixture(EulerMaruyama(), grid=Uniform(steps=20))], ids=name)
def test_a_graphics_card_gives_the_same_cloud(where: Experiment) -> None:
    sampling = Sampling(particles=3000, seed=int(torch.initial_seed() % 2**32), dtype="float64")
    on_card = sample(where, replace(sampling, device="cuda"), at=(0, 2)).points
    on_processor = sample(where, sampling, at=(0, 2)).points
    size = float(on_processor.abs().max())
    torch.testing.assert_close(on_card, on_processor, rtol=1e-4, atol=2e-4 * size)
    law = report(where).modes
    if has_law(where):
        points = sample(where, replace(sampling, device="cuda", particles=40_000, dtype="float32")).points.double()
        found = Moments(40_000, points.mean(0), points.var(0), torch.zeros(0, 0).long())
        agree(found, Gaussian(law.mean, law.variance))
