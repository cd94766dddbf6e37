"""Entry point: builds the app and converts every error to text and an exit status."""

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
# Set by the shell that asks for completions; Typer derives the name from the program's.
COMPLETION_VARIABLE = "_TOPOQA_TRAIN_COMPLETE"
_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}


class _Stopped(BaseException):
    """A signal that nothing else handled; not an Exception, so that nothing swallows it."""

    def __init__(self, error: TopoqaTrainError) -> None:
        super().__init__(error.message)
        self.error = error


def build_menu() -> Menu:
    """Return the command line with all installed commands, none of them imported yet."""
    app = typer.Typer(
        cls=Menu,
        name=PROGRAM,
        help="Train networks that score protein-complex interfaces.",
        epilog=f"Start with: {PROGRAM} pipeline    Help: {PROGRAM} COMMAND --help",
        no_args_is_help=True,
        rich_markup_mode=typer_command.MARKUP,
        context_settings=_SETTINGS,
    )
    app.callback()(_root)
    built = typer.main.get_command(app)
    if not isinstance(built, Menu):
        raise TypeError("an app with a callback is a group of the given class")
    menu.hide_types(built, typer.Context(built, **_SETTINGS))
    return built


def main() -> NoReturn:
    """Run the command line; print a traceback only with `--debug`."""
    # First, because errors in all later steps are printed to these streams.
    console.guard_streams()
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _terminated)
    # Windows has no SIGHUP. Under `nohup` it is ignored: then the program outlives its terminal.
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        signal.signal(hang_up, _terminated)
    console.show_warnings(log.get(log.ROOT))
    sys.exit(_status())


def _status() -> int:
    # No other function catches an error only to print it: commands, workflows and plugins raise,
    # so each error has one text and one exit status wherever it comes from.
    commands = build_menu()
    try:
        status = _call(commands)
        # Flushed here because a closed pipe can't be handled when the interpreter exits.
        if sys.stdout is not None:
            sys.stdout.flush()
    except TopoqaTrainError as error:
        return _report(error)
    except _Stopped as stopped:
        return _report(stopped.error)
    except BrokenPipeError:
        # The reader of standard output is gone (`| head`), which is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _report(atomic.as_project_error(error))
    except Exception as error:  # noqa: BLE001 - the one error boundary
        return _report(_internal_error(error, commands.called))
    return status


def _call(commands: Menu) -> int:
    try:
        commands(prog_name=PROGRAM)
    except SystemExit as leaving:
        # Typer converts a closed pipe to exit status 1; undo that.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        if leaving.code is None or isinstance(leaving.code, int):
            _explain_misplaced_debug(leaving.code, commands)
            return leaving.code or 0
        console.notify(leaving.code)
        return 1
    return 0


def _explain_misplaced_debug(status: int | None, commands: Menu) -> None:
    misplaced = commands.called is not None and "--debug" in sys.argv and not _debugging()
    if status == RequestError.exit_status and misplaced:
        console.notify(f"put --debug before the command: {PROGRAM} --debug {sys.argv[1]} ...")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show the traceback of an error."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, help="Show the version and exit.", is_eager=True
        ),
    ] = False,
) -> None:
    del version
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    else:
        os.environ.pop(DEBUG_VARIABLE, None)


def _report(error: TopoqaTrainError) -> int:
    # A shell that asks for completions shows them in the line being typed: print nothing there.
    if COMPLETION_VARIABLE not in os.environ:
        if _debugging():
            import traceback

            traceback.print_exc()
        console.show_error(error)
    return error.exit_status


def _internal_error(error: Exception, called: Plugin | None) -> TopoqaTrainError:
    """Return the error for an unexpected exception of this package or of a plugin."""
    plugin = None if called is None else called.distribution
    is_ours = plugin in (None, discovery.OWN_DISTRIBUTION)
    where = "internal error" if is_ours else f"internal error in the plugin {plugin}"
    return TopoqaTrainError(
        f"{where}: {type(error).__name__}: {error}",
        hint=f"For the traceback, repeat the command with {PROGRAM} --debug COMMAND ... "
        "Please report it" + ("." if is_ours else " to the authors of the plugin."),
    )


def _debugging() -> bool:
    # An error may come before Typer has read the arguments.
    return os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0") or "--debug" in sys.argv[1:2]


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(InterruptedRunError("interrupted"))


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(TerminatedRunError("terminated"))
