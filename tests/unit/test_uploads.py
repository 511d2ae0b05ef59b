"""Uploads by time: what is swept, what is kept for a message."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from codex_http_server.conversations.uploads import UploadLimits, Uploads, in_use
from codex_http_server.errors import UploadNotFound
from codex_http_server.records import SubmitRecord
from tests.support.images import PNG

LIMITS = UploadLimits(one=10_000, total=100_000, seconds=100)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", LIMITS)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (0, time.time() - seconds))


def test_the_sweep_takes_what_has_expired_and_is_not_needed(uploads: Uploads) -> None:
    uploads.sweep(set())  # where nothing was ever sent
    new, old, needed = (uploads.keep(PNG, "image/png") for _ in range(3))
    half = new.path.with_suffix(".part")
    half.write_bytes(b"half")
    for path in (old.path, needed.path, half):
        age(path, 101)
    uploads.sweep({str(needed.path)})
    assert set(new.path.parent.iterdir()) == {new.path, needed.path}
    assert uploads.get(needed.id).expires > time.time() + 90


def test_a_use_begins_the_lifetime_anew(uploads: Uploads) -> None:
    kept = uploads.keep(PNG, "image/png")
    age(kept.path, 90)
    assert uploads.use(kept.id, "input.0.upload_id") == kept.path
    assert uploads.get(kept.id).expires > time.time() + 90


def test_what_has_expired_can_not_be_used(uploads: Uploads) -> None:
    kept = uploads.keep(PNG, "image/png")
    age(kept.path, 101)
    with pytest.raises(UploadNotFound):
        uploads.use(kept.id, "input.0.upload_id")
    with pytest.raises(UploadNotFound):
        uploads.get(kept.id)


def test_a_waiting_message_names_its_files() -> None:
    message = [{"type": "text", "text": "x"}, {"type": "localImage", "path": "/a.png"}]
    record = SubmitRecord(
        id="m", conversation_id="c", key=None, body_hash="", state="queued", message=message
    )
    assert in_use([record]) == {"/a.png"}
