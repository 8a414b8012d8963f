"""Why an agent is not installed; each is a sentence with what to do."""

from wire.errors import CodedError


class InstallError(CodedError):
    """Something that keeps the agent from being installed, or from being taken off."""

    code = "install.failed"
    exit_code = 3

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    def __str__(self) -> str:
        return self.said


class NotRootError(InstallError):
    """An ordinary user cannot write a service."""

    code = "install.not_root"
    exit_code = 8


class NoSystemdError(InstallError):
    """Nothing would start the service."""

    code = "install.no_systemd"


class AnswerMissingError(InstallError):
    """Something that only the user knows was not said."""

    code = "install.incomplete"


class FileUnusableError(InstallError):
    """A file that was named cannot be taken."""

    code = "install.file_unusable"


class ConfigRefusedError(InstallError):
    """The agent would not start with the configuration that it would have."""

    code = "install.config_refused"


class EnvironmentUnusableError(InstallError):
    """The environment that runs the command cannot be copied into a slot."""

    code = "install.environment"


class SlotFailedError(InstallError):
    """The copied environment does not run."""

    code = "install.slot_failed"


class StepFailedError(InstallError):
    """A step could not be done."""

    code = "install.step_failed"


class NotUpError(InstallError):
    """The service was started and is not up."""

    code = "install.not_up"
    exit_code = 6


class NotInstalledError(InstallError):
    """There is nothing to look at, or to take off."""

    code = "install.not_installed"
    exit_code = 6
