#!/usr/bin/python3
"""Looks at what deploy/ gives to run Shunt with: image, Kubernetes manifest, systemd unit. No engine is needed.

usage: deploy_check.py SOURCE BUILD      BUILD has shunt and shuntctl
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

source, build = (Path(p).resolve() for p in sys.argv[1:])
problems = []


def check(holds, what):
    if not holds:
        problems.append(what)


def validates(text, where):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([build / "shunt", "validate", "-c", file.name], capture_output=True, text=True)
    check(done.returncode == 0, f"{where}: {done.stdout}{done.stderr}")


def packages_of(program):
    """The Debian packages that the libraries of a program come from."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = set()
    for path in re.findall(r"=> (/\S+)", linked):
        real = str(Path(path).resolve())
        names = [real, real.removeprefix("/usr")]  # packages from before the merge of /lib and /usr/lib
        owner = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True).stdout
        check(owner, f"{program}: {path} is of no Debian package")
        found |= {line.split(":")[0] for line in owner.splitlines()}
    return found


def dockerfile():
    stages = (source / "deploy" / "Dockerfile").read_text().split("\nFROM ")
    last = stages[-1]
    there = set(last.split()) | {"libc6", "libgcc-s1"}  # those two are in every image
    for program in ("shunt", "shuntctl"):
        missing = packages_of(build / program) - there
        check(not missing, f"Dockerfile: {program} needs {missing}")
        check(f"/src/build/{program}" in last, f"Dockerfile: {program} is not in the image")
    user = re.search(r"^USER (\d+)", last, re.M)
    check(user and int(user[1]) > 0, "Dockerfile: runs as root")
    check(last.index("\nUSER ") < last.index("\nENTRYPOINT "), "Dockerfile: USER comes too late")


def kubernetes():
    parts = {part["kind"]: part for part in yaml.safe_load_all((source / "deploy" / "kubernetes.yaml").read_text())}
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    shunt = pod["initContainers"][0]
    check(shunt["restartPolicy"] == "Always", "kubernetes: not a sidecar")
    rights = shunt["securityContext"]
    check(rights["runAsNonRoot"] and rights["readOnlyRootFilesystem"], "kubernetes: root, or a root that is written to")
    check(not rights["allowPrivilegeEscalation"] and rights["capabilities"]["drop"] == ["ALL"], "kubernetes: capabilities")
    volumes = {v["name"] for v in pod["volumes"]}
    check({m["name"] for m in shunt["volumeMounts"]} == volumes, f"kubernetes: mounts are not {volumes}")
    text = parts["ConfigMap"]["data"]["shunt.yaml"]
    validates(text, "kubernetes: shunt.yaml")
    config = yaml.safe_load(text)
    writable = [m["mountPath"] for m in shunt["volumeMounts"] if not m.get("readOnly")]
    for path in (config["control"]["socket"], config["journal"]):
        check(any(path.startswith(folder + "/") for folder in writable), f"kubernetes: {path} cannot be written")
    probe = shunt["startupProbe"]["exec"]["command"]
    parsed = subprocess.run(["bash", "-n", "-c", probe[-1]], capture_output=True, text=True)
    check(probe[:2] == ["bash", "-c"] and parsed.returncode == 0, f"kubernetes: the probe: {parsed.stderr}")


def systemd():
    unit = (source / "deploy" / "shunt.service").read_text()
    for command in re.findall(r"^ExecStart(?:Pre)?=/usr/bin/(\S+) ", unit, re.M):
        check((build / command).exists(), f"shunt.service: no program {command}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "shunt.service"
        copy.write_text(unit.replace("/usr/bin/shunt", str(build / "shunt")))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        mine = [line for line in done.stderr.splitlines() if "shunt.service" in line]
        check(not mine and done.returncode == 0, f"shunt.service: {mine or done.stderr}")


dockerfile()
kubernetes()
systemd()
print("\n".join(problems) or "deploy: clean")
sys.exit(bool(problems))
