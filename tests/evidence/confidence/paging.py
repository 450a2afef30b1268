"""The report page of a measured set: the product's own, of the product's own fit."""

from collections.abc import Mapping

from gateway.calibrate import Binding, Observation, fit
from gateway.confidence import Linear, Makers
from gateway.report import Figure, measure, page
from gateway.wiring import clock
from indexer.search import READ
from policies.model import ConfidenceStatus
from tests.evidence import retrieval
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.measuring import Measured

MAX_RISK, DELTA = 0.10, 0.10


def page_of(table: Table, start: Linear, measured: Mapping[str, Measured], *, name: str) -> str:
    """The page, as HTML: what the fit on all labels carries, beside the figures of every kind of confidence.

    Raises:
        RefusedError: there are too few questions to fit.
    """
    rows = zip(
        table.features.tolist(), table.sufficient.tolist(), table.kinds.tolist(), table.groups.tolist(), strict=True
    )
    observations = [
        Observation(
            features=tuple(row),
            sufficient=sufficient,
            answerable=kind == "answerable",
            question=str(number),
            group=str(group),
        )
        for number, (row, sufficient, kind, group) in enumerate(rows)
    ]
    nobody = Makers(embedder="", analyser="", splitter="", redactor="")
    binding = Binding(
        source=retrieval.SOURCE,
        scope="",
        classes=(),
        makers=nobody,
        k=READ,
        purpose="",
        population=f"questions of {name}",
        max_risk=MAX_RISK,
        delta=DELTA,
    )
    model = fit(observations, binding, start, calibration=name)
    report = measure(
        model.points,
        subject=name,
        population=model.population,
        made=clock(),
        max_risk=MAX_RISK,
        threshold=model.threshold,
        certificate=model.certificate,
        status=ConfidenceStatus.CERTIFIED if model.certificate else ConfidenceStatus.CALIBRATED,
        compared={kind: _figures(one) for kind, one in measured.items()},
    )
    return page(report)


def _figures(measured: Measured) -> dict[str, Figure]:
    return {
        name: Figure(value=value, low=measured.lows.get(name), high=measured.highs.get(name))
        for name, value in measured.means.items()
    }
