"""What a person reads of a change: golden sentences of two states of a group."""

from pathlib import Path
from typing import Any

import pytest
from goldens import Golden, beside, case_id, cases, dump, read

from gatefleet.resources import Document
from gatefleet.resources.diff import diff, sentences


@pytest.mark.parametrize("case", cases("diff"), ids=case_id)
def test_a_difference_reads_as_data_and_as_sentences(case: Path, golden: Golden) -> None:
    given = read(case)
    changes = diff(documents(given["before"]), documents(given["after"]))
    out = {"changes": [change.plain() for change in changes], "text": sentences(changes)}
    golden(beside(case, ".out.yaml"), dump(out))
    assert "of-jack" not in str(out)


def documents(entries: list[dict[str, Any]]) -> list[Document]:
    return [Document(entry["kind"], entry["id"], entry.get("parent"), entry["body"]) for entry in entries]
