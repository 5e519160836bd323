"""docker-compose.yml: what a container engine is asked to do. `deploy/check-compose` does it."""

import re
from typing import Any

import pytest
import yaml

from core.tests.servers import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PORTS = [port for service in SERVICES.values() for port in service.get("ports", ())]
OURS = ["user-service", "worker", "migrate"]

services = pytest.mark.parametrize("name", SERVICES)


def test_it_publishes_what_the_earlier_one_did_and_the_gateway_to_this_machine_alone() -> None:
    published = [re.sub(r"\$\{PORT:-(\d+)\}", r"\1", port) for port in PORTS]
    assert sorted(published) == sorted(
        f"127.0.0.1:{port}:{port}" for port in (5432, 6379, 5672, 15672, 8001, 8080, 8025)
    )


@services
def test_every_name_leads_somewhere(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    for source in [volume.split(":")[0] for volume in service.get("volumes", ())]:
        assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]


@services
def test_its_image_has_a_version(name: str) -> None:
    assert "build" in SERVICES[name] or re.search(r":v?\d[\w.-]*$", SERVICES[name]["image"])


@services
def test_it_gains_no_privileges(name: str) -> None:
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"rabbitmq"}))
def test_it_cannot_write_to_its_files(name: str) -> None:
    assert (SERVICES[name]["read_only"], SERVICES[name]["cap_drop"]) == (True, ["ALL"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_its_health_is_checked(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", ["user-service", "gateway"])
def test_requests_under_way_may_finish(name: str) -> None:
    graceful = re.search(r"^graceful_timeout = (\d+)", (ROOT / "deploy/gunicorn.conf.py").read_text(), re.MULTILINE)
    assert graceful is not None
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > int(graceful[1])


def test_the_database_is_migrated_once_before_anything_uses_it() -> None:
    assert SERVICES["migrate"]["restart"] == "no"
    for name in ("user-service", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    migrating = [name for name, service in SERVICES.items() if "migrate" in service.get("command", ())]
    assert migrating == ["migrate"]


def test_there_are_two_replicas_and_a_worker_for_their_jobs() -> None:
    assert SERVICES["user-service"]["deploy"] == {"replicas": 2}
    assert SERVICES["user-service"]["environment"]["BACKGROUND_JOBS"] == "false"
    assert SERVICES["worker"]["command"] == ["python", "manage.py", "work"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "PUBLIC_BASE_URL", "TRUSTED_PROXY_COUNT"])
def test_the_env_file_has_the_last_word(name: str) -> None:
    for service in OURS:
        assert SERVICES[service]["environment"][name].startswith("${" + name + ":-")
