"""The Kubernetes manifests and the Helm chart: the cluster's own schemas, and whether what they say is true of the server.

The autoscaler is followed to its decision: real servers with calls, a real Prometheus, and the Prometheus Adapter's rule.
"""

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import kubernetes_validate
import pytest
import yaml

from tests.e2e import user_documents as documents
from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.programs import prometheus
from tests.e2e.ws_client import connected
from tests.require import require
from tests.time_limits import WAIT_S
from vox.agent.config.settings import AgentSettings, load
from vox.fleet.worker.settings import WorkerSettings
from vox.fleet.worker.settings import load as load_worker
from vox.http.generation import PROMISED_S
from vox.runtime.settings import describe

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PRODUCTION = DEPLOY / "kubernetes" / "production"
VERSIONS = ("1.28", "1.31")
"""Of Kubernetes."""
NOT_KUBERNETES_OWN = {"Kustomization", "PodMonitor"}
VENDORS_VARIABLES = {"OPENAI_API_KEY"}
PRE_STOP_S, GOODBYES_S, STORING_S = 5, 5, 35

Manifest = dict[str, Any]


def manifests_in(*files: Path) -> list[Manifest]:
    """Every object of these files."""
    return [one for file in files for one in yaml.safe_load_all(file.read_text()) if one and "kind" in one]


def of_kind(kind: str, objects: list[Manifest]) -> Manifest:
    """The one object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def assert_valid(objects: list[Manifest]) -> None:
    """Each object is one that the cluster takes, without a field that it does not know."""
    assert objects
    for one in objects:
        if one["kind"] not in NOT_KUBERNETES_OWN:
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)


def variables() -> set[str]:
    """Every variable of the environment that the agent reads."""
    return VENDORS_VARIABLES | {name for setting in describe(AgentSettings, "") for name in setting.env}


def production() -> list[Manifest]:
    """What `kubectl apply -k` applies, and the secret's template."""
    names = yaml.safe_load((PRODUCTION / "kustomization.yaml").read_text())["resources"]
    return manifests_in(*(PRODUCTION / name for name in names), PRODUCTION / "secret.example.yaml")


def helm_template(*arguments: str) -> list[Manifest]:
    """What the chart makes of these values."""
    done = _helm("template", "agents", str(DEPLOY / "helm" / "vox"), "--kube-version", "1.31.0", *arguments)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    installed = Path.home() / "go" / "bin" / "helm"
    found = shutil.which("helm") or (str(installed) if installed.exists() else None)
    require(found is not None, "helm", "go install helm.sh/helm/v3/cmd/helm@v3.22.0")
    environment = {**os.environ, "HELM_CACHE_HOME": "/nonexistent", "HELM_CONFIG_HOME": "/nonexistent"}
    return subprocess.run([str(found), *arguments], capture_output=True, text=True, check=False, env=environment)


def test_block_probes_is_valid_in_a_container():
    (probes,) = documents.manifests("probes.yaml")
    assert_valid([in_deployment({"name": "voxray", "image": "voxray:latest", **probes})])


def test_blocks_grace_period_and_pre_stop_are_valid_together():
    (hook,) = documents.manifests("pre_stop.yaml")
    spec = documents.manifests("grace_period.yaml")[0]["spec"]
    (container,) = spec["containers"]
    assert_valid([in_deployment({**container, **hook}, spec)])


def in_deployment(container: Manifest, spec: Manifest | None = None) -> Manifest:
    """A Deployment around a container, because the schemas know whole objects only."""
    deployment = documents.manifests("deployment.yaml")[0]
    deployment["spec"]["template"]["spec"] = {**(spec or {}), "containers": [container]}
    return deployment


def test_blocks_deployment_and_autoscaler_are_valid_and_belong_together():
    deployment, service = documents.manifests("deployment.yaml")
    (scaler,) = documents.manifests("autoscaler.yaml")
    assert_valid([deployment, service, scaler])
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "voxray"}
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def check_pods(deployment: Manifest, config: Manifest, secret: Manifest | None) -> AgentSettings:
    """What a Deployment promises of its pods: they can be replaced without a word lost, run as no one in particular, and start."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = secret["stringData"] if secret else {}
    settings = load(None, environment, json.loads(config["data"]["config.json"])).settings
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["/bin/sh", "-c", f"sleep {PRE_STOP_S}"]
    least = PRE_STOP_S + settings.drain_timeout_secs + GOODBYES_S + STORING_S
    assert least <= pod["terminationGracePeriodSeconds"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (DEPLOY / "docker" / "Dockerfile").read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    (port,) = container["ports"]
    assert port["containerPort"] == settings.bind_port
    assert settings.bind_host == "0.0.0.0", "a probe comes from outside the pod"
    for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        assert (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"]) == (path, port["name"])
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/app/config.json", "/var/lib/vox", "/tmp"} <= mounted  # noqa: S108  in the container
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    return settings


def test_the_full_set_is_valid_and_says_what_is_true():
    objects = production()
    assert_valid(objects)
    secret, deployment = of_kind("Secret", objects), of_kind("Deployment", objects)
    settings = check_pods(deployment, of_kind("ConfigMap", objects), secret)
    assert set(secret["stringData"]) <= variables()
    assert settings.max_request_body_bytes == 1_048_576
    assert (settings.session_store, settings.log_level, settings.json_logs) == ("redis", "info", True)
    assert settings.max_concurrent_calls > int(averages(of_kind("HorizontalPodAutoscaler", objects)))
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    for kind, place in (("Service", ("selector",)), ("PodDisruptionBudget", ("selector", "matchLabels"))):
        selector = of_kind(kind, objects)["spec"]
        for key in place:
            selector = selector[key]
        assert selector.items() <= labels, kind
    assert "replicas" not in deployment["spec"], "the autoscaler and every apply would undo each other"


def averages(scaler: Manifest) -> str:
    """The calls that the autoscaler wants in each pod."""
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "http_active_connections"
    value: str = metric["pods"]["target"]["averageValue"]
    return value


async def test_the_ingress_names_every_public_route_and_not_the_metrics(tmp_path: Path):
    paths = of_kind("Ingress", production())["spec"]["rules"][0]["http"]["paths"]
    chart = of_kind("Ingress", helm_template("--set", "ingress.enabled=true"))["spec"]["rules"][0]["http"]["paths"]
    assert [(each["path"], each["pathType"]) for each in chart] == [(each["path"], each["pathType"]) for each in paths]
    inside = {"/metrics", "/health", "/ready", "/docs", "/openapi.json", "/api/offer"}
    inside |= {"/rooms", "/rooms/join", "/rooms/{call_id}"}  # the chat server asks within the cluster
    async with agent_server(tmp_path, {**FAKES, "transport": "both"}) as agent, httpx2.AsyncClient() as http:
        routes = set((await http.get(f"{agent.http}/openapi.json")).json()["paths"])
    hidden = {route for route in routes if not any(_leads(each, route) for each in paths)}
    assert hidden <= inside
    assert "/metrics" in hidden


def _leads(rule: Manifest, path: str) -> bool:
    prefix = rule["path"]
    return path == prefix or (rule["pathType"] == "Prefix" and path.startswith(f"{prefix}/"))


CHART = {
    "as it is": (),
    "with everything": (
        "--set", "ingress.enabled=true,podMonitor.enabled=true,secret.name=voxray-secrets,tls.secretName=voxray-tls",
        "--set", "service.annotations.a=b,podAnnotations.c=d,nodeSelector.e=f,imagePullSecrets[0].name=g",
        "--set", "env[0].name=VOXRAY_GREETING,env[0].value=Hello,podMonitor.labels.release=prometheus",
        "--set", "tolerations[0].key=voice,tolerations[0].operator=Exists",
    ),
    "with nothing": (
        "--set", "autoscaling.enabled=false,disruptionBudget.enabled=false,networkPolicy.enabled=false,preStopSleepSeconds=5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("values", [*CHART])
def test_the_chart_makes_what_the_cluster_takes(values: str):
    objects = helm_template(*CHART[values])
    assert_valid(objects)
    kinds = {each["kind"] for each in objects}
    optional = {"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}
    assert kinds & optional == (set() if values == "with nothing" else optional)
    settings = check_pods(of_kind("Deployment", objects), of_kind("ConfigMap", objects), None)
    assert settings.tls_enable is (values == "with everything")
    assert ("replicas" in of_kind("Deployment", objects)["spec"]) is (values == "with nothing")


def test_the_chart_refuses_what_would_not_work():
    for wrong, named in (
        ("config.server_api_key=secret", "server_api_key"),
        ("config.port=0", "port"),
        ("autoscaling.callsPerPod=0", "callsPerPod"),
    ):
        done = _helm("template", "agents", str(DEPLOY / "helm" / "vox"), "--kube-version", "1.31.0", "--set", wrong)
        assert done.returncode != 0, wrong
        assert named in done.stderr


# The autoscaler


@contextlib.asynccontextmanager
async def calls(agent: RunningAgent, number: int) -> AsyncGenerator[None, None]:
    """So many calls in progress."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(number):
            client = await stack.enter_async_context(connected(agent.ws))
            await client.frame("StartFrame")
        yield


def pods(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Prometheus' job for pods, as its discovery would find these of the printed Deployment, whose port has no name."""
    template = documents.manifests("deployment.yaml")[0]["spec"]["template"]
    (port,) = template["spec"]["containers"][0]["ports"]
    (job,) = yaml.safe_load((PRODUCTION / "scrape.yaml").read_text())["scrape_configs"]
    del job["kubernetes_sd_configs"]
    found = {
        "__meta_kubernetes_pod_label_app": template["metadata"]["labels"]["app"],
        "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
        "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
        "__meta_kubernetes_namespace": "default",
    }
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {**found, "__meta_kubernetes_pod_name": name}}
        for name, port in ports.items()
    ]
    yield {**job, "static_configs": targets}


async def test_block_autoscaler_follows_the_calls_in_progress(tmp_path: Path):
    (scaler,) = documents.manifests("autoscaler.yaml")
    adapter = yaml.safe_load((DEPLOY / "prometheus" / "adapter.yml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert re.fullmatch(rule["name"]["matches"], "http_active_connections")
    # What the Adapter asks for a Deployment's pods: a Go template, of which these three are all that it fills in
    query = rule["metricsQuery"]
    for name, value in (
        ("<<.Series>>", "http_active_connections"),
        ("<<.LabelMatchers>>", 'namespace="default",pod=~"voxray-1|voxray-2"'),
        ("<<.GroupBy>>", "pod"),
    ):
        assert name in query
        query = query.replace(name, value)
    for name in ("a", "b", "p"):
        (tmp_path / name).mkdir()
    async with agent_server(tmp_path / "a", FAKES) as one, agent_server(tmp_path / "b", FAKES) as two:
        ports = {"voxray-1": one.port, "voxray-2": two.port}
        async with prometheus(tmp_path / "p", [*pods(ports)]) as server:
            async with calls(one, 3), calls(two, 1):
                expected = {"voxray-1": 3.0, "voxray-2": 1.0}
                await server.until(query, lambda seen: sorted(seen) == sorted(expected.values()))
                seen = await server.values(query, "pod")
                assert seen == expected
                await assert_discoverable(server.port, rule["seriesQuery"])
            assert replicas_for(scaler, seen, target=2) == 2
            assert replicas_for(scaler, {"voxray-1": 80.0, "voxray-2": 60.0}) == 3
            assert replicas_for(scaler, {"voxray-1": 0.0, "voxray-2": 0.0}) == 2
            await server.until(query, lambda seen: seen == [0.0, 0.0])


async def assert_discoverable(port: int, series: str) -> None:
    """The Adapter finds the metric by its rule, with the labels that tell the pod."""
    async with httpx2.AsyncClient(timeout=WAIT_S) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/api/v1/series", params={"match[]": series})
    found = answer.json()["data"]
    assert {each["route"] for each in found} == {"ws", "telephony_ws", "webrtc"}
    assert {(each["namespace"], each["pod"]) for each in found} == {("default", "voxray-1"), ("default", "voxray-2")}


def replicas_for(scaler: Manifest, values: dict[str, float], *, target: float = 0) -> int:
    """The autoscaler's arithmetic for an average value, as Kubernetes documents it."""
    spec = scaler["spec"]
    wanted = math.ceil(sum(values.values()) / (target or float(averages(scaler))))
    return max(spec["minReplicas"], min(spec["maxReplicas"], wanted))


def test_the_workers_are_valid_read_their_variables_and_have_time_to_drain():
    objects = manifests_in(DEPLOY / "kubernetes" / "workers.yaml")
    assert_valid(objects)
    workers, scaler = of_kind("StatefulSet", objects), of_kind("HorizontalPodAutoscaler", objects)
    spec = workers["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    environment = {each["name"]: each.get("value", "") for each in container["env"]}
    read = {name for setting in describe(WorkerSettings, "") for name in setting.env}
    assert set(environment) - {"POD_NAME"} <= read
    loaded = load_worker(
        {
            **environment,
            "VOX_WORKER_ID": "voxcore-0",
            "VOX_WORKER_URL": "http://voxcore-0.voxcore:8001",
            "VOXCORE_SECRET": "of-the-secret",
            "VOX_WORKER_TOKEN": "of-the-secret",
        }
    )
    assert (loaded.warnings, loaded.settings.workers) == ([], 1)
    ending_s = PRE_STOP_S + PROMISED_S + loaded.settings.drain_deadline_secs + GOODBYES_S + STORING_S
    assert spec["terminationGracePeriodSeconds"] >= ending_s
    assert int(averages(scaler)) < loaded.settings.max_concurrent_calls
    assert scaler["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"] == workers["spec"]["serviceName"]


def test_the_variables_of_the_manifests_are_read():
    deployment = documents.manifests("deployment.yaml")[0]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {each["name"] for each in container["env"]} <= variables()
