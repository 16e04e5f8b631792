"""The trained model that tests of predictions share: it is made once, and nobody changes it."""

import pytest
from shared_demo import Copied
from trained_demo import Trained, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, demo: Copied) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    demo(folder / "store")
    return train(folder)
