"""The store."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from bench import canonical
from bench.errors import CorruptArtifact
from bench.store import MANIFEST, PACKED, TENSORS, Artifact, Store, pack, read_artifact, rendered, write_file

KEY = "ab" * 32


def write(store: Store, *, created: str = "today", value: float = 1.0) -> Artifact:
    return store.write(
        "fit",
        KEY,
        meta={"config": {"classes": 10}},
        tensors={"w": torch.full((2, 2), value)},
        inputs={"data": "d"},
        provenance={"created": created},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_is_written_is_read(store: Store) -> None:
    written = write(store)
    found = store.find("fit", KEY)
    assert found == written
    assert torch.equal(written.tensors()["w"], torch.ones(2, 2))
    assert written.meta == {"config": {"classes": 10}}


def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    assert store.find("fit", KEY) is None


def test_the_digest_is_of_the_content_and_not_of_the_date(store: Store) -> None:
    digest = write(store, created="today").digest
    assert write(store, created="tomorrow").digest == digest
    assert write(store, value=2.0).digest != digest


@pytest.mark.parametrize("name", [MANIFEST, TENSORS])
def test_any_flipped_byte_is_found_and_its_file_named(store: Store, name: str) -> None:
    file = write(store).path / name
    whole = file.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(CorruptArtifact, match=name):
            store.find("fit", KEY)


@pytest.mark.parametrize("name", [MANIFEST, TENSORS])
def test_a_truncated_or_missing_file_is_found(store: Store, name: str) -> None:
    file = write(store).path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptArtifact, match=name):
        store.find("fit", KEY)
    file.unlink()
    with pytest.raises(CorruptArtifact, match=name):
        store.find("fit", KEY)


@pytest.mark.parametrize("name", [MANIFEST, TENSORS])
def test_a_file_that_cannot_be_read_is_not_taken_for_damaged(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store)
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(OSError, match=f"Input/output error: .*{name}"):
        store.find("fit", KEY)


def test_what_another_process_discards_meanwhile_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(store).path
    rename = Path.rename

    def taken_first(moved: Path, target: Path) -> Path:
        rename(moved, moved.with_name("theirs"))
        return rename(moved, target)

    monkeypatch.setattr(Path, "rename", taken_first)
    store.discard("fit", KEY)
    assert not path.exists()


def test_a_packed_artifact_is_the_same_one_and_smaller(store: Store) -> None:
    tensors = {"x": torch.arange(10_000)}
    written = store.write("fit", KEY, meta={}, tensors=tensors, inputs={}, provenance={})
    size = (written.path / TENSORS).stat().st_size
    for _ in range(2):
        pack(written.path)
        found = store.find("fit", KEY)
        assert found == written
        assert torch.equal(found.tensors()["x"], tensors["x"])
        assert sorted(path.name for path in written.path.iterdir()) == [MANIFEST, PACKED]
        assert (written.path / PACKED).stat().st_size < size / 3


def test_any_flipped_byte_of_a_packed_file_is_found_and_it_is_named(store: Store) -> None:
    path = write(store).path
    pack(path)
    whole = (path / PACKED).read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (path / PACKED).write_bytes(damaged)
        with pytest.raises(CorruptArtifact, match=PACKED):
            store.find("fit", KEY)
    (path / PACKED).write_bytes(whole[:-1])
    with pytest.raises(CorruptArtifact, match=PACKED):
        store.find("fit", KEY)


def test_an_artifact_under_another_key_is_found(store: Store) -> None:
    write(store)
    other = "cd" * 32
    store.path("fit", KEY).rename(store.path("fit", other))
    with pytest.raises(CorruptArtifact, match=KEY):
        store.find("fit", other)


def test_another_format_is_refused(store: Store) -> None:
    path = write(store).path
    manifest = json.loads((path / MANIFEST).read_bytes())
    del manifest["checksum"]
    manifest["format"] = 99
    manifest["checksum"] = canonical.digest(manifest)
    (path / MANIFEST).write_bytes(rendered(manifest))
    with pytest.raises(CorruptArtifact, match="format 99"):
        read_artifact(path)


def test_tensors_that_go_between_reads_are_a_clear_error(store: Store) -> None:
    artifact = write(store)
    (artifact.path / TENSORS).write_bytes(b"no tensors")
    with pytest.raises(CorruptArtifact, match=TENSORS):
        artifact.tensors()
    (artifact.path / TENSORS).unlink()
    with pytest.raises(CorruptArtifact, match=TENSORS):
        artifact.tensors()


def test_a_failed_write_leaves_the_earlier_artifact(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("bench.store.write_file", full)
    with pytest.raises(OSError, match="No space"):
        write(store, value=5.0)
    found = store.find("fit", KEY)
    assert found is not None
    assert found.tensors()["w"][0, 0] == 1
    assert [path.name for path in found.path.parent.iterdir()] == [KEY]


def test_what_a_killed_write_left_does_not_hinder(store: Store) -> None:
    partial = store.path("fit", f"{KEY}.partial")
    partial.mkdir(parents=True)
    (partial / TENSORS).write_bytes(b"half")
    assert store.find("fit", KEY) is None
    assert write(store).tensors()["w"].shape == (2, 2)
    assert not partial.exists()


def test_tensors_that_share_memory_or_have_another_layout_are_stored(store: Store) -> None:
    weight = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    written = store.write("fit", KEY, meta={}, tensors={"a": weight, "b": weight}, inputs={}, provenance={})
    assert torch.equal(written.tensors()["b"], weight)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "f", b"one")
    with pytest.raises(TypeError):
        write_file(tmp_path / "f", "text")  # type: ignore[arg-type]
    assert (tmp_path / "f").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
