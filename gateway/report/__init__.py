"""What is known of a confidence, as data, as a page, and as a picture."""

from gateway.report.drift import Drift, drift
from gateway.report.file import SVG_MARK, svg
from gateway.report.measures import Figure, Measures
from gateway.report.page import MARK, page
from gateway.report.report import Labels, Report, Standing, measure, plain
from gateway.report.source import of_source
from gateway.report.words import FIGURES, interval, on_drift, percent, percents, written

__all__ = [
    "FIGURES",
    "MARK",
    "SVG_MARK",
    "Drift",
    "Figure",
    "Labels",
    "Measures",
    "Report",
    "Standing",
    "drift",
    "interval",
    "measure",
    "of_source",
    "on_drift",
    "page",
    "percent",
    "percents",
    "plain",
    "svg",
    "written",
]
