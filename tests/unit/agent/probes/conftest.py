import inspect

import pytest

from tests.fixtures.devices import plant, roots


@pytest.fixture
def probe(tmp_path):
    """Return a function that makes a probe which sees a tree of files only."""

    def make(kind, tree, **others):
        given = roots(plant(tree, tmp_path)) | others
        wanted = inspect.signature(kind).parameters.keys() & given.keys()
        return kind(**{name: given[name] for name in wanted})

    return make


@pytest.fixture
def told(probe):
    """Return a function that reads a probe once: values by name and label values."""

    def read(kind, tree, **others):
        readings = probe(kind, tree, **others).read()
        return {(r.name, *(value for _, value in r.labels)): r.value for r in readings}

    return read
