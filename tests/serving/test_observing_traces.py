"""Traces: off unless asked for, and BentoML's own settings where they are."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from gradsim_serving import tracing as traces
from gradsim_serving.tracing import OFF, tracing
from gradsim_shared.errors import SettingsError


@pytest.fixture
def exporter(monkeypatch):
    monkeypatch.setattr(traces, "EXPORTER", "json")  # a module that is there


def test_nothing_is_traced_unless_a_collector_is_named():
    assert tracing({}) == tracing({"GRADSIM_TRACES": "", "GRADSIM_TRACES_SHARE": "1"}) == OFF


@pytest.mark.usefixtures("exporter")
def test_a_collector_gets_a_share_of_requests_but_no_health_checks():
    found = tracing({"GRADSIM_TRACES": "http://localhost:4318/v1/traces", "GRADSIM_TRACES_SHARE": "0.25"})
    assert found["sample_rate"] == 0.25
    assert found["otlp"]["endpoint"] == "http://localhost:4318/v1/traces"
    assert "readyz" in found["excluded_urls"]


@pytest.mark.usefixtures("exporter")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of packages that bentoml imports
def test_the_settings_are_those_that_bentoml_knows():
    from _bentoml_sdk.service.config import TracingSchema

    for settings in (OFF, tracing({"GRADSIM_TRACES": "http://localhost:4318/v1/traces"})):
        assert TypeAdapter(TracingSchema).validate_python(settings, strict=True) == settings


@pytest.mark.usefixtures("exporter")
@pytest.mark.parametrize("share", ["2", "-0.1", "nan", "half"])
def test_a_share_that_is_none_is_named(share):
    with pytest.raises(SettingsError, match=r"GRADSIM_TRACES_SHARE is '.*': it must be a number from 0 to 1"):
        tracing({"GRADSIM_TRACES": "http://localhost", "GRADSIM_TRACES_SHARE": share})


def test_an_address_that_is_none_is_named():
    with pytest.raises(SettingsError, match="must begin with http"):
        tracing({"GRADSIM_TRACES": "collector:4317"})


def test_a_missing_exporter_says_what_to_install(monkeypatch):
    monkeypatch.setattr(traces, "EXPORTER", "no_such_package.exporter")
    with pytest.raises(SettingsError, match=r"pip install 'bentoml\[tracing-otlp\]'"):
        tracing({"GRADSIM_TRACES": "http://localhost:4318/v1/traces"})
