"""The door: builds the app, and turns every error into text and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, Final, NoReturn

import typer

from topoqa_train import __version__, atomic, log, menu
from topoqa_train.errors import (
    InterruptedRunError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.menu import Menu
from topoqa_train.plugins import discovery, typer_command
from topoqa_train.plugins.discovery import Plugin
from topoqa_train.ui import console

PROGRAM = "topoqa-train"
DEBUG_VARIABLE = "TOPOQA_TRAIN_DEBUG"
# Set by the shell that asks for completions; the name is made by Typer from the program's.
COMPLETION_VARIABLE = "_TOPOQA_TRAIN_COMPLETE"
_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}


class _Stopped(BaseException):
    """A signal arrived where nothing else handles it; no `except Exception` may swallow it."""

    def __init__(self, error: TopoqaTrainError) -> None:
        super().__init__(error.message)
        self.error = error


def build_menu() -> Menu:
    """The command line with all commands that are installed, none of them imported yet."""
    app = typer.Typer(
        cls=Menu,
        name=PROGRAM,
        help="Train networks that judge protein-complex interfaces: sweep, pick, fine-tune, rank.",
        epilog="Start with: topoqa-train pipeline    Every command explains itself: --help",
        no_args_is_help=True,
        rich_markup_mode=typer_command.MARKUP,
        context_settings=_SETTINGS,
    )
    app.callback()(_root)
    made = typer.main.get_command(app)
    if not isinstance(made, Menu):
        raise TypeError("an app with a callback is a group, of the class that it was given")
    menu.plain_flags(made, typer.Context(made, **_SETTINGS))
    return made


def main() -> NoReturn:
    """Run the command line; never a traceback, unless `--debug`."""
    console.guard_streams()
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _terminated)
    # Windows has no SIGHUP; who was started with `nohup` is to outlive the terminal.
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        signal.signal(hang_up, _terminated)
    console.show_warnings(log.get(log.ROOT))
    sys.exit(_status())


def _status() -> int:
    commands = build_menu()
    try:
        status = _status_of(commands)
        # Here and not at the very end, where a reader that left can no longer be dealt with.
        if sys.stdout is not None:
            sys.stdout.flush()
    except TopoqaTrainError as error:
        return _told(error)
    except _Stopped as stopped:
        return _told(stopped.error)
    except BrokenPipeError:
        # The reader of our output left (`| head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _told(atomic.as_project_error(error))
    except Exception as error:  # noqa: BLE001 - the one place where all ends
        return _told(_fault(error, commands.called))
    return status


def _status_of(commands: Menu) -> int:
    try:
        commands(prog_name=PROGRAM)
    except SystemExit as leaving:
        # Typer makes an exit with status 1 of a reader that left; that is no failure.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        if leaving.code is None or isinstance(leaving.code, int):
            _tell_place_of_debug(leaving.code, commands)
            return leaving.code or 0
        console.notify(leaving.code)
        return 1
    return 0


def _tell_place_of_debug(status: int | None, commands: Menu) -> None:
    misplaced = commands.called is not None and "--debug" in sys.argv and not _debugging()
    if status == RequestError.exit_status and misplaced:
        console.notify(f"--debug stands before the command: {PROGRAM} --debug {sys.argv[1]} ...")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show the trace of an error."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, help="Show the version and stop.", is_eager=True
        ),
    ] = False,
) -> None:
    del version
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    else:
        os.environ.pop(DEBUG_VARIABLE, None)


def _told(error: TopoqaTrainError) -> int:
    # Whoever only asked for completions is in the middle of a line: nothing may be written there.
    if COMPLETION_VARIABLE not in os.environ:
        _trace_if_wanted()
        console.show_error(error)
    return error.exit_status


def _fault(error: Exception, called: Plugin | None) -> TopoqaTrainError:
    """What nobody thought of, laid at the right door."""
    ours = called is None or called.distribution == discovery.OWN_DISTRIBUTION
    where = f"{PROGRAM} itself" if called is None or ours else f"the plugin {called.distribution}"
    return TopoqaTrainError(
        f"a fault in {where}: {type(error).__name__}: {error}",
        hint=f"The trace: {PROGRAM} --debug and then the same again. Please report it"
        + ("." if ours else " to those who make it."),
    )


def _trace_if_wanted() -> None:
    if _debugging():
        import traceback

        traceback.print_exc()


def _debugging() -> bool:
    # The arguments too: the error may have come before they were read.
    return os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0") or "--debug" in sys.argv[1:2]


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(InterruptedRunError("interrupted"))


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(TerminatedRunError("terminated"))
