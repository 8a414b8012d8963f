"""Folders that look like other machines: below a root of a test's own."""

from dataclasses import replace

from agent import doctor_child
from agent.examination.subject import Subject


def machine(root, files=None, **changes):
    """Return a subject whose root holds these files."""
    for name, content in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return replace(
        Subject(root=root, has_agent=True, environ={"PATH": str(root / "bin")}), **changes
    )


def configured(folder, text, *, environ=None, root=None):
    """Return a subject with this configuration file."""
    file = folder / "agent.yaml"
    file.write_text(text)
    places = {"HOME": str(folder)} | (environ or {})
    where = {"root": root} if root else {}
    return doctor_child.subject_of(file, places, {}, has_agent=True, **where)


def program(root, name, text, *, status=0):
    """Put a program that prints a text into the root's `bin`."""
    path = root / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    quoted = text.replace("'", "'\\''")
    path.write_text(f"#!/bin/sh\nprintf '%s' '{quoted}'\nexit {status}\n")
    path.chmod(0o755)


def distribution(site, name, version="1.0", *, files=(), requires=(), summary="", tags=()):
    """Put a distribution's metadata into a folder where Python looks for modules."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n"
    (info / "METADATA").write_text(head + needs)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    (info / "WHEEL").write_text("Wheel-Version: 1.0\n" + "".join(f"Tag: {t}\n" for t in tags))


def told(findings):
    """Return severity and evidence of each finding, by its id."""
    return {f.id: (f.severity, f.evidence) for f in findings}


def severities(findings):
    """Return the severity of each finding, by its id."""
    return {f.id: f.severity for f in findings}


def the(findings, name):
    """Return the one finding with this id."""
    (found,) = [f for f in findings if f.id == name]
    return found
