"""deploy/kubernetes: what a cluster is asked to do. `deploy/lint` holds it against the schemas of Kubernetes."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from core.tests.servers import ROOT

FOLDER = ROOT / "deploy/kubernetes"
APART = {"kustomization.yaml", "secret.example.yaml"}
RESOURCES: dict[tuple[str, str], dict[str, Any]] = {
    (resource["kind"], resource["metadata"]["name"]): resource
    for file in FOLDER.glob("*.yaml")
    if file.name != "kustomization.yaml"
    for resource in yaml.safe_load_all(file.read_text())
}
PODS = {
    name: resource["spec"]["template"] for (kind, name), resource in RESOURCES.items() if kind in {"Deployment", "Job"}
}
SERVICE = PODS["user-service"]["spec"]
SETTINGS: dict[str, str] = RESOURCES["ConfigMap", "user-service"]["data"]
OURS = ("user-service", "worker", "migrate")

pods = pytest.mark.parametrize("name", PODS)


def containers(name: str) -> list[dict[str, Any]]:
    return [*PODS[name]["spec"].get("initContainers", []), *PODS[name]["spec"]["containers"]]


def test_the_kustomization_lists_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {file.name for file in FOLDER.glob("*.yaml")} - APART | {"../gateway"}
    generated = yaml.safe_load((ROOT / "deploy/gateway/kustomization.yaml").read_text())["configMapGenerator"]
    assert generated == [{"name": "gateway", "files": ["nginx.conf"]}]
    assert PODS["gateway"]["spec"]["volumes"][0]["configMap"] == {"name": "gateway"}


@pods
def test_a_pod_may_do_no_more_than_the_strictest_standard_lets_it(name: str) -> None:
    spec = PODS[name]["spec"]
    assert (spec["securityContext"]["runAsNonRoot"], spec["automountServiceAccountToken"]) == (True, False)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    alike = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert all(container["securityContext"] == alike for container in containers(name))


@pytest.mark.parametrize("name", OURS)
def test_our_pods_are_the_image_s_user_with_its_settings(name: str) -> None:
    assert f"USER {PODS[name]['spec']['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert PODS[name]["spec"]["enableServiceLinks"] is False
    sources = [{"configMapRef": {"name": "user-service"}}, {"secretRef": {"name": "user-service"}}]
    assert all(container["envFrom"] == sources for container in containers(name))


@pods
def test_every_container_has_a_share_of_the_node(name: str) -> None:
    for container in containers(name):
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@pytest.mark.slow
def test_a_pod_has_two_processes_for_a_processor_and_memory_for_both() -> None:
    code = "from peerprep_users.settings import *; print(PROCESS_MEMORY)"
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": ""}
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    resources = SERVICE["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    memory = int(resources["limits"]["memory"].removesuffix("Mi")) * 1024**2
    assert int(memory * 0.75) // int(printed.stdout) == 2 * int(resources["requests"]["cpu"])
    assert not {"WEB_CONCURRENCY", "ARGON2_CONCURRENCY"} & set(SETTINGS)


def test_requests_under_way_may_finish() -> None:
    config = (ROOT / "deploy/gunicorn.conf.py").read_text()
    graceful = re.search(r"^graceful_timeout = (\d+)", config, re.MULTILINE)
    assert graceful is not None
    before = int(SERVICE["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert SERVICE["terminationGracePeriodSeconds"] > before + int(graceful[1])


def test_a_pod_lives_without_the_database_and_is_ready_with_it() -> None:
    probed = {name: probe["httpGet"]["path"] for name, probe in SERVICE["containers"][0].items() if "Probe" in name}
    assert probed == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_the_database_is_migrated_by_one_job_that_the_others_wait_for() -> None:
    assert PODS["migrate"]["spec"]["containers"][0]["command"] == ["python", "manage.py", "migrate", "--noinput"]
    for name in ("user-service", "worker"):
        (waiting,) = PODS[name]["spec"]["initContainers"]
        assert waiting["command"] == ["python", "manage.py", "migrate", "--check"]


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"])
def test_whatever_selects_pods_finds_some(kind: str) -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    for (found, name), resource in RESOURCES.items():
        if found == kind:
            selector = resource["spec"].get("selector") or resource["spec"]["podSelector"]
            for wanted in selector.get("matchExpressions", ()):
                assert set(wanted["values"]) == {pod["app.kubernetes.io/name"] for pod in labels}
            wanted = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
            assert any(wanted.items() <= pod.items() for pod in labels), name


@pytest.mark.slow
def test_production_accepts_the_settings() -> None:
    secret = {
        **RESOURCES["Secret", "user-service"]["stringData"],
        "SECRET_KEY": "r4nD0m-kEy/with+50=bytes_or.more~of!it:and@18,Others;2b",
    }
    environment = {"PATH": os.environ["PATH"], **SETTINGS, **secret}
    check = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(check, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
