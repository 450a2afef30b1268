"""An answer that waits for a person, over HTTP, and what its label is worth at the command line."""

from pathlib import Path

from tests.journeys.penstock import PURPOSE, Penstock
from tests.journeys.test_calibrating import golden

OK, NOT_FOUND = 200, 404
QUESTION = "How many days of annual leave may be carried over?"


def reviewer(penstock: Penstock, subject: str, *groups: str) -> str:
    """The key of somebody who reviews."""
    of = [text for group in groups for text in ("--group", group)]
    asked = ("--subject", subject, *of, "--purpose", PURPOSE, "--region", "gb", "--role", "reviewer")
    return penstock.must("key", "create", *asked).out.strip()


def test_a_hand_off_is_listed_claimed_and_resolved_and_its_label_counts(penstock: Penstock, tmp_path: Path) -> None:
    staff, rita, mo = penstock.key("staff"), reviewer(penstock, "rita", "staff"), reviewer(penstock, "mo", "board")
    with penstock.serving() as server:
        status, answer = server.ask(QUESTION, staff)
        assert (status, answer["verdict"]) == (OK, "handoff")
        (held,) = server.get("/v1/handoffs?state=waiting", rita)[1]["handoffs"]
        assert (held["request_id"], held["reasons"], held["query"]) == (answer["request_id"], ["uncalibrated"], None)
        assert server.get("/v1/handoffs", mo)[1]["handoffs"] == []
        path = f"/v1/handoffs/{held['id']}"
        assert server.post(f"{path}/claim", mo, once="1")[0] == NOT_FOUND
        assert server.post(f"{path}/claim", rita, once="2")[1]["state"] == "claimed"
        said = {"sufficient": True, "answerable": True, "document": "leave.md"}
        for _ in range(2):
            status, standing = server.post(f"{path}/resolve", rita, once="3", **said)
            assert (status, standing["state"]) == (OK, "resolved")
    (resolved,) = penstock.must("handoff", "list", "--state", "resolved", "--json").json()
    assert (resolved["id"], resolved["resolved_by"]) == (held["id"], "caller:rita")
    fitted = penstock.must("calibrate", "notes", golden(tmp_path), "--group", "staff", "--json").json()
    assert (fitted["labels"], fitted["feedback"]) == (24, 1)
    told = penstock.must("report", "notes", "--json").json()["labels"]
    (given,) = (one for one in told if one["origin"] == "feedback")
    assert (given["answerable"], given["unanswerable"]) == (1, 0)
