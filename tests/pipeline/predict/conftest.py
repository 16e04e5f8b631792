"""The trained model that tests of predictions share: it is made once, and nobody changes it."""

import pytest
from trained_demo import Trained, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("trained"))
