"""The example in each objective's docstring runs."""

from __future__ import annotations

import doctest

import pytest
import torch

from pc_align import objectives


@pytest.mark.parametrize("name", objectives.__all__)
def test_the_example_runs(name):
    thing = getattr(objectives, name)
    names = {"torch": torch, **{key: getattr(objectives, key) for key in objectives.__all__}}
    (test,) = (t for t in doctest.DocTestFinder(recurse=False).find(thing, name, globs=names))
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
