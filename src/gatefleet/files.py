"""Writing private files in one step: a reader sees the old or the new content, never a part, even after a crash."""

import os
from pathlib import Path


def write_private(file: Path, content: bytes | str, *, lasting: bool = False) -> None:
    """Replace `file` (mode 0600); `lasting`: it survives a power cut once this returns. Raises OSError."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content.encode() if isinstance(content, str) else content)
        if lasting:
            out.flush()
            os.fsync(out.fileno())
    fresh.replace(file)
