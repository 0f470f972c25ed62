"""Finds the class of the Pipecat service that is configured, and makes instances of it."""

import dataclasses
import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vox.providers.pipecat.messages import Configure, Refused
from vox.providers.pipecat.worker import library

KINDS: Mapping[str, Any] = {"stt": library.STTService, "tts": library.TTSService, "llm": library.LLMService}
SETTINGS = {"settings": "Settings", "params": "InputParams"}
"""Arguments that are objects of a class which the service's class names: they stand as objects in the configuration."""
MAX_REASON = 300

_SECRET = re.compile(r"key|secret|token|password|credential", re.IGNORECASE)


class RefusedError(Exception):
    """The configuration cannot be used."""

    def __init__(self, code: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.message = Refused(code, reason, hint)


class ServiceFactory:
    """Makes instances of one service.

    Args:
        configure: what is configured.
        shared: arguments that a service may ask for and no configuration can name, by their names, made when one asks.

    Raises:
        RefusedError: there is no such service.
    """

    def __init__(self, configure: Configure, shared: Mapping[str, Callable[[], Any]]) -> None:
        self._configure = configure
        self._shared = shared
        self._class = _find(configure)
        self._parameters = _parameters(self._class)
        self._check_names()
        self._secrets = tuple(
            value
            for name, value in configure.args.items()
            if isinstance(value, str) and value and (name in configure.secrets or _SECRET.search(name))
        )

    @property
    def name(self) -> str:
        """The class's name."""
        return self._class.__name__

    def make(self, voice: str = "", language: str = "") -> Any:
        """A service that speaks with this voice, in this language, where it can be told.

        Raises:
            RefusedError: the arguments do not fit.
        """
        try:
            return self._class(**self._arguments(voice, language))
        except Exception as error:
            hint = f"check the options service and args: {self.name} takes {self._own_names()}"
            raise RefusedError(
                "invalid_provider_option", f"{self.name} cannot be made: {self.reason_of(error)}", hint
            ) from error

    def reason_of(self, error: object) -> str:
        """An error's words, without values of the configuration that are secret."""
        inner = getattr(error, "errors", None)
        if callable(inner):  # pydantic's text repeats the values
            try:
                found: Any = inner(include_input=False, include_url=False)
                error = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
            except (TypeError, KeyError, AttributeError):
                error = type(error).__name__
        text = str(error) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:MAX_REASON]

    def _arguments(self, voice: str, language: str) -> dict[str, Any]:
        arguments = dict(self._configure.args)
        arguments |= {
            name: make() for name, make in self._shared.items() if name in self._parameters and name not in arguments
        }
        shape = getattr(self._class, SETTINGS["settings"], None)
        if dataclasses.is_dataclass(shape):
            arguments["settings"] = self._settings(shape, arguments.get("settings", {}), voice, language)
            if not arguments["settings"]:
                del arguments["settings"]
        elif voice and "voice" in self._parameters:
            arguments["voice"] = voice
        for name, attribute in SETTINGS.items():
            if isinstance(arguments.get(name), dict) and (of_service := getattr(self._class, attribute, None)):
                arguments[name] = of_service(**arguments[name])
        return arguments

    def _settings(self, shape: Any, given: Mapping[str, Any], voice: str, language: str) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(shape)}
        settings = dict(given)
        if self._configure.model:
            settings.setdefault("model", self._configure.model)
        if voice and "voice" in names:
            settings["voice"] = voice
        if language and "language" in names:
            settings.setdefault("language", _language(language))
        return settings

    def _check_names(self) -> None:
        """Pipecat's classes hand arguments that they do not know up to the first one, which ignores them."""
        for name in self._configure.args:
            if name not in self._parameters:
                close = difflib.get_close_matches(name, self._parameters, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it takes {self._own_names()}"
                raise RefusedError("invalid_provider_option", f"{self.name} has no argument {name!r}", hint)

    def _own_names(self) -> str:
        return ", ".join(_parameters_of(self._class)) or "no arguments"


def _parameters(service: Any) -> frozenset[str]:
    """The names of everything that a class or one of those above it can be given."""
    return frozenset(name for one in inspect.getmro(service) if "__init__" in vars(one) for name in _parameters_of(one))


def _parameters_of(service: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(service.__init__).parameters
    return [name for name, one in found.items() if one.kind in kinds and name != "self"]


def _find(configure: Configure) -> Any:
    if configure.folder:
        if not Path(configure.folder).is_dir():
            raise RefusedError(
                "invalid_provider_option", f"the folder {configure.folder!r} is not there", "check the option folder"
            )
        sys.path.insert(0, str(Path(configure.folder).resolve()))
    module_name, _, class_name = configure.service.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError as error:
        raise _not_importable(module_name, error) from error
    except Exception as error:  # what a module does when it is imported is its own business
        raise RefusedError(
            "invalid_provider_option", f"{module_name} cannot be imported: {error}"[:MAX_REASON]
        ) from error
    base = KINDS[configure.kind]
    if found is None:
        module = importlib.import_module(module_name)
        known = [name for name, one in vars(module).items() if inspect.isclass(one) and issubclass(one, base)]
        own = [name for name in known if vars(module)[name].__module__ == module_name]
        hint = f"it has {', '.join(own)}" if own else ""
        raise RefusedError("invalid_provider_option", f"{module_name} has no {class_name}", hint)
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise RefusedError(
            "invalid_provider_option",
            f"{configure.service} is no {base.__name__}",
            f"set the option service to a subclass of Pipecat's {base.__name__}",
        )
    return found


def _not_importable(module_name: str, error: ImportError) -> RefusedError:
    """Pipecat has a module for each vendor, whose packages come with an extra of the same name."""
    reason = f"{module_name} cannot be imported: {error}"[:MAX_REASON]
    parts = module_name.split(".")
    if parts[:2] != ["pipecat", "services"] or getattr(error, "name", None) == module_name:
        return RefusedError("invalid_provider_option", reason, "check the options service and folder")
    remedy = f"{sys.executable} -m pip install 'pipecat-ai[{parts[2]}]'"
    return RefusedError("provider_not_installed", reason, f"run `{remedy}`")


def _language(tag: str) -> Any:
    for name in (tag, tag.partition("-")[0]):
        try:
            return library.Language(name)
        except ValueError:
            continue
    return tag
