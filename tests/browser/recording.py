"""A recording of a page as one animated picture, small enough for a README."""

import io
import time
from pathlib import Path

EVERY_SECONDS = 0.25
WIDTH = 960
MAX_BYTES = 3_000_000


class Recording:
    """Takes pictures of a page and writes them at the end; without a file it does nothing."""

    def __init__(self, page, file):
        self.page = page
        self.file = Path(file) if file else None
        self.frames = []
        """(seconds since the first, PNG)"""

    def record(self, seconds):
        """Let so much time pass."""
        if self.file is None:
            return
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            began = time.monotonic()
            self.frames.append((began, self.page.screenshot()))
            rest = min(began + EVERY_SECONDS, ends) - time.monotonic()
            self.page.wait_for_timeout(max(1.0, 1000 * rest))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.file and self.frames and kind is None:
            self._write()

    def _write(self):
        from PIL import Image

        pictures = []
        for _, data in self.frames:
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            height = round(picture.height * WIDTH / picture.width)
            pictures.append(picture.resize((WIDTH, height), Image.Resampling.LANCZOS))
        lasting = [
            round(1000 * max(0.1, min(1.0, after[0] - before[0])))
            for before, after in zip(self.frames, self.frames[1:], strict=False)
        ]
        for colours in (255, 128, 64):
            shown = [p.quantize(colours, dither=Image.Dither.NONE) for p in pictures]
            shown[0].save(
                self.file,
                save_all=True,
                append_images=shown[1:],
                duration=[*lasting, 2000],
                loop=0,
                optimize=True,
            )
            if self.file.stat().st_size <= MAX_BYTES:
                return
        raise AssertionError(f"the recording has {self.file.stat().st_size} bytes")
