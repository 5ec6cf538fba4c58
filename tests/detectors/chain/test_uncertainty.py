"""The distribution of a loss when the time to recover is uncertain is exact, and agrees with draws."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.chain.programme.curve import LossCurve, steady_loss
from detectors.chain.recovery import Past, time_to_recover
from detectors.chain.uncertainty import Uniform, loss_range
from tests.detectors.chain.reference import case

STATED = case("unc-h01-uniform-ttr")


def test_agrees_with_the_reference() -> None:
    curve = steady_loss(STATED["tts_days"], STATED["loss_per_day"])
    answer = loss_range(curve, Uniform(STATED["ttr"]["low"], STATED["ttr"]["high"]), (0.95,))
    mine = {
        "mean": answer.mean,
        "p95": answer.quantiles[0],
        "prob_any": answer.any_ratio,
        "at_mean_ttr": answer.at_mean,
    }
    assert mine == pytest.approx(STATED["expected"], rel=1e-12)


def test_agrees_with_draws_where_history_is_mixed_with_a_stated_time() -> None:
    curve = LossCurve((0.0, 3.0, 9.0), (0.0, 0.0, 600.0), (0.0, 100.0, 250.0))
    lasting = time_to_recover([Past(4), Past(7), Past(11, ended=False)], stated_d=8.0)
    answer = loss_range(curve, lasting)
    shares = (np.arange(1000) + 0.5) / 1000
    drawn = np.array([curve.loss(lasting.quantile_d(share)) for share in shares.tolist()])
    assert answer.mean == pytest.approx(drawn.mean(), rel=5e-3)
    assert answer.quantiles == pytest.approx(np.quantile(drawn, (0.5, 0.8, 0.95)), rel=5e-3)
    assert answer.any_ratio == pytest.approx((drawn > 0).mean(), abs=2e-3)
    assert answer.at_mean <= answer.mean


def test_a_chain_that_never_loses_loses_nothing() -> None:
    nothing = loss_range(LossCurve((0.0,), (0.0,), (0.0,)), Uniform(0, 60))
    assert nothing == (0.0, (0.0, 0.0, 0.0), 0.0, 0.0)
