from __future__ import annotations

import copy
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

from pipelines.cli import app
from pipelines.failures import FAILED, LOCKED, USAGE
from pipelines.settings import ROOT
from tests.deploy.schema import amount, is_schedule, misfits

DEPLOY = ROOT / "deploy"
# Where a CronJob says what its pod is like, and what the container gets.
POD = "spec.jobTemplate.spec.template.spec"
RESOURCES = f"{POD}.containers.0.resources"
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
JOBS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == "CronJob"}
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
# Of the first stage: what is taken from the project, and where it goes.
COPIES = re.findall(r"^COPY (?!--from)(.+) (\S+)$", CONTAINERFILE, re.MULTILINE)
README = (ROOT / "README.md").read_text()
CRON = (DEPLOY / "runai-pods.cron").read_text()
CRON_VARIABLES = dict(re.findall(r"^([A-Z]+)=(.+)$", CRON, re.MULTILINE))
# When, as whom, and what: five fields, one, and the rest.
CRON_LINES = re.findall(r"^((?:[\d*/]+ ){5})(\S+) (.+)$", CRON, re.MULTILINE)
UNITS = [DEPLOY / name for name in ("runai-pods@.service", "runai-pods@run.timer", "runai-pods@prune.timer")]
COMMANDS = [unit.stem.partition("@")[2] for unit in UNITS if unit.suffix == ".timer"]
# Where prune is another service than the rest.
DROP_IN = DEPLOY / "runai-pods@prune.service.d" / "retry.conf"


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What one of the CronJobs says of its jobs."""
    spec: dict[str, Any] = JOBS[request.param]["spec"]
    return spec


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def test_manifests_are_what_the_schema_of_kubernetes_says() -> None:
    assert [one["kind"] for one in MANIFESTS] == ["PersistentVolumeClaim", "CronJob", "CronJob"]
    assert [said for manifest in MANIFESTS for said in misfits(manifest)] == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("apiVersion", "batch/v9", "there is no CronJob in batch/v9"),
        ("spec.concurencyPolicy", "Forbid", "spec.concurencyPolicy: Extra inputs are not permitted"),
        ("spec.concurrencyPolicy", "Never", "spec.concurrencyPolicy: Never means nothing there"),
        ("spec.schedule", 5, "spec.schedule: Input should be a valid string"),
        ("spec.schedule", "every hour", "spec.schedule: every hour means nothing there"),
        ("spec.schedule", None, "spec.schedule: Input should be a valid string"),
        ("spec.suspend", "no", "spec.suspend: Input should be a valid boolean"),
        (f"{POD}.restartPolicy", "Always", f"{POD}.restartPolicy: Always means nothing there"),
        (f"{POD}.volumes.1.emptyDir.sizeLimit", "2GB", f"{POD}.volumes.1.emptyDir.sizeLimit: 2GB means nothing there"),
        (f"{RESOURCES}.limits.memory", "1 gigabyte", f"{RESOURCES}.limits.memory: 1 gigabyte means nothing there"),
        (f"{RESOURCES}.limit", {}, f"{RESOURCES}.limit: Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_is_not_is_found(place: str, value: object, said: str) -> None:
    manifest = copy.deepcopy(JOBS["runai-pods"])
    *way, last = place.split(".")
    inner: Any = manifest
    for step in way:
        inner = inner[int(step) if step.isdecimal() else step]
    inner[last] = value
    assert said in misfits(manifest)


def test_runs_do_not_meet_and_come_to_an_end(job: dict[str, Any]) -> None:
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    assert pod_of(job)["restartPolicy"] == "Never"


def test_a_run_is_left_to_the_next_one_and_a_prune_that_met_it_is_tried_again() -> None:
    assert [job["spec"]["jobTemplate"]["spec"]["backoffLimit"] for job in JOBS.values()] == [0, 6]


def test_both_jobs_have_the_same_pod_but_for_what_it_does() -> None:
    pods = [copy.deepcopy(pod_of(job["spec"])) for job in JOBS.values()]
    assert [pod["containers"][0].pop("args")[0] for pod in pods] == ["run", "prune"]
    assert [pod["containers"][0].pop("name") for pod in pods] == ["run", "prune"]
    assert pods[0] == pods[1]


def test_nothing_is_writable_but_the_volumes_and_nobody_is_root(job: dict[str, Any]) -> None:
    pod = pod_of(job)
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
    assert claim == MANIFESTS[0]["metadata"]["name"]
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in CONTAINERFILE
    assert container["envFrom"] == [{"secretRef": {"name": "runai-pods"}}]


def test_a_pod_asks_for_what_it_needs_and_gets_no_more_than_it_may(job: dict[str, Any]) -> None:
    """Without requests a pod is the first to be thrown out; without a limit of memory it throws out others."""
    resources = pod_of(job)["containers"][0]["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    # A run is held to 500 MB, however many samples it reads.
    assert 500_000_000 <= amount(resources["requests"]["memory"]) <= amount(resources["limits"]["memory"])


def cron_commands() -> Iterator[str]:
    """What cron gives to the shell, its variables put in."""
    for _, _, command in CRON_LINES:
        yield re.sub(r"\$([A-Z]+)", lambda found: CRON_VARIABLES[found[1]], command)


def command_lines() -> Iterator[list[str]]:
    """What every file here lets the program do."""
    for job in JOBS.values():
        yield pod_of(job["spec"])["containers"][0]["args"]
    yield yaml.safe_load(re.findall(r"^CMD (.+)$", CONTAINERFILE, re.MULTILINE)[0])
    (started,) = re.findall(r"^ExecStart=.+pods_pipeline\.py (.+)$", UNITS[0].read_text(), re.MULTILINE)
    yield from (shlex.split(started.replace("%i", command)) for command in COMMANDS)
    for command in cron_commands():
        yield shlex.split(re.split(r">|\|\||;", command.partition("pods_pipeline.py ")[2])[0])


def test_every_command_line_is_understood() -> None:
    lines = list(command_lines())
    assert [line[0] for line in lines] == ["run", "prune", "run", "run", "prune", "run", "status", "prune"]
    for line in lines:
        app.parse_args(line, exit_on_error=False, print_error=False)


def test_every_line_of_cron_has_a_schedule_and_nobody_runs_as_root() -> None:
    kept = [line for line in CRON.splitlines() if line and not line.startswith("#")]
    assert len(kept) == len(CRON_VARIABLES) + len(CRON_LINES)
    assert all(is_schedule(when) for when, _, _ in CRON_LINES)
    assert {who for _, who, _ in CRON_LINES} == {"runai-pods"}


@pytest.mark.parametrize("text", [CRON, UNITS[0].read_text()], ids=["cron", "systemd"])
def test_credentials_are_in_a_file_that_one_user_reads(text: str, tmp_path: Path) -> None:
    """As the file says that it is made; and no credential is on a line that others can see."""
    (made,) = re.findall(r"^#   (install .+)$", text, re.MULTILINE)
    words = shlex.split(re.sub(r"-[og] \S+ ", "", made))
    assert words[-1] == "/etc/runai-pods.env"
    secrets = tmp_path / "runai-pods.env"
    subprocess.run([*words[:-1], secrets], cwd=ROOT, check=True)
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert "SOURCES__RUNAI__CLIENT_SECRET=" in secrets.read_text()
    assert "SOURCES__" not in text


def test_cron_hands_credentials_over_in_the_environment(tmp_path: Path) -> None:
    """To whoever needs the control plane or a bucket: `status` reads what is published."""
    secrets, program = tmp_path / "runai-pods.env", tmp_path / "program"
    secrets.write_text("SOURCES__RUNAI__CLIENT_SECRET='canary of $HOME'\n")
    program.write_text('#!/bin/sh\necho "$2: $SOURCES__RUNAI__CLIENT_SECRET" >&2\nexec false\n')
    program.chmod(0o700)
    said = []
    for command in cron_commands():
        here = command.replace("/etc/runai-pods.env", str(secrets))
        here = here.replace("/srv/runai-pods/.venv/bin/python", str(program))
        done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, check=False, env={})
        said.append((done.stdout, done.stderr))
    assert said == [
        ("", "run: canary of $HOME\n"),
        ("runai-pods is stale\n", "status: \n"),
        ("", "prune: canary of $HOME\n"),
    ]


def test_cron_mails_nothing_of_a_run_that_went_well_by_the_readme(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho a summary\necho an error >&2\n")
    program.chmod(0o700)
    ((when, command),) = re.findall(r"^```crontab\n((?:[\d*/]+ ){5})(.+)\n```$", README, re.MULTILINE)
    assert is_schedule(when)
    here = command.replace("/srv/runai-pods/.venv/bin/python", str(program))
    done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, check=True, env={})
    assert (done.stdout, done.stderr) == ("", "an error\n")


def test_the_units_of_systemd_are_valid(tmp_path: Path) -> None:
    copies = [tmp_path / unit.relative_to(DEPLOY) for unit in (*UNITS, DROP_IN)]
    for unit, copied in zip((*UNITS, DROP_IN), copies, strict=True):
        text = unit.read_text()
        text = text.replace("/srv/runai-pods/.venv/bin/python", sys.executable).replace("/srv/runai-pods", str(ROOT))
        copied.parent.mkdir(exist_ok=True)
        copied.write_text(text.replace("=runai-pods\nG", "=root\nG"))
    assert refused_units(copies) == []


def test_a_prune_that_met_a_run_is_no_success_for_systemd_and_is_tried_again() -> None:
    """For longer than a run may take; a run that met another is left to the next."""
    service, prune = directives(UNITS[0]), directives(UNITS[0]) | directives(DROP_IN)
    assert (service["SuccessExitStatus"], service.get("Restart")) == (str(LOCKED), None)
    assert (prune["SuccessExitStatus"], prune["Restart"]) == ("", "on-failure")
    assert prune["RestartPreventExitStatus"].split() == [str(FAILED), str(USAGE)]
    assert (prune["RestartSec"], prune["TimeoutStartSec"]) == ("1min", "6h")
    # Within which so many attempts fit: a limit that is never reached is a failure that nobody hears of.
    assert (prune["StartLimitIntervalSec"], int(prune["StartLimitBurst"])) == ("1d", 6 * 60)


def directives(unit: Path) -> dict[str, str]:
    """What a unit, or a drop-in, sets, by name."""
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("codes", "tries"),
    [("0", 1), ("1", 1), ("4 4 0", 3), ("4 4 1", 3), ("4 " * 60, 60)],
    ids=["at once", "failed", "then pruned", "then failed", "an hour"],
)
def test_a_prune_of_cron_that_met_a_run_is_tried_again(tmp_path: Path, codes: str, tries: int) -> None:
    program, asked = tmp_path / "program", tmp_path / "asked"
    (tmp_path / "runai-pods.env").touch()
    program.write_text(f"#!/bin/sh\necho >>{asked}\nset -- {codes}\nshift $(($(wc -l <{asked}) - 1))\nexit $1\n")
    program.chmod(0o700)
    # It does not wait.
    (tmp_path / "sleep").symlink_to("/bin/true")
    (command,) = [command for command in cron_commands() if " prune " in command]
    here = command.replace("/etc/runai-pods.env", str(tmp_path / "runai-pods.env"))
    here = here.replace("/srv/runai-pods/.venv/bin/python", str(program))
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["/bin/sh", "-c", here], check=True, env={"PATH": path})
    assert asked.read_text().count("\n") == tries


def refused_units(units: list[Path]) -> list[str]:
    """What systemd does not understand; where there is none, sections that no unit has."""
    program = shutil.which("systemd-analyze")
    if program is None:
        sections = [section for unit in units for section in re.findall(r"^\[(.+)\]$", unit.read_text(), re.MULTILINE)]
        return [section for section in sections if section not in {"Unit", "Service", "Timer", "Install"}]
    # Drop-ins are read with the units that lie beside them.
    named = [unit for unit in units if unit.suffix != ".conf"]
    done = subprocess.run([program, "verify", "--man=no", *named], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if "runai-pods" in line] or ["refused"] * done.returncode


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
