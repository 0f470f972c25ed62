import os
from pathlib import Path

from vox.chat.storage.media_cache import MAX_FAILED, CachedMedia, Failures, MediaCache


def files(folder: Path) -> list[Path]:
    """The files, the longest unused first."""
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime)


def media(size: int, mime: str = "image/png") -> CachedMedia:
    return CachedMedia(mime, b"x" * size, 7)


async def test_what_was_stored_is_found_by_another_process(tmp_path: Path):
    await MediaCache(tmp_path / "cache", 10_000).put("one", media(100))
    other = MediaCache(tmp_path / "cache", 10_000)
    assert await other.get("one") == media(100)
    assert await other.get("two") is None


async def test_the_longest_unused_goes_when_the_budget_is_spent(tmp_path: Path):
    cache = MediaCache(tmp_path, 10_000)
    for number in range(8):
        await cache.put(str(number), media(1000))
    for index, path in enumerate(files(tmp_path)):
        os.utime(path, (index, index))
    assert await cache.get("0") == media(1000), "used just now"
    for number in range(8, 13):
        await cache.put(str(number), media(1000))
    kept = [number for number in range(13) if await cache.get(str(number)) is not None]
    assert 0 in kept
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10_000


async def test_what_is_too_large_or_damaged_is_not_there(tmp_path: Path):
    cache = MediaCache(tmp_path, 10_000)
    await cache.put("large", media(5000))
    assert await cache.get("large") is None
    await cache.put("one", media(10))
    files(tmp_path)[0].write_bytes(b"damaged")
    assert await cache.get("one") is None


async def test_without_a_budget_nothing_is_kept(tmp_path: Path):
    cache = MediaCache(tmp_path / "never", 0)
    await cache.put("one", media(1))
    assert await cache.get("one") is None
    assert not (tmp_path / "never").exists()


async def test_without_a_folder_a_private_one_is_made():
    cache = MediaCache(None, 1000)
    assert await cache.get("one") is None
    await cache.put("one", media(10))
    assert await cache.get("one") == media(10)


def test_failures_are_remembered_for_a_while_and_bounded():
    failures = Failures()
    failures.add("a", 10.0)
    assert (failures.has("a", 69.0), failures.has("a", 71.0), failures.has("b", 10.0)) == (True, False, False)
    for number in range(MAX_FAILED):
        failures.add(str(number), 10.0)
    assert not failures.has("a", 11.0)
