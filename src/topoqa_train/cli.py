"""The door: builds the app from plugins, and turns every error into text and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from topoqa_train import __version__, atomic, log, plugins
from topoqa_train.errors import (
    InterruptedRunError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.plugins import Plugin, PluginError
from topoqa_train.ui import console, error_text

PROGRAM = "topoqa-train"
DEBUG_VARIABLE = "TOPOQA_TRAIN_DEBUG"
_FAULT_OF_OURS = 1


class _Stopped(BaseException):
    """A signal arrived where nothing else handles it; no `except Exception` may swallow it."""

    def __init__(self, error: TopoqaTrainError) -> None:
        super().__init__(error.message)
        self.error = error


def build_app() -> typer.Typer:
    """The app with all commands that are installed; a broken one is a stub that names its fault."""
    app = typer.Typer(
        name=PROGRAM,
        help="Train networks that judge protein-complex interfaces: sweep, pick, fine-tune, rank.",
        epilog="Start with: topoqa-train pipeline    Every command explains itself: --help",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Paragraphs of help are wrapped to the terminal, not where the source breaks them.
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    for plugin in plugins.discover(plugins.COMMANDS).values():
        _mount(app, plugin)
    return app


def main() -> NoReturn:
    """Run the command line; never a traceback, unless `--debug`."""
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _terminated)
    console.say_warnings(log.get(log.ROOT))
    sys.exit(_status())


def _status() -> int:
    try:
        status = _app_status()
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
        return _told(atomic.as_ours(error))
    except Exception as error:  # noqa: BLE001 - the one place where all ends
        return _told_as_fault(error)
    return status


def _app_status() -> int:
    try:
        build_app()(prog_name=PROGRAM)
    except SystemExit as leaving:
        # Typer makes an exit with status 1 of a reader that left; that is no failure.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        console.say(leaving.code)
        return 1
    return 0


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


def _mount(app: typer.Typer, plugin: Plugin) -> None:
    for rival in plugin.rivals:
        console.say(f"'{plugin.name}' of {plugin.distribution} hides that of {rival}")
    try:
        loaded = plugin.load()
        if plugin.distribution != plugins.OWN_DISTRIBUTION:
            _try_out(plugin, loaded)
    except PluginError as error:
        _mount_stub(app, plugin.name, error)
        return
    _add(app, plugin.name, loaded)


def _add(app: typer.Typer, name: str, loaded: Any) -> None:  # noqa: ANN401 - what a plugin gave
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name)
    else:
        # What `api.passing_options_on` says of a function; Typer takes it from nowhere else.
        app.command(name, context_settings=getattr(loaded, "context_settings", None))(loaded)


def _try_out(plugin: Plugin, loaded: Any) -> None:  # noqa: ANN401 - what a plugin gave
    """Make the command alone: a signature that Typer can't read must not stop the others."""
    alone = typer.Typer(add_completion=False)
    _add(alone, plugin.name, loaded)
    try:
        typer.main.get_command(alone)
    except Exception as error:
        raise plugin.broken(f"{type(error).__name__}: {error}") from error


def _mount_stub(app: typer.Typer, name: str, error: PluginError) -> None:
    def stub() -> None:
        raise error

    app.command(
        name,
        help=f"(broken) {error.message}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )(stub)


def _told(error: TopoqaTrainError) -> int:
    _trace_if_wanted()
    error_text.show(error)
    return error.exit_status


def _told_as_fault(error: Exception) -> int:
    _trace_if_wanted()
    error_text.show(
        TopoqaTrainError(
            f"a fault in {PROGRAM} itself: {type(error).__name__}: {error}",
            hint="The same command with --debug before it shows the trace; please report it.",
        )
    )
    return _FAULT_OF_OURS


def _trace_if_wanted() -> None:
    # The arguments too: the error may have come before they were read.
    if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0") or "--debug" in sys.argv[1:2]:
        import traceback

        traceback.print_exc()


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(InterruptedRunError("interrupted"))


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise _Stopped(TerminatedRunError("terminated"))
