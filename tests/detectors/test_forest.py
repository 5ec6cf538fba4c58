"""A fitted forest as flat arrays says what scikit-learn says."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.models.forest import Forest, tables_of, usual_path


def rows_of(seed: int, rows: int = 900, features: int = 5) -> np.ndarray:
    """Some features are coarse, so that values stand exactly on thresholds."""
    values = np.random.default_rng(seed).normal(size=(rows, features))
    values[:, ::2] = np.round(values[:, ::2], 1)
    return values.astype(np.float32)


@pytest.mark.parametrize(("samples", "trees", "features"), [(256, 100, 5), (64, 20, 1), (2, 7, 3), (900, 10, 2)])
def test_it_scores_as_scikit_learn_does(samples: int, trees: int, features: int) -> None:
    rows = rows_of(samples, features=features)
    fitted = IsolationForest(n_estimators=trees, max_samples=samples, random_state=1).fit(rows)
    found = Forest(tables_of(fitted, features)).scores(rows)
    np.testing.assert_allclose(found, -fitted.score_samples(rows), rtol=0, atol=1e-12)


def test_a_row_alone_scores_to_the_bit_as_among_many() -> None:
    rows = rows_of(3)
    forest = Forest(tables_of(IsolationForest(random_state=1).fit(rows), 5))
    alone = [forest.scores(rows[i : i + 1])[0] for i in range(0, 900, 9)]
    np.testing.assert_array_equal(alone, forest.scores(rows)[::9])
    np.testing.assert_array_equal(forest.scores(rows)[:50], forest.scores(rows[:50]))
    assert len(forest.scores(rows[:0])) == 0


def test_a_forest_of_rows_that_are_all_alike_scores_them_alike() -> None:
    rows = np.ones((300, 2), np.float32)
    fitted = IsolationForest(n_estimators=5, random_state=1).fit(rows)
    found = Forest(tables_of(fitted, 2)).scores(rows)
    np.testing.assert_allclose(found, -fitted.score_samples(rows), rtol=0, atol=1e-12)


def test_tables_that_do_not_fit_each_other_are_refused() -> None:
    tables = tables_of(IsolationForest(n_estimators=5, random_state=1).fit(rows_of(1)), 5)
    for change in ({"depth": 3}, {"depth": 40}, {"trees": 0}, {"features": 1}, {"threshold": b"1234"}, {"sample": 0}):
        with pytest.raises(ValueError, match=r"."):
            Forest(msgspec.structs.replace(tables, **change))


def test_the_usual_path_is_that_of_a_random_search_tree() -> None:
    assert [usual_path(rows) for rows in (0, 1, 2)] == [0.0, 0.0, 1.0]
    assert usual_path(256) == pytest.approx(10.2448, abs=1e-4)


def test_detection_with_a_model_loads_no_scikit_learn() -> None:
    code = "import sys, detectors.methods.isolation_forest, detectors.worker; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
