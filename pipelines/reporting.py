"""How answers are given: `[transforms]` in dlt's configuration, or `TRANSFORMS__…` in the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration

from pipelines.settings import UsageError, project
from transforms import BadRateCard, BadThresholds, RateCard, Thresholds, UnknownTimeZone, time_zones
from transforms.thresholds import DEFAULT


@configspec
class ReportingSettings(BaseConfiguration):
    """What may stand in `[transforms]`."""

    __section__: ClassVar[str] = "transforms"

    time_zone: str = time_zones.UTC
    thresholds: str = str(DEFAULT)
    rate_card: str = ""


@dataclass(frozen=True)
class Reporting:
    """Where days begin and end in tables by the day, from when on pods count as wasteful, and what they cost."""

    time_zone: str
    thresholds: Thresholds
    rate_card: RateCard


def reporting() -> Reporting:
    """Resolve the settings through dlt, and refuse what cannot work.

    Raises:
        UsageError: There is no such time zone, thresholds or rates contradict, or the settings cannot be read.
    """
    try:
        settings = resolve_configuration(ReportingSettings())
        time_zones.check(settings.time_zone)
        thresholds = Thresholds.load(_file("thresholds", settings.thresholds))
        rate_card = RateCard.load(_file("rate_card", settings.rate_card)) if settings.rate_card else RateCard()
        return Reporting(settings.time_zone, thresholds, rate_card)
    except ConfigurationException as error:
        raise UsageError(f"the settings in [transforms] cannot be read: {' '.join(str(error).split())}") from error
    except UnknownTimeZone as error:
        raise UsageError(f"[transforms] time_zone: {error}.") from error
    except BadThresholds as error:
        raise UsageError(f"[transforms] thresholds: {error}.") from error
    except BadRateCard as error:
        raise UsageError(f"[transforms] rate_card: {error}.") from error


def _file(key: str, path: str) -> Path:
    """Where a file is; a relative path begins where the configuration lies, wherever one calls from."""
    try:
        return project() / Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"[transforms] {key}: {path}: there is no such user's home.") from error
