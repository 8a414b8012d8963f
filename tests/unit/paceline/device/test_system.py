"""What a system's own files say of the agent's user."""

from paceline.device import system


def test_lines_that_are_no_users_are_passed_over(tmp_path):
    """A blank line, one of NIS, a name in Latin-1, a user without numbers."""
    folder = tmp_path / "etc"
    folder.mkdir()
    strange = b"\n+\n+::::::\nada:x:1:1:J\xfcrgen:/:\n\npaceline\npaceline:x:none:\n"
    (folder / "passwd").write_bytes(strange)
    (folder / "group").write_bytes(b"\n+\n\xfc:x:5:paceline\nvideo:x:44:ada,paceline\n")

    assert system.user_ids(tmp_path) is None
    assert "video" in system.memberships(tmp_path)
    (folder / "passwd").write_bytes(strange + b"paceline:x:998:997::/:/usr/sbin/nologin\n")
    assert system.user_ids(tmp_path) == (998, 997)
