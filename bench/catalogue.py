"""The four files of a catalogue and of the same catalogue a day later, on disk and as objects."""
import pathlib
import shutil

import generate
from measure import Wrong

CHANGED_PER_MILLE = 1


class Catalogue:
    """ROWS products in four files, written once and kept in `folder`."""

    def __init__(self, folder, rows):
        self.rows = rows
        self.today = self.written(pathlib.Path(folder) / f"today-{rows}", 0)
        self.tomorrow = self.written(pathlib.Path(folder) / f"tomorrow-{rows}", CHANGED_PER_MILLE)
        self.changed = self.count_changed()
        self.bytes = sum(path.stat().st_size for path in self.today)
        self.touches = 0

    def written(self, folder, changed_per_mille):
        paths = [folder / f"products-{n + 1}.jsonl" for n in range(generate.FILES)]
        if not all(path.exists() for path in paths):
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            generate.write(part, self.rows, changed_per_mille=changed_per_mille)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        return paths

    def count_changed(self):
        """How many lines of tomorrow differ from today's."""
        changed = lines = 0
        for today, tomorrow in zip(self.today, self.tomorrow):
            with today.open("rb") as old, tomorrow.open("rb") as new:
                for old_line, new_line in zip(old, new, strict=True):
                    lines += 1
                    changed += old_line != new_line
        if lines != self.rows:
            raise Wrong(f"the catalogue in {self.today[0].parent} has {lines} lines, not {self.rows}: remove it")
        return changed

    def put(self, world, paths, touch=False):
        """Puts the files as objects; touched, each has one more space in its first line than the time before: another
        ETag, the same rows."""
        if touch:
            self.touches += 1
        for path in paths:
            body = path.read_bytes()
            if touch:
                body = b"{" + b" " * self.touches + body[1:]
            world.put(path.name, body)
