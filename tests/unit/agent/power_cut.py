"""A disk that remembers what it was told, and what a power cut may leave of it.

`Recorder` stands at the outermost edge: it takes the place of the system calls in `os` that change
a disk, lets each through to the real one, and notes it. `Record.after` then gives every state that
a power cut after so many calls may leave; `build` makes a real folder of it.

What the model covers:
- What a file holds is durable after fsync of that file alone; names (made, moved, deleted) after
  fsync of their folder alone. A file that is moved between folders has two names to make durable,
  so a cut may leave both names, or none.
- What is not durable may be there or not: nothing of it, all of it, each beginning (an ordered
  journal of metadata), each single call lost or alone kept (a disk that reorders), names without
  data and data without names, a torn last write, and zeros where data was to be.
- Modes of files are durable with the file.

What it does not: folders that are moved are moved whole; pairs and triples of calls lost together
in any order; disks that lie about fsync, or lose what was durable; a cut during the recovery from
another.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = (
    "open", "write", "pwrite", "ftruncate", "fsync", "fchmod", "chmod",
    "mkdir", "rmdir", "rename", "replace", "link", "unlink",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One change of the disk, or one fsync."""

    call: str
    node: int = 0
    """Whose content changes, or what is synced."""
    names: tuple[tuple[int, str, int | None], ...] = ()
    """(folder, name, node; None: the name goes away), done all at once."""
    offset: int = 0
    data: bytes = b""
    number: int = 0
    """A size or a mode."""

    @property
    def is_content(self):
        """Whether it changes what a file holds or its mode."""
        return self.call in {"write", "truncate", "mode"}


@dataclass
class Node:
    """A file or a folder."""

    folder: bool
    mode: int = 0o600
    content: bytes = b""
    names: dict[str, int] = field(default_factory=dict)


@dataclass
class Record:
    """What was there at first, and every step since."""

    root: Path
    nodes: dict[int, Node]
    steps: list[Step] = field(default_factory=list)

    def after(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield each tree that a power cut after ``count`` steps may leave, once."""
        steps = self.steps[:count]
        durable = {n for n, step in enumerate(steps) if self._is_durable(n, steps)}
        pending = [n for n, s in enumerate(steps) if n not in durable and s.call != "fsync"]
        names = {n for n in pending if not steps[n].is_content}
        kept = [set(pending[:n]) for n in range(len(pending) + 1)]
        kept += [set(pending) - {n} for n in pending]
        kept += [{n} for n in pending]
        kept += [names, set(pending) - names]
        seen = []
        for choice in kept:
            last = max((n for n in choice if steps[n].call == "write"), default=None)
            for lasting in ("whole", "torn", "zeros"):
                tree = self._tree(steps, durable, durable | choice, last, lasting)
                if tree not in seen:
                    seen.append(tree)
                    yield tree

    def _is_durable(self, number: int, steps: list[Step]) -> bool:
        step = steps[number]
        later = {s.node for s in steps[number:] if s.call == "fsync"}
        if step.is_content:
            return step.node in later
        folders = {folder for folder, _, _ in step.names}
        return bool(folders & later)

    def _tree(self, steps, durable, kept, last, lasting) -> dict[str, Any]:
        nodes = {
            number: Node(n.folder, n.mode, n.content, dict(n.names))
            for number, n in self.nodes.items()
        }
        for number, step in enumerate(steps):
            for folder, name, node in step.names if number in kept else ():
                if node is None:
                    nodes[folder].names.pop(name, None)
                else:
                    nodes[folder].names[name] = node
            if step.call in {"create", "mkdir"}:
                nodes.setdefault(step.node, Node(step.call == "mkdir", step.number))
            if not step.is_content or number not in kept:
                continue
            lost = lasting == "zeros" and number not in durable
            torn = lasting == "torn" and number == last
            _change(nodes[step.node], step, lost=lost, torn=torn)
        return _told(nodes, 0, set())


def _change(node: Node, step: Step, *, lost: bool, torn: bool) -> None:
    match step.call:
        case "write":
            data = bytes(len(step.data)) if lost else step.data
            data = data[: len(data) // 2] if torn else data
            before = node.content.ljust(step.offset, b"\0")
            node.content = before[: step.offset] + data + before[step.offset + len(data) :]
        case "truncate":
            node.content = node.content[: step.number].ljust(step.number, b"\0")
        case "mode":
            node.mode = step.number


def _told(nodes: dict[int, Node], number: int, above: set[int]) -> dict[str, Any]:
    """Return a folder as {name: folder or (node, mode, content)}."""
    told: dict[str, Any] = {}
    for name, child in sorted(nodes[number].names.items()):
        node = nodes[child]
        if not node.folder:
            told[name] = (child, node.mode, node.content)
        elif child not in above:
            told[name] = _told(nodes, child, above | {child})
    return told


def build(tree: dict[str, Any], root: Path, made: dict[int, Path] | None = None) -> None:
    """Make a real folder of what a power cut left; one node's names become links."""
    made = {} if made is None else made
    root.mkdir(mode=0o700)
    for name, entry in tree.items():
        path = root / name
        if isinstance(entry, dict):
            build(entry, path, made)
            continue
        node, mode, content = entry
        if node in made:
            path.hardlink_to(made[node])
            continue
        made[node] = path
        path.write_bytes(content)
        path.chmod(mode)


class Recorder:
    """Notes what is done to the disk under one folder while it is entered."""

    def __init__(self, root: Path) -> None:
        self._numbers: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self.record = Record(root, {})
        self._take(root)

    def __enter__(self) -> Record:
        self._real = {name: getattr(os, name) for name in CALLS}
        for name in CALLS:
            setattr(os, name, getattr(self, f"_{name}"))
        return self.record

    def __exit__(self, *_: object) -> None:
        for name, call in self._real.items():
            setattr(os, name, call)

    # what there is

    def _take(self, path: Path) -> int:
        found = path.lstat()
        number = self._numbers.setdefault(found.st_ino, len(self._numbers))
        node = Node(stat.S_ISDIR(found.st_mode), stat.S_IMODE(found.st_mode))
        self.record.nodes.setdefault(number, node)
        if node.folder:
            for child in sorted(path.iterdir()):
                self.record.nodes[number].names[child.name] = self._take(child)
        else:
            node.content = path.read_bytes()
        return number

    def _place(self, path: Any, dir_fd: int | None = None) -> tuple[int, str] | None:
        """Return the number of the folder and the name of a path; None: it is elsewhere."""
        full = Path(path)
        if dir_fd is not None:
            full = Path(f"/proc/self/fd/{dir_fd}").readlink() / path
        if not full.is_relative_to(self.record.root):
            return None
        if full == self.record.root:
            return 0, "."
        return self._numbers[full.parent.stat().st_ino], full.name

    def _number(self, descriptor: int) -> int | None:
        return self._numbers.get(os.fstat(descriptor).st_ino) if self._ours(descriptor) else None

    def _ours(self, descriptor: int) -> bool:
        with contextlib.suppress(OSError):
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            return path.is_relative_to(self.record.root)
        return False

    def _note(self, call: str, node: int = 0, names: Any = (), **more: Any) -> None:
        self.record.steps.append(Step(call, node, tuple(names), **more))

    # the system calls

    def _open(self, path, flags, mode=0o777, *, dir_fd=None):
        there = os.path.lexists(path) if dir_fd is None else True
        descriptor = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        place = self._place(path, dir_fd) if flags & os.O_CREAT else None
        if place is not None and not there:
            number = self._new(os.fstat(descriptor).st_ino)
            made = stat.S_IMODE(os.fstat(descriptor).st_mode)
            self._note("create", number, [(*place, number)], number=made)
        self._positions[descriptor] = 0
        return descriptor

    def _new(self, inode: int) -> int:
        """Return a new number: the real disk may use an inode's again."""
        self._last = getattr(self, "_last", 100_000) + 1
        self._numbers[inode] = self._last
        return self._last

    def _write(self, descriptor, data):
        written = self._real["write"](descriptor, data)
        if (number := self._number(descriptor)) is not None:
            at = self._positions[descriptor]
            self._note("write", number, offset=at, data=bytes(data[:written]))
            self._positions[descriptor] = at + written
        return written

    def _pwrite(self, descriptor, data, offset):
        written = self._real["pwrite"](descriptor, data, offset)
        if (number := self._number(descriptor)) is not None:
            self._note("write", number, offset=offset, data=bytes(data[:written]))
        return written

    def _ftruncate(self, descriptor, size):
        self._real["ftruncate"](descriptor, size)
        if (number := self._number(descriptor)) is not None:
            self._note("truncate", number, number=size)

    def _fsync(self, descriptor):
        self._real["fsync"](descriptor)
        if (number := self._number(descriptor)) is not None:
            self._note("fsync", number)

    def _fchmod(self, descriptor, mode):
        self._real["fchmod"](descriptor, mode)
        if (number := self._number(descriptor)) is not None:
            self._note("mode", number, number=mode)

    def _chmod(self, path, mode, **options):
        self._real["chmod"](path, mode, **options)  # of folders only, and they have it already

    def _mkdir(self, path, mode=0o777, *, dir_fd=None):
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        if (place := self._place(path, dir_fd)) is not None:
            number = self._new(Path(path).stat().st_ino)
            self._note("mkdir", number, [(*place, number)], number=mode)

    def _rmdir(self, path, *, dir_fd=None):
        self._remove("rmdir", path, dir_fd)

    def _unlink(self, path, *, dir_fd=None):
        self._remove("unlink", path, dir_fd)

    def _remove(self, call, path, dir_fd):
        place = self._place(path, dir_fd)
        self._real[call](path, dir_fd=dir_fd)
        if place is not None:
            self._note(call, names=[(*place, None)])

    def _link(self, source, target, **options):
        self._real["link"](source, target, **options)
        if (place := self._place(target)) is not None:
            number = self._numbers[Path(target).stat().st_ino]
            self._note("link", number, [(*place, number)])

    def _rename(self, source, target, **options):
        self._move("rename", source, target, options)

    def _replace(self, source, target, **options):
        self._move("replace", source, target, options)

    def _move(self, call, source, target, options):
        before, number = self._place(source), self._numbers[os.lstat(source).st_ino]
        same = os.path.lexists(target) and Path(source).samefile(target)
        self._real[call](source, target, **options)
        if before is None or same:  # rename does nothing between two names of one file
            return
        gone, come = (*before, None), (*self._place(target), number)
        if gone[0] == come[0] or Path(target).is_dir():
            self._note("rename", names=[gone, come])
        else:
            self._note("rename", names=[come])
            self._note("rename", names=[gone])
