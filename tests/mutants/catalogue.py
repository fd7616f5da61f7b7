"""Every mutant, in the order of the page."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = ()
