from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from pipelines.cli import app
from pipelines.settings import ROOT
from tests.deploy.schema import misfits

DEPLOY = ROOT / "deploy"
KINDS = {"PersistentVolumeClaim": client.V1PersistentVolumeClaim, "CronJob": client.V1CronJob}
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
# Of the first stage: what is taken from the project, and where it goes.
COPIES = re.findall(r"^COPY (?!--from)(.+) (\S+)$", CONTAINERFILE, re.MULTILINE)


def manifests() -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


@pytest.fixture
def job() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["CronJob"]["spec"]
    return spec


def test_manifests_are_what_the_schema_of_kubernetes_says() -> None:
    found = manifests()
    assert found.keys() == KINDS.keys()
    for kind, manifest in found.items():
        assert list(misfits(manifest, KINDS[kind])) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"concurencyPolicy": "Forbid"}, "spec.concurencyPolicy is no field of V1CronJobSpec"),
        ({"schedule": 5}, "spec.schedule is no str"),
        ({"suspend": "no"}, "spec.suspend is no bool"),
        ({"jobTemplate": []}, "spec.jobTemplate is no V1JobTemplateSpec"),
        ({"schedule": None}, "spec lacks something, or holds a word that is not of the list"),
    ],
)
def test_a_manifest_that_is_not_is_found(job: dict[str, Any], change: dict[str, Any], said: str) -> None:
    manifest = {**manifests()["CronJob"], "spec": {**job, **change}}
    assert said in list(misfits(manifest, client.V1CronJob))


def test_runs_do_not_meet_and_come_to_an_end(job: dict[str, Any]) -> None:
    assert job["concurrencyPolicy"] == "Forbid"
    run = job["jobTemplate"]["spec"]
    assert (run["backoffLimit"], run["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert run["activeDeadlineSeconds"] > 0


def test_nothing_is_writable_but_the_volumes_and_nobody_is_root(job: dict[str, Any]) -> None:
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    guard = container["securityContext"]
    assert (guard["readOnlyRootFilesystem"], guard["allowPrivilegeEscalation"]) == (True, False)
    assert guard["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"data": "/data", "tmp": "/tmp"}  # noqa: S108
    assert {volume["name"] for volume in pod["volumes"]} == mounts.keys()
    (claim,) = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "data"]
    assert claim == manifests()["PersistentVolumeClaim"]["metadata"]["name"]
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in CONTAINERFILE
    assert container["envFrom"] == [{"secretRef": {"name": "runai-pods"}}]
    assert "memory" in container["resources"]["limits"]


def command_lines() -> Iterator[list[str]]:
    """What every file here lets the program do."""
    (container,) = manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    yield container["args"]
    yield yaml.safe_load(re.findall(r"^CMD (.+)$", CONTAINERFILE, re.MULTILINE)[0])
    for name in ("runai-pods.service", "runai-pods.cron"):
        for line in re.findall(r"pods_pipeline\.py (.+)$", (DEPLOY / name).read_text(), re.MULTILINE):
            yield shlex.split(re.split(r">|\|\|", line)[0])


def test_every_command_line_is_understood() -> None:
    lines = list(command_lines())
    assert len(lines) == 6
    for line in lines:
        app.parse_args(line, exit_on_error=False, print_error=False)


def test_the_units_of_systemd_are_valid(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    python, script = sys.executable, ROOT / "pipelines" / "pods_pipeline.py"
    for name in ("runai-pods.service", "runai-pods.timer"):
        text = (DEPLOY / name).read_text()
        text = text.replace("/srv/runai-pods/.venv/bin/python", python).replace("/srv/runai-pods/docs", f"{ROOT}/docs")
        text = text.replace("/srv/runai-pods/pipelines/pods_pipeline.py", str(script)).replace(
            "=runai-pods\nG", "=root\nG"
        )
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in ("runai-pods.service", "runai-pods.timer")]
    done = subprocess.run([program, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "runai-pods" in line]
    assert (done.returncode, said) == (0, [])


def test_what_the_image_is_made_of_is_there_and_holds_no_secret() -> None:
    sources = [source for words, _ in COPIES for source in words.split()]
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    # The notebook is for whoever reads what is published, with packages that the image does not have.
    assert {room.rstrip("*") for room in rooms} - {"notebooks"} <= set(sources)
    assert all((ROOT / source).exists() for source in sources)
    assert not any("secrets" in source for source in sources)
    stages = re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)
    assert stages == ["python:3.12-slim"] * 2
    assert CONTAINERFILE.index("\nUSER ") < CONTAINERFILE.index("\nENTRYPOINT ")


def test_the_program_writes_to_its_volumes_alone() -> None:
    """What the image copies, read-only and with a home that does not exist, by somebody without any privilege."""
    with tempfile.TemporaryDirectory(prefix="runai-pods-") as folder:
        root, data, tmp = (Path(folder) / name for name in ("app", "data", "tmp"))
        for words, target in COPIES:
            for source in words.split():
                _copy(ROOT / source, root / target.removeprefix("/app/"), into=target == "./")
        for place in (data, tmp):
            place.mkdir()
        files = [path for path in [root, *root.rglob("*")] if path.name != "__pycache__"]
        before = {path: path.stat().st_mtime_ns for path in files}
        for path in files:
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        command = [sys.executable, str(root / "pipelines" / "pods_pipeline.py"), "run", "--demo", "--metrics", "none"]
        command += ["--data-dir", str(data), "--progress", "none"]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(tmp)}
        try:
            done = subprocess.run(
                [*_confined(folder), *command],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                cwd=data,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before
            assert (data / "published" / "runai.duckdb").exists()
            assert list(tmp.iterdir()) == []
        finally:
            for path in files:
                path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    place = target / source.name if into else target
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)


def _confined(folder: str) -> list[str]:
    """Whoever is root may write to anything: take that from them, and all of the disk but the folder if it can be."""
    if os.geteuid() != 0:
        return []
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False).returncode:
        return powerless
    mounts = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
    return [unshare, "--mount", "sh", "-c", mounts, folder, *powerless]
