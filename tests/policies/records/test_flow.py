import re
from dataclasses import replace
from xml.etree import ElementTree as ET

from policies.model import Node
from policies.records.drift import Use
from policies.records.flow import Flow, Line, flows
from policies.records.picture import mermaid, svg
from tests.policies.records.known import HIPAA, NEVER, SEEN, Swap, facts, known

_SVG = "{http://www.w3.org/2000/svg}"


def _flow(*swaps: Swap) -> Flow:
    (found,) = flows(facts(known(*swaps)))
    return found


def _lines(flow: Flow, box: int) -> list[tuple[str, Use | None]]:
    return [(line.text, line.use) for line in flow.boxes[box].lines]


def _texts(picture: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(picture).iter(f"{_SVG}text")]  # noqa: S314 - our own picture


def test_the_way_goes_from_the_origin_to_the_callers() -> None:
    flow = _flow()
    assert (flow.source, flow.title) == ("hr-handbook", "HR handbook")
    assert flow.law == "Northwind Ltd · uk-gdpr · legitimate interests · active"
    assert [(box.title, box.place) for box in flow.boxes] == [
        ("Origin", "filesystem"),
        ("Parse and redact", "in memory: GB"),
        ("Catalog and index", "at rest: GB"),
        ("Gateway", "serving on"),
        ("Callers", "7 answers"),
    ]
    assert flow.passes == ("documents", "redacted text", "visible passages", "answers")


def test_each_station_says_what_is_configured_and_what_was_observed() -> None:
    flow = _flow()
    assert _lines(flow, 0) == [
        ("48 documents", None),
        ("read by cron */15 * * * *", None),
        ("last read 2026-11-21", None),
    ]
    assert _lines(flow, 1) == [
        ("this node: GB", Use.USED),
        ("profile balanced (en, fr)", None),
        ("78 replaced", None),
        ("· email address: 41", None),
        ("· phone number: 28", None),
        ("· uk nino: 6", None),
        ("· others: 3", None),
        ("2 quarantined", None),
    ]
    assert _lines(flow, 2) == [
        ("this node: GB", Use.USED),
        ("46 documents", None),
        ("311 passages", None),
        ("catalog sealed, index not", None),
        ("kept 2 years from the last change", None),
        ("purged when asked for", None),
    ]
    assert _lines(flow, 3) == [
        ("employee-support: 7", Use.USED),
        ("3 refused", None),
        ("· no allow rule: 2", None),
        ("· caller region: 1", None),
    ]
    assert _lines(flow, 4) == [
        ("EU (adequacy): 1", Use.USED),
        ("GB (at home): 6", Use.USED),
        ("2 credentials, 0 agents", None),
    ]


def test_a_source_that_was_never_used_says_so() -> None:
    bare = (('schedule: {sync: "*/15 * * * *"}\n', ""), ("serving: on", "serving: off"))
    silent = ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: Product manuals.}")
    (flow,) = flows(facts(known(*bare, silent, seen=NEVER)))
    assert _lines(flow, 0) == [("0 documents", None), ("read when asked for", None), ("never read yet", None)]
    assert _lines(flow, 1) == [("this node: GB", Use.USED), ("profile none", None), ("nothing replaced", None)]
    assert flow.passes[1] == "text"
    assert flow.boxes[3].place == "serving off"
    assert _lines(flow, 3) == [("employee-support", Use.UNUSED), ("nothing refused", None)]
    assert _lines(flow, 4) == [("EU (adequacy)", Use.UNUSED), ("GB (at home)", Use.UNUSED)]


def test_a_purge_that_is_scheduled_says_when() -> None:
    flow = _flow(("schedule: {", 'schedule: {purge: "30 3 * * *", '))
    assert _lines(flow, 2)[-1] == ("purged by cron 30 3 * * *", None)
    assert "purged by cron 30 3 * * *" in _texts(svg([flow], made_on="2026-11-21"))


def test_what_was_used_and_is_not_configured_is_marked() -> None:
    seen = replace(SEEN, regions={"us": 1}, purposes={"pay": 1}, overdue=2, spared=1, purged=5, orders={"hold": 3})
    node = Node(process_region="us", store_regions=frozenset({"gb", None}), system_region="gb")
    (flow,) = flows(facts(known(seen=seen), node=node))
    assert ("this node: US", Use.STRAY) in _lines(flow, 1)
    assert _lines(flow, 2)[:2] == [("this node: ?", Use.STRAY), ("this node: GB", Use.USED)]
    assert _lines(flow, 2)[-4:] == [
        ("2 past it: hidden, purge due", None),
        ("1 past it: hidden, kept by order", None),
        ("3 under hold", None),
        ("5 purged with receipt", None),
    ]
    assert ("pay: 1", Use.STRAY) in _lines(flow, 3)
    assert ("US: 1", Use.STRAY) in _lines(flow, 4)


def test_the_mechanism_of_a_transfer_stands_beside_the_region() -> None:
    (flow,) = flows(facts(known(("regime: uk-gdpr", "regime: gdpr"))))
    assert _lines(flow, 1)[0] == ("this node: GB (adequacy)", Use.USED)
    assert _lines(flow, 4)[:2] == [("EU (at home): 1", Use.USED), ("GB (adequacy): 6", Use.USED)]
    (american,) = flows(facts(known(*HIPAA)))
    assert _lines(american, 4)[:2] == [("EU: 1", Use.USED), ("GB: 6", Use.USED)]


def test_the_picture_is_one_file_with_every_line_and_nothing_from_outside() -> None:
    drawn = flows(facts(known(), known(*HIPAA, seen=NEVER)))
    picture = svg(drawn, made_on="2026-11-21")
    texts = _texts(picture)
    assert texts[:4] == [
        "Where the data go",
        "What the manifests allow, and what was observed until 2026-11-21",
        "HR handbook",
        "Northwind Ltd · uk-gdpr · legitimate interests · active",
    ]
    assert texts[-3:] == ["used", "configured, never used", "used, not configured any more"]
    assert {line.text for flow in drawn for box in flow.boxes for line in box.lines if len(line.text) < 24} <= set(
        texts
    )
    assert "prefers-color-scheme: dark" in picture
    outside = re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", picture)
    assert not re.search(r"href|url\(|@import|https?:|<script|<image|<foreignObject", outside)


def test_the_picture_grows_with_its_lanes_and_keeps_long_lines_inside() -> None:
    one = svg(flows(facts(known())), made_on="2026-11-21")
    two = svg(flows(facts(known(), known())), made_on="2026-11-21")
    heights = [float(ET.fromstring(each).attrib["height"]) for each in (one, two)]  # noqa: S314 - our own pictures
    assert heights[1] > heights[0] + 200
    purpose = "-".join(["abcdefgh"] * 7)
    long = svg(flows(facts(known(("[employee-support]", f"[{purpose}]")))), made_on="2026-11-21")
    in_box = [text for text in _texts(long) if "abcdefgh" in text]
    assert max(map(len, in_box)) <= 26
    assert "".join(in_box) == purpose
    stray = svg(flows(facts(known(seen=replace(SEEN, purposes={"pay": 1})))), made_on="2026-11-21")
    assert 'class="wrong"' in stray
    assert stray.count('class="stray"') == 2  # the line and the legend


def test_hostile_text_stays_text() -> None:
    hostile = ("title: HR handbook", "title: '</text><script>alert(1)</script>&\"]'")
    picture = svg(flows(facts(known(hostile))), made_on="2026-11-21")
    assert '</text><script>alert(1)</script>&"]' in _texts(picture)
    chart = mermaid(flows(facts(known(hostile))))
    assert "<script" not in chart
    assert '&"]' not in chart
    assert "#60;/text#62;" in chart


def test_mermaid_has_a_lane_for_each_source_and_marks_the_drift() -> None:
    chart = mermaid(flows(facts(known(), known(seen=replace(NEVER, purposes={"pay": 1})), known(seen=NEVER))))
    lines = chart.splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(line.startswith("  subgraph lane") for line in lines) == 3
    assert sum(line == "  end" for line in lines) == 3
    assert '    n0_0 -->|"documents"| n0_1' in lines
    (plain,) = (line for line in lines if line.startswith("    n0_3["))
    assert plain.endswith('"]')
    (stray,) = (line for line in lines if line.startswith("    n1_3["))
    assert "<i>pay: 1 (used, not configured any more)</i>" in stray
    assert stray.endswith(":::stray")
    (never,) = (line for line in lines if line.startswith("    n2_3["))
    assert "<i>employee-support (configured, never used)</i>" in never
    assert never.endswith(":::never")


def test_an_empty_line_takes_its_row() -> None:
    (flow,) = flows(facts(known()))
    box = replace(flow.boxes[0], lines=(Line(text=""),))
    assert svg([replace(flow, boxes=(box,), passes=())], made_on="2026-11-21").count('class="box"') == 1
