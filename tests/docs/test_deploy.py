"""What deploy/ holds is whole: manifests keep to schemas and to the service's rules, the dashboard to the docs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def objects():
    """The objects of the base, by kind."""
    listed = read(BASE / "kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(path.name for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")
    return {each["kind"]: each for each in (read(BASE / name) for name in listed)}


def test_pods_are_locked_down_and_probed_as_the_service_answers(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    assert objects["NetworkPolicy"]["spec"]["egress"] == []
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "gradsim"
    name = objects["Deployment"]["metadata"]["name"]
    assert {each["metadata"]["name"] for each in objects.values()} == {name}


def test_objects_keep_to_their_schemas(objects):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for each in objects.values():
        if each["kind"] == "Deployment":  # kustomize puts these in
            labels = {"app.kubernetes.io/name": "gradsim"}
            each["spec"]["selector"] = {"matchLabels": labels}
            each["spec"]["template"]["metadata"] = {"labels": labels}
        validate.validate(each, validate.latest_version(), strict=True)


def test_the_dashboard_asks_what_the_docs_explain():
    page = (DEPLOY.parent / "docs" / "observing.md").read_text(encoding="utf-8")
    explained = [
        query.replace('{endpoint="/sentiment"}', "") for query in re.findall(r"\| `(.+?)` \|$", page, re.MULTILINE)
    ]
    panels = json.loads((DEPLOY / "grafana" / "gradsim.json").read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"].replace("0.5,", "0.99,") for panel in panels for target in panel["targets"]]
    assert len(panels) > 10 and [query for query in asked if query not in explained] == []
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_compose_mounts_what_is_there_and_the_service_writes_nothing():
    services = read(DEPLOY / "compose.yaml")["services"]
    mounted = [volume.split(":")[0] for each in services.values() for volume in each["volumes"]]
    assert [path for path in mounted if path.startswith("./") and not (DEPLOY / path).exists()] == []
    assert services["gradsim"]["read_only"] and services["gradsim"]["cap_drop"] == ["ALL"]
    assert read(DEPLOY / "prometheus.yml")["scrape_configs"][0]["job_name"] == "gradsim"


def test_the_image_has_no_compiler_and_no_root():
    *_, last = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert "USER 10001" in last and "HEALTHCHECK" in last and "/readyz" in last
    assert "apt-get" not in last and "g++" not in last and last.count("COPY") == 1
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert [name for names in copied for name in names.split() if f"!{name}\n" not in allowed] == []
