"""What keeps an agent from starting is one sentence and exit code 3, never a traceback."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from agent import journal_file
from agent.__main__ import main
from agent.journal import Journal
from wire import signing

SECONDS = 60


def bound_by_permissions():
    """Return what makes a command obey file permissions even when the tests run as root."""
    if os.geteuid() != 0:
        return []
    capabilities = "-dac_override,-dac_read_search"
    command = ["setpriv", f"--inh-caps={capabilities}", f"--bounding-set={capabilities}", "--"]
    found = shutil.which("setpriv")
    if not found or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("root that cannot give up its capabilities: no permission is ever denied")
    return command


def configured(folder, config):
    """Write an agent's configuration; returns the options that name it."""
    file = folder / "agent.yaml"
    made = {"device": "d1", "broker": {"url": "mqtt://127.0.0.1:9"}, **config}
    file.write_text(yaml.safe_dump(made))
    return ["--config", str(file)]


def start(folder, **config):
    """Start an agent that cannot start; returns how it ended."""
    agent = [sys.executable, "-I", "-m", "agent", *configured(folder, config)]
    return subprocess.run(
        [*bound_by_permissions(), *agent],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def start_here(capsys, folder, **config):
    """Do the same in this process, where no permission is needed to tell."""
    options = configured(folder, config)
    code = main(options)
    said = capsys.readouterr()
    return subprocess.CompletedProcess(options, code, said.out, said.err)


def told(ended):
    """Return the one sentence that an agent ended with."""
    lines = ended.stderr.splitlines()
    assert (ended.returncode, len(lines), ended.stdout) == (3, 1, ""), ended.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


# --- the state folder


def parent_is_a_file(folder):
    """A file stands where a folder should be made."""
    (folder / "state").write_text("")
    return folder / "state" / "of" / "d1"


def is_a_file(folder):
    """A file stands there itself."""
    (folder / "state").write_text("")
    return folder / "state"


def parent_is_read_only(folder):
    """Nothing can be made in its parent."""
    (folder / "closed").mkdir(mode=0o555)
    return folder / "closed" / "state"


def cannot_be_opened(folder):
    """It is somebody else's."""
    (folder / "state").mkdir(mode=0o000)
    return folder / "state"


def cannot_be_written(folder):
    """It holds a journal and takes no new one."""
    state = folder / "state"
    state.mkdir()
    journal_file.save(state, Journal(start_counter=3))
    state.chmod(0o555)
    return state


def journal_cannot_be_read(folder):
    """The journal is there; who ran the agent before was another user."""
    state = folder / "state"
    state.mkdir()
    journal_file.save(state, Journal(start_counter=3))
    (state / journal_file.NAME).chmod(0o000)
    return state


def journal_is_a_folder(folder):
    """Something else has the journal's name."""
    (folder / "state" / journal_file.NAME).mkdir(parents=True)
    return folder / "state"


def journal_is_a_pipe(folder):
    """It would be waited for, and nobody writes."""
    (folder / "state").mkdir()
    os.mkfifo(folder / "state" / journal_file.NAME)
    return folder / "state"


def store_is_a_file(folder):
    """There can be no store."""
    (folder / "state").mkdir()
    (folder / "state" / "store").write_text("")
    return folder / "state"


UNUSABLE = {
    parent_is_a_file: "cannot be made ({folder}/state is no folder); name another",
    is_a_file: "is no folder; name another",
    parent_is_read_only: "cannot be made (Permission denied); give it to the agent's user",
    cannot_be_opened: "cannot be opened and locked (Permission denied); give it to",
    cannot_be_written: "its journal.json cannot be kept (Permission denied); give it to",
    journal_cannot_be_read: "its journal.json cannot be kept (Permission denied); give it to",
    journal_is_a_folder: "its journal.json cannot be kept (Is a directory); repair it, or name",
    journal_is_a_pipe: "its journal.json cannot be kept (it is no regular file); repair it, or",
    store_is_a_file: "its store cannot be used (File exists); name another",
}


@pytest.mark.parametrize("made", UNUSABLE, ids=lambda made: made.__name__)
def test_a_state_folder_that_cannot_be_used_is_named_with_what_to_do(made, tmp_path):
    """The sentence names the folder, what is wrong with it, and the setting to change."""
    state = made(tmp_path)
    sentence = told(start(tmp_path, state_folder=str(state)))

    assert f"state folder {state}: {UNUSABLE[made].format(folder=tmp_path)}" in sentence
    assert sentence.endswith("with state_folder")


def test_a_journal_that_cannot_be_read_is_not_put_aside(tmp_path):
    """Permissions are not corruption: the numbers in it count again once they are given back."""
    state = journal_cannot_be_read(tmp_path)
    told(start(tmp_path, state_folder=str(state)))
    (state / journal_file.NAME).chmod(0o600)

    assert journal_file.load(state).journal.start_counter == 3


# --- files that the configuration names


def missing(path):
    """There is none."""


def closed(path):
    """Nobody may read it."""
    path.write_bytes(b"x")
    path.chmod(0o000)


def noise(path):
    """Bytes that mean nothing."""
    path.write_bytes(b"\xff\xfe\x00")


def private(path):
    """The wrong half of a key."""
    path.write_bytes(signing.new_private_key())


def is_folder(path):
    """No file at all."""
    path.mkdir()


def pipe(path):
    """Nobody writes to it."""
    os.mkfifo(path)


def endless(path):
    """A device that gives zeros for ever."""
    path.symlink_to("/dev/zero")


def sparse(path):
    """A file that holds much more than any secret or certificate."""
    path.touch()
    os.truncate(path, 1 << 40)


NAMED = {
    "broker.password_file": (missing, closed, noise, is_folder, pipe, endless, sparse),
    "broker.ca_file": (missing, closed, noise, is_folder, pipe, endless, sparse),
    "broker.client_cert_file": (missing, noise),
    "data_broker.password_file": (missing,),
    "data_broker.ca_file": (noise,),
    "artifacts.ca_file": (missing, closed, noise),
    "trust.keys": (missing, closed, noise, private, is_folder, pipe, endless, sparse),
}
SAID = {
    missing: "cannot be read (No such file or directory)",
    closed: "cannot be read (Permission denied)",
    is_folder: "cannot be read (Is a directory)",
    private: "holds no public key in PEM form",
    pipe: "cannot be read (it is no regular file)",
    endless: "cannot be read (it is no regular file)",
    sparse: "cannot be read (it is larger than ",
}


@pytest.mark.parametrize(
    ("key", "made"),
    [(key, made) for key, cases in NAMED.items() for made in cases],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_file_that_is_named_and_cannot_be_used_is_told_with_its_place(
    key, made, tmp_path, capsys
):
    """The sentence names line, key and file; nothing was begun."""
    path, state = tmp_path / "named", tmp_path / "state"
    made(path)
    group, name = key.split(".")
    value = [str(path)] if key == "trust.keys" else str(path)
    encrypted = {"url": "mqtts://127.0.0.1:9"} if name == "client_cert_file" else {}
    config = {group: {name: value, **encrypted}}
    config["state_folder"] = str(state)
    real = made is closed or key == "trust.keys"
    sentence = told(start(tmp_path, **config) if real else start_here(capsys, tmp_path, **config))

    place, _, rest = sentence.partition(f": {key}: ")
    assert re.fullmatch(rf"error: {tmp_path}/agent\.yaml:\d+", place)
    assert rest.startswith(f"{path}: {SAID.get(made, '')}")
    assert not state.exists()


def test_an_open_broker_off_this_machine_is_no_place_to_begin(tmp_path):
    """Nothing is sent to it before somebody has written that it may be."""
    state = tmp_path / "state"
    broker = {"url": "mqtt://192.0.2.7"}
    sentence = told(start(tmp_path, state_folder=str(state), broker=broker))

    assert sentence.startswith(f"error: {tmp_path}/agent.yaml:2: broker.url: mqtt://192.0.2.7:1883")
    assert "insecure: true" in sentence
    assert not state.exists()
